"""Whether a pipeline on a cluster gives the results of this process; what differs is named before any training."""

import asyncio
import ipaddress
import logging
import platform
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from gan_pipelines.models.provenance import code_version
from gan_pipelines.parameters import ExperimentError, RunParameters
from gan_pipelines.parameters.base import in_short
from gan_pipelines.parameters.packages import require_packages
from gan_pipelines.project import project_folder
from gan_pipelines.training.machine import describe_processor, find_device

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60.0
"""So long a worker may take to say what it is; one that has just started still imports."""
AMONG_WORKERS = ("processor", "threads")
"""In these, workers must equal each other; in everything else also the process that starts the run."""
PRIVATE = "tcp://127.0.0.1:<port>, which this machine alone reaches, or tls://<host>:<port> with certificates"


def require_dask() -> None:
    """Refuse to go on without the extra `cluster`; see `require_packages`."""
    require_packages("--runner: DaskRunner", ["distributed"], "distributed>=2026.8,<2027")


def connect(address: str) -> "Client":
    """Open a client of a scheduler that this machine alone reaches, or that uses TLS.

    Raises:
        ExperimentError: Dask is not installed, nothing answers there, or the network can reach it.
    """
    require_dask()
    require_private("--runner-params: address", address)
    from distributed import Client, Security

    if address.startswith("tls") and not Security().get_connection_args("client").get("ssl_context"):
        raise ExperimentError(
            f"--runner-params: address: {address!r} needs certificates: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            f"..._TLS__CLIENT__CERT and ..._TLS__CLIENT__KEY name none. Nothing was run."
        )
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, RuntimeError) as error:
        raise ExperimentError(
            f"--runner-params: address: no Dask scheduler answers at {address!r} ({in_short(error)}). `make cluster` "
            f"starts one at tcp://127.0.0.1:8786. Nothing was run."
        ) from None
    for listener in client.run_on_scheduler(listeners):
        require_private("the scheduler", listener)
    found = [*ask_workers(client, listeners).items(), *client.run(listeners, nanny=True).items()]
    for worker, addresses in found:
        for listener in require_answer(worker, addresses):
            require_private(f"{worker}: what this worker listens on", listener)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_name_worker)
    client.forward_logging("gan_pipelines")
    return client


def ask_workers(
    client: "Client", question: Callable[..., Any], *arguments: Any, seconds: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """What a function returns on each worker, or the exception that it raises there.

    Args:
        client: of the cluster.
        question: the function.
        arguments: of it.
        seconds: to wait. Dask would wait for a worker that hangs for as long as it does.

    Returns:
        By the worker's address; a TimeoutError for one that does not answer.

    Raises:
        TimeoutError: the scheduler does not answer.
    """

    async def ask(worker: str) -> Any:
        try:
            answer = client.run(question, *arguments, workers=[worker])
            return (await asyncio.wait_for(answer, seconds))[worker]
        except Exception as error:
            return error

    async def ask_all() -> dict[str, Any]:
        workers = await known_workers(client)
        return dict(zip(workers, await asyncio.gather(*map(ask, workers)), strict=True))

    found: dict[str, Any] = client.sync(ask_all, callback_timeout=2 * seconds)
    return found


async def known_workers(client: "Client") -> list[str]:
    """The addresses of the workers that the scheduler knows."""
    return list((await client.scheduler.identity(n_workers=-1))["workers"])


def require_answer(worker: str, answer: Any) -> Any:
    """What a worker has answered.

    Raises:
        ExperimentError: an exception.
    """
    if isinstance(answer, TimeoutError):
        raise ExperimentError(f"{worker}: this worker does not answer. Stop it, or start it again. Nothing was run.")
    if isinstance(answer, Exception):
        raise ExperimentError(f"{worker}: this worker cannot run nodes: {in_short(repr(answer))}. Nothing was run.")
    return answer


def listeners(dask_worker: Any = None, dask_scheduler: Any = None) -> list[str]:
    """On a worker, its nanny or a scheduler: where it listens, such as `tcp://0.0.0.0:8786`.

    The address at which others find a worker may be private while it listens on all interfaces.
    """
    return [listener.listen_address for listener in (dask_worker or dask_scheduler).listeners]


def _name_worker(record: logging.LogRecord) -> bool:
    """Say in a worker's line whose it is."""
    if worker := record.__dict__.pop("worker", ""):
        record.msg = f"{record.msg} [{worker}]"
    return True


def require_private(what: str, address: str) -> None:
    """Refuse an address where others could run code: Dask without TLS asks nobody who they are.

    Args:
        what: has the address.
        address: such as `tcp://127.0.0.1:8786`.

    Raises:
        ExperimentError: it is neither TLS nor on this machine alone.
    """
    url = urlsplit(address)
    with suppress(ValueError):
        if url.scheme == "tls" or (url.scheme == "tcp" and ipaddress.ip_address(url.hostname or "").is_loopback):
            return
    raise ExperimentError(f"{what}: must be {PRIVATE}; found {address!r}. Nothing was run.")


def require_equal_workers(client: "Client") -> dict[str, str]:
    """Check that all workers see this project, have its code and packages, and compute on equal processors.

    Returns:
        What `describe_worker` says on each.

    Raises:
        ExperimentError: names the worker that differs, and in what.
    """
    with tempfile.NamedTemporaryFile(dir=project_folder(), prefix=".cluster_") as beacon:
        ours = describe_worker(beacon.name)
        answers = ask_workers(client, describe_worker, beacon.name)
    if not answers:
        raise ExperimentError("The cluster has no workers. `make cluster` starts one with two. Nothing was run.")
    found = {worker: require_answer(worker, answer) for worker, answer in answers.items()}
    require_equal(ours, found)
    return next(iter(found.values()))


def require_equal(ours: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> None:
    """Check that workers are equal to each other, and to this process but for processor and threads.

    Args:
        ours: what `describe_worker` says here.
        found: what it says on each worker, by its address.

    Raises:
        ExperimentError: names the first worker that differs, and in what.
    """
    first = next(iter(found.values()))
    expected = {**ours, **{name: first[name] for name in AMONG_WORKERS}}
    for worker, facts in found.items():
        for name, wanted in expected.items():
            if facts.get(name) != wanted:
                raise ExperimentError(
                    f"{worker}: {name} of this worker is {facts.get(name)}, elsewhere {wanted}; what a node makes must "
                    f"not depend on where it runs. After a change, start workers again. Nothing was run."
                )


def describe_worker(beacon: str) -> dict[str, str]:
    """What decides whether two processes make the same.

    Args:
        beacon: a new file of an accidental name, which a process sees if it shares the project's folder.
    """
    needed = [re.split(r"[^\w.-]", need)[0] for need in requires("gan_pipelines") or () if "extra ==" not in need]
    file, cpuinfo = Path(beacon), Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.M) if cpuinfo.exists() else []
    return {
        f"the folder {file.parent}": "the same" if file.exists() else "another",
        "code": code_version(),
        "python": platform.python_version(),
        **{name: version(name) for name in (*needed, "distributed")},
        "processor": f"{(models or [platform.processor()])[0]}, {describe_processor(find_device('auto'))}",
        "threads": str(torch.get_num_threads()),
    }


def require_runnable(pipeline: Pipeline, catalog: DataCatalog, run: RunParameters) -> None:
    """Check that each node is a single process, and that its results reach other workers.

    Raises:
        ExperimentError: names the field or the dataset.
    """
    if run.workers > 1:
        raise ExperimentError(
            f"run.workers: must be 1 on a Dask cluster, because a worker that dies would leave the other processes of "
            f"its training behind; found {run.workers}. Start more Dask workers instead. Nothing was trained."
        )
    for name in sorted(pipeline.all_outputs()):
        if isinstance(catalog.get(name), MemoryDataset):
            raise ExperimentError(
                f"{name}: this pipeline makes it and the catalog has no file for it, so other workers would not see "
                f"it. Add it to conf/base/catalog.yml. Nothing was trained."
            )
