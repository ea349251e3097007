"""Latency of one picture over HTTP, a thousand in one request against bare sampling, and a load of several clients.

    .venv/bin/python benchmarks/serving.py --model data/06_models/base/joint_stack.safetensors

Starts two servers on this machine for a model that takes labels: the one of `make serve`, and `mlflow models serve`.
Bare sampling is `gan_pipelines.load` in this process. The load is on the first server; memory is that of the server
and all that it started. Nothing else should run on the machine meanwhile.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import mlflow.pyfunc
import psutil

from gan_pipelines import load, serving
from gan_pipelines.model_file import read_generator, write_model
from gan_pipelines.models.sampler import Sampler
from gan_pipelines.pages import ENVIRONMENT, HOST, SERVER
from measure import environment, print_table, spread

MANY = serving.MOST_ROWS
OWN, MLFLOW = "make serve", "mlflow models serve"
WARM_SECONDS = 10
"""Of load before memory is looked at first."""


def save(file: str, folder: Path) -> Path:
    """A model file as MLflow serves it."""
    copy = folder / "model.safetensors"
    write_model(copy, read_generator(file))
    sampler = load(copy)
    mlflow.pyfunc.save_model(
        str(folder / "model"),
        loader_module=serving.__name__,
        data_path=str(copy),
        signature=serving.make_signature(sampler),
        input_example=serving.make_example(sampler),
        pip_requirements=list(serving.REQUIREMENTS),
    )
    return folder / "model"


def commands(model: Path, port: int) -> dict[str, tuple[list[str], int]]:
    """The command of each server, and its port."""
    own = [sys.executable, "-P", str(SERVER), "--model", str(model), "--port", str(port)]
    place = ["--env-manager", "local", "--host", HOST, "--port", str(port + 1), "--workers", "1"]
    mlflows = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), *place]
    return {OWN: (own, port), MLFLOW: (mlflows, port + 1)}


@contextmanager
def server(command: list[str], port: int) -> Iterator[psutil.Process]:
    """A server of a model, ready to answer."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {**os.environ, **ENVIRONMENT, "PATH": path, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not ready(port):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit("The server did not start.")
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def ready(port: int) -> bool:
    """Whether the server answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def ask(port: int, labels: Sequence[str], form: str) -> int:
    """One request on a connection of its own, as clients without a pool make it; its status."""
    body = json.dumps({"inputs": {"label": list(labels)}, "params": {"format": form}})
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        pictures = json.load(answer)["predictions"] if answer.status == 200 else ()
        return answer.status if len(pictures) == len(labels) else 0
    finally:
        connection.close()


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def race(sampler: Sampler, ports: dict[str, int], count: int, repeats: int) -> list[list[str]]:
    """Bare sampling, and both formats of each server, in turns."""
    labels = [sampler.classes[row % len(sampler.classes)] for row in range(count)]
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: sampler.sample(count),
        **{
            f"{form}, {name}": lambda port=port, form=form: ask(port, labels, form)
            for name, port in ports.items()
            for form in serving.FORMATS
        },
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            taken = seconds(way)
            if turn:  # the first warms up
                times[name].append(taken)
    return [
        [
            f"{count}: {name}",
            spread([1000 * taken for taken in found], 1),
            spread([a / b for a, b in zip(found, times["bare"], strict=True)], 2) if name != "bare" else "",
        ]
        for name, found in times.items()
    ]


def resident_mebibytes(process: psutil.Process) -> float:
    """Memory of a process and its descendants."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 2**20


def load_test(sampler: Sampler, port: int, clients: int, duration: float) -> tuple[list[float], int]:
    """Requests for one picture by several clients at once: how long each took, and how many failed."""
    until = time.monotonic() + duration

    def client(number: int) -> tuple[list[float], int]:
        label, taken, failed = sampler.classes[number % len(sampler.classes)], [], 0
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                failed += ask(port, [label], "png") != 200
            except (OSError, http.client.HTTPException):
                failed += 1
            taken.append(time.perf_counter() - began)
        return taken, failed

    with ThreadPoolExecutor(clients) as pool:
        results = list(pool.map(client, range(clients)))
    return [x for taken, _ in results for x in taken], sum(failed for _, failed in results)


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="data/06_models/base/joint_stack.safetensors")
    parser.add_argument("--port", type=int, default=5077)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    sampler = load(options.model)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        started = commands(save(options.model, Path(folder)), options.port)
        processes = {name: servers.enter_context(server(*started[name])) for name in started}
        ports = {name: port for name, (_, port) in started.items()}
        rows = [
            row
            for count, repeats in ((1, 10 * options.repeats), (MANY, options.repeats))
            for row in race(sampler, ports, count, repeats)
        ]
        load_test(sampler, ports[OWN], options.clients, WARM_SECONDS)
        before = resident_mebibytes(processes[OWN])
        taken, failed = load_test(sampler, ports[OWN], options.clients, options.seconds)
        after = resident_mebibytes(processes[OWN])
    print(environment())
    print_table(("pictures", "ms, median (min..max)", "times bare sampling"), rows)
    middle, slow = 1000 * median(taken), 1000 * quantiles(taken, n=100)[98]
    print(
        f"\n{options.clients} clients for {options.seconds:.0f} s: {len(taken)} requests, {failed} failed, "
        f"{len(taken) / options.seconds:.0f} a second, median {middle:.0f} ms, 99 % within {slow:.0f} ms; "
        f"memory {before:.0f} MiB before, {after:.0f} MiB after."
    )


if __name__ == "__main__":
    main()
