"""Where many workers meet: the record of runs, Dask's scheduler, the file system, with workers that sleep.

    .venv/bin/python benchmarks/cluster.py store --store http://127.0.0.1:5000
    .venv/bin/python benchmarks/cluster.py scheduler --workers 10 100 200

- `store`: runs that are all open at once, written by several processes as trainings write them; whether all came in;
- `nodes`: a chain of nodes that do nothing, on two workers against one process;
- `scheduler`: workers that sleep instead of training, a few processes full of them, each with one node after another;
- `files`: processes that write checkpoints at once, each flushed to the disk;
- `seeds`: a default level with two seeds, on two workers of one thread against one after the other with two threads.

Nothing else should run on the machine meanwhile.
"""

import argparse
import asyncio
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil
import torch

from gan_pipelines.tensor_file import write_tensors
from gan_pipelines.tracking import Settings, active_run, finish_run, join_run, start_run
from gan_pipelines.tracking.runs import LOST, RUN_ID, log_batch
from gan_pipelines.tracking.stages import FLUSH_SECONDS
from gan_pipelines.tracking.store import mask, open_client
from measure import PROJECT, environment, print_table, spread
from runs import kedro_run, temporary_project

EXPERIMENT = "many writers"
BATCHES, REPORTS, METRICS = 3, 20, 8
"""Batches of a run, reports in a batch, metrics in a report, as of a training that reports four times a second."""
HOSTS = 4
"""Processes that share the sleeping workers."""
NODES = 5
"""Nodes that each sleeping worker gets."""
NODE_SECONDS = 1.0
CHAIN = 20
"""Nodes of the chain, each of which saves a number as JSON."""
CHECKPOINTS = 10
"""That each writer writes."""
FLOATS = 5_000_000
"""Of a checkpoint: 20 MB, about those of the default pixels level with both optimisers."""
FRACTION = 0.06
"""Of the ablation's updates: 150 for each seed."""
PORT = 8799

Row = Sequence[str]


def store(options: argparse.Namespace) -> list[Row]:
    """Write runs, all open at once, and read them back."""
    with tempfile.TemporaryDirectory() as folder:
        uri = options.store or f"sqlite:///{folder}/mlflow.db"
        name = f"{EXPERIMENT} {time.time_ns()}"
        settings = Settings(tracking_uri=uri, artifacts="mlartifacts")
        open_client(settings.locate(Path(folder)))  # makes the tables, and imports MLflow once for all writers
        open_client.cache_clear()
        began = time.perf_counter()
        share = [options.runs // options.writers + (i < options.runs % options.writers) for i in range(options.writers)]
        with ProcessPoolExecutor(options.writers, mp_context=multiprocessing.get_context("fork")) as pool:
            found = list(pool.map(partial(_write_runs, settings, Path(folder), name), share))
        seconds = time.perf_counter() - began
        milliseconds = sorted(1000 * batch for batches, _ in found for batch in batches)
        whole = _count_whole(settings.locate(Path(folder)), name)
    return [
        (
            f"{mask(options.store or 'sqlite')}: {options.runs} runs at once, {options.writers} writers",
            f"{median(milliseconds):.0f} ms a batch of {REPORTS * METRICS} metrics, "
            f"19 of 20 within {quantiles(milliseconds, n=20)[-1]:.0f}, all within {milliseconds[-1]:.0f}",
            f"{whole} runs are whole, {sum(lost for _, lost in found)} writers lost the store; "
            f"{len(milliseconds) / seconds:.0f} batches/s, {seconds:.0f} s",
        )
    ]


def _write_runs(settings: Settings, folder: Path, experiment: str, count: int) -> tuple[list[float], bool]:
    """Open runs, write to them in turns, and end them; seconds of each batch, and whether the store was lost."""
    opened, seconds = [], []
    for _ in range(count):
        start_run(settings, folder, experiment, {"run": {"seed": count}}, {})
        opened.append(active_run())
    for batch in range(BATCHES):
        steps = range(batch * REPORTS, (batch + 1) * REPORTS)
        reports = [
            (time.time_ns() // 10**6, step, {f"loss_{i}": float(step) for i in range(METRICS)}) for step in steps
        ]
        for run in opened:
            join_run(run)
            began = time.perf_counter()
            log_batch(os.environ.get(RUN_ID), reports)
            seconds.append(time.perf_counter() - began)
    lost = LOST in os.environ
    for run in opened:
        join_run(run)
        finish_run("FINISHED")
    return seconds, lost


def _count_whole(uri: str, experiment: str) -> int:
    """Runs that have ended well, with the last value of every metric, and with every value of one."""
    client = open_client(uri)
    known = client.get_experiment_by_name(experiment)
    assert known is not None
    steps = list(range(BATCHES * REPORTS))
    last = {f"loss_{i}": float(steps[-1]) for i in range(METRICS)}
    return sum(
        run.info.status == "FINISHED"
        and run.data.metrics == last
        and sorted(point.step for point in client.get_metric_history(run.info.run_id, "loss_0")) == steps
        for run in client.search_runs([known.experiment_id], max_results=5000)
    )


def nodes(options: argparse.Namespace) -> list[Row]:
    """A chain of nodes that do nothing: what each costs on workers more than here."""
    # here, as `files` and `scheduler` start many processes, which need none of it
    from kedro.framework.project import configure_project, settings
    from kedro.framework.startup import bootstrap_project
    from kedro.io import DataCatalog
    from kedro.pipeline import node, pipeline
    from kedro.runner import SequentialRunner
    from kedro_datasets.json import JSONDataset

    from gan_pipelines.cluster import DaskRunner
    from gan_pipelines.hooks.showing import ShowingHooks

    chain = pipeline([node(abs, f"number_{i}", f"number_{i + 1}", name=f"node_{i}") for i in range(CHAIN)])
    seconds: dict[str, list[float]] = {"check": [], "workers": [], "here": []}
    with temporary_project() as project, _two_workers(project) as (_, address):
        files = {name: JSONDataset(filepath=str(project / "data" / f"{name}.json")) for name in chain.datasets()}
        files["number_0"].save(0)
        os.chdir(project)
        bootstrap_project(project)
        configure_project("gan_pipelines")
        with settings.SESSION_CLASS.create(project, env="smoke") as session:
            assert session.load_context().catalog
            catalog = DataCatalog(files)
            for hook in settings.HOOKS:
                if hasattr(hook, "catalog"):
                    hook.catalog = catalog
                if isinstance(hook, ShowingHooks):
                    hook.before_pipeline_run({"run_id": "chain"}, chain)
            for repeat in range(options.repeats + 1):
                began = time.perf_counter()
                runner = DaskRunner(address.partition("address=")[2])
                seconds["check"].append(time.perf_counter() - began)
                for name, used in {"workers": runner, "here": SequentialRunner()}.items():
                    began = time.perf_counter()
                    used.run(chain, catalog, session._hook_manager, run_id=f"{name} {repeat}")
                    seconds[name].append(time.perf_counter() - began)
        os.chdir(PROJECT)
    later = {name: found[1:] for name, found in seconds.items()}  # in the first one, workers still import
    more = [(there - here) / CHAIN for there, here in zip(later["workers"], later["here"], strict=True)]
    return [
        (
            f"a chain of {CHAIN} nodes that do nothing, two workers",
            f"{spread(more, 3)} s a node more than in one process",
            f"the comparison of workers {spread(later['check'], 1)} s a run",
        )
    ]


def scheduler(options: argparse.Namespace) -> list[Row]:
    """Sleeping workers, as many as asked for."""
    return [_sleep_on(count) for count in options.workers]


def _sleep_on(count: int) -> Row:
    from distributed import Client

    from gan_pipelines.cluster.checks import ask_workers

    with _scheduler() as (address, process):
        began = time.perf_counter()
        with _hosts(address, count), Client(address) as client:
            client.wait_for_workers(count, timeout=300)
            ready = time.perf_counter() - began
            before, began = process.cpu_times(), time.perf_counter()
            time.sleep(5)
            idle = _used(process, before) / (time.perf_counter() - began)
            began = time.perf_counter()
            assert set(ask_workers(client, int).values()) == {0}
            asked = time.perf_counter() - began
            before, began = process.cpu_times(), time.perf_counter()
            work = os.urandom(25_000)  # about a pickled node of the ablation
            client.gather([client.submit(_sleep, work, key=f"node {i}", pure=False) for i in range(NODES * count)])
            wall, cpu = time.perf_counter() - began, _used(process, before)
            memory = process.memory_info().rss / 2**20
    return (
        f"{count} workers, {NODES} nodes of {NODE_SECONDS:.0f} s each",
        f"{wall:.1f} s instead of {NODES * NODE_SECONDS:.0f}; "
        f"{1000 * cpu / (NODES * count):.1f} ms of the scheduler's CPU a node",
        f"ready after {ready:.0f} s, all asked in {asked:.2f} s, idle at {idle:.0%} of a core, {memory:.0f} MiB",
    )


def _sleep(work: bytes) -> int:
    time.sleep(NODE_SECONDS)
    return len(work)


def _used(process: psutil.Process, before: Any) -> float:
    now = process.cpu_times()
    return float(now.user + now.system - before.user - before.system)


@contextmanager
def _scheduler() -> Iterator[tuple[str, psutil.Process]]:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_serve, args=(queue,), daemon=True)
    process.start()
    try:
        yield queue.get(timeout=60), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def _serve(queue: Any) -> None:
    from distributed import Scheduler

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as served:
            queue.put(served.address)
            await served.finished()

    asyncio.run(serve())


@contextmanager
def _hosts(address: str, count: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    shares = [count // HOSTS + (i < count % HOSTS) for i in range(HOSTS)]
    processes = [context.Process(target=_work, args=(address, share), daemon=True) for share in shares]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _work(address: str, count: int) -> None:
    from distributed import Worker

    async def work() -> None:
        workers = [Worker(address, nthreads=1, memory_limit=0, dashboard=False) for _ in range(count)]
        await asyncio.gather(*workers)
        await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(work())


def files(options: argparse.Namespace) -> list[Row]:
    """Checkpoints by several processes at once."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        context = multiprocessing.get_context("spawn")
        together = context.Barrier(options.writers).wait  # once all have imported what they need
        with ProcessPoolExecutor(options.writers, context, together) as pool:
            seconds = [
                one for found in pool.map(partial(_write_files, folder), range(options.writers)) for one in found
            ]
    rate = 4e-6 * FLOATS / median(seconds) * options.writers
    return [
        (
            f"{options.writers} writers, checkpoints of {4e-6 * FLOATS:.0f} MB",
            f"{median(seconds):.2f} s each, at most {max(seconds):.2f}",
            f"{rate:.0f} MB/s together",
        )
    ]


def _write_files(folder: str, writer: int) -> list[float]:
    torch.set_num_threads(1)
    state, seconds = {"state": torch.rand(FLOATS)}, []
    for _ in range(CHECKPOINTS):
        began = time.perf_counter()
        write_tensors(Path(folder, str(writer), "step.safetensors"), state, {})
        seconds.append(time.perf_counter() - began)
    return seconds


def seeds(options: argparse.Namespace) -> list[Row]:
    """The pixels level of the ablation's row `adv`, with the two seeds at once and one after the other."""
    levels = ",".join(f"ablation_adv_seed_{seed}_level_pixels" for seed in (0, 1))
    work = ("--pipelines=ablation", f"--to-outputs={levels}")
    params = f"--params=ablation.seeds=[0,1],ablation.updates_fraction={FRACTION},run.threads"
    seconds: dict[str, list[float]] = {"one after the other": [], "at once": []}
    with temporary_project() as project, _two_workers(project) as runner:
        for _ in range(options.repeats):
            seconds["one after the other"].append(kedro_run(project, *work, f"{params}=2")[0])
            seconds["at once"].append(kedro_run(project, *work, f"{params}=1", *runner)[0])
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    return [
        (
            "two seeds of a level, one after the other, two threads",
            f"{spread(seconds['one after the other'], 0)} s",
            "",
        ),
        (
            "the same at once, two workers of one thread",
            f"{spread(seconds['at once'], 0)} s",
            f"{spread(ratios, 2)} times as fast, start and data included",
        ),
    ]


@contextmanager
def _two_workers(project: Path) -> Iterator[tuple[str, str]]:
    command = [sys.executable, "-m", "gan_pipelines.cluster", "--port", str(PORT)]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("kedro run" in line for line in process.stdout)
            address = f"--runner-params=address=tcp://127.0.0.1:{PORT}"
            yield "--runner=gan_pipelines.cluster.DaskRunner", address
        finally:
            process.terminate()


CASES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "store": store,
    "nodes": nodes,
    "scheduler": scheduler,
    "files": files,
    "seeds": seeds,
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", choices=CASES)
    parser.add_argument("--store", help="MLflow's store; a sqlite file by default")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--writers", type=int, default=16, help="processes that write at once")
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 200], help="that sleep")
    parser.add_argument("--repeats", type=int, default=2, help="of `nodes` and `seeds`")
    parser.add_argument("--folder", help="where `files` writes; that of temporary files by default")
    options = parser.parse_args()
    rows = [row for case in options.cases for row in CASES[case](options)]
    print(f"{environment()} Load {os.getloadavg()[0]:.1f}. A training sends a batch every {FLUSH_SECONDS:.0f} s.\n")
    print_table(("", "measured", "besides"), rows)


if __name__ == "__main__":
    main()
