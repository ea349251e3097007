"""Runs on a Dask cluster of two workers: the files of a sequential run, whatever dies; bad clusters are refused."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import node, pipeline

from gan_pipelines.cli import require_runner
from gan_pipelines.cluster import checks
from gan_pipelines.parameters import ExperimentError, RunParameters, packages
from gan_pipelines.tracking.names import parse_training_name
from tests.pipelines.conftest import PARENT, Project
from tests.pipelines.processes import PATIENCE_SECONDS, SEED, Process, checkpoints, recorded, wait_for_steps

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="the extra `cluster` is not installed")

Run = Callable[..., Process]

RUNNER = "gan_pipelines.cluster.DaskRunner"
KILLS = int(os.environ.get("KILLS", "1"))
"""`make chaos` sets it."""
chaos = pytest.mark.skipif(KILLS == 1, reason="`make chaos` does what takes minutes")
SILENT_SECONDS = 15
"""After which a worker counts as dead; 5 minutes unless it is set."""
SGAN = ("--pipelines=sgan", "--params=sgan.levels.pixels.training.steps=150,run.checkpoints.every_steps=1")
ENDLESS = ",".join(f"{stage}.training.steps=1000000" for stage in ("classifier", "judge"))
TRAININGS = (
    f"--params=run.checkpoints.every_seconds=1000,{ENDLESS}",
    "--to-nodes=encoder.train_encoder,judge.train_judge",
)

SWEEP = """
data: {validation_fraction: 0.1}
run: {checkpoints: {every_seconds: 1000}}
sweep:
  parameters: {infogan.training.learning_rate: {distribution: log_uniform, low: 1.0e-4, high: 1.0e-2}}
  score: infogan/frechet_distance.judge
  trials: 2
"""


class Cluster:
    """What `make cluster` starts, and starts again where a test has ended it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._process = folder, None

    def arguments(self) -> tuple[str, str]:
        """Of a run on it; starts it if need be."""
        if self._process is None or self._process.poll() is not None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = probe.getsockname()[1]
            # a worker that is killed twenty times has not run out of memory; a scheduler that is killed comes not back
            environment = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "100"}
            if KILLS > 1:
                environment |= {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": f"{SILENT_SECONDS}s"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gan_pipelines.cluster", f"--port={self._port}"],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdout is not None
            assert any("kedro run" in line for line in self._process.stdout)
        return f"--runner={RUNNER}", f"--runner-params=address=tcp://127.0.0.1:{self._port}"

    def workers(self) -> list[psutil.Process]:
        assert self._process is not None
        found = psutil.Process(self._process.pid).children()
        return [process for process in found if any("spawn_main" in word for word in _command(process))]

    def training(self, stage: str = "") -> psutil.Process | None:
        """A worker that trains, found by the lock that it holds."""
        for worker in self.workers():
            with suppress(psutil.Error):  # it has just died
                if any(f"checkpoints/{stage}" in file.path for file in worker.open_files()):
                    return worker
        return None

    def wait_for_training(self, process: Process) -> psutil.Process:
        """A worker that trains for a run, once one does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and not process.ended():
            if worker := self.training():
                return worker
            time.sleep(0.01)
        raise AssertionError(process.said())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Within the context, the scheduler and what watches the workers are as if behind a broken cable."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> list[psutil.Process]:
        """Kill the scheduler, and what watches the workers; returns the workers."""
        workers = self.workers()
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
        return workers

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=60)
            self._process = None


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return list(process.cmdline())
    return []


@pytest.fixture(scope="module")
def cluster(new_project: Callable[[], Project]) -> Iterator[Cluster]:
    started = Cluster(new_project().folder)
    yield started
    started.close()


@pytest.fixture
def own_cluster(cluster: Cluster) -> Iterator[Cluster]:
    """A new one, since what happened in a test before may still go on in a cluster."""
    cluster.close()
    started = Cluster(cluster.folder)
    yield started
    started.close()


@pytest.fixture(scope="module")
def sequential(new_project: Callable[[], Project], kedro_run: Run) -> Project:
    project = new_project()
    kedro_run(project, *SGAN).finish()
    return project


def contents(project: Project) -> dict[str, bytes]:
    """Every file of a project without its version; histories without the speed."""
    found = {}
    for file in project.files("*"):
        if "history_" in file.name:
            found[file.name] = pd.read_csv(file).drop(columns="images_per_second").to_csv().encode()
        else:
            found[file.name] = file.read_bytes()
    return found


def newest(project: Project) -> dict[str, bytes]:
    """The newest version of each model."""
    return {file.name: file.read_bytes() for file in project.files("*.safetensors") if "06_models" in file.parts}


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def statuses(project: Project) -> dict[str, list[str]]:
    """How the children of the newest run ended, by name; the run itself is called `parent`."""
    record, found = project.record(), dict[str, list[str]]()
    for run in record.client.search_runs([record.parent.info.experiment_id]):
        if run.data.tags.get(PARENT) == record.parent.info.run_id:
            found.setdefault(parse_training_name(run.info.run_name), []).append(run.info.status)
    return {"parent": [record.parent.info.status], **found}


@pytest.mark.slow
def test_workers_are_killed_and_every_file_is_that_of_a_sequential_run(
    cluster: Cluster, empty_project: Project, sequential: Project, kedro_run: Run
) -> None:
    project, rng = empty_project, random.Random(SEED)
    process = kedro_run(project, *SGAN, *cluster.arguments())
    assert process.wait_until(lambda: checkpoints(project).get("pixels", 0) > 5 or KILLS > 1), process.said()
    killed = 0
    while killed < KILLS and wait_for_steps(process, project, sum(checkpoints(project).values()) + rng.randint(1, 10)):
        if worker := cluster.training("pixels" if KILLS == 1 else ""):
            worker.kill()
            killed += 1
    process.finish(10 * PATIENCE_SECONDS)
    assert killed == KILLS, process.said()
    assert "resumes from the checkpoint of step" in process.said()
    places = re.findall(r"INFO (\d+) of (\d+) \S+: done after", process.said())  # from the workers
    assert {int(place) for place, _ in places} == set(range(1, int(places[0][1]) + 1))
    assert contents(project) == contents(sequential)
    assert checkpoints(project) == {}
    found = statuses(project)
    assert found.pop("parent") == ["FINISHED"]
    assert set(found) == set(sequential.record().children)
    assert all(sorted(set(ends)) in (["FINISHED"], ["FINISHED", "KILLED"]) for ends in found.values()), found
    if KILLS == 1:
        assert sorted(found["pixels"]) == ["FINISHED", "KILLED"]
    assert len(project.records()) == 1


@pytest.mark.slow
def test_told_to_stop_it_stops_the_workers_with_a_checkpoint_and_a_dead_cluster_ends_it(
    cluster: Cluster, empty_project: Project, kedro_run: Run
) -> None:
    project = empty_project
    process = kedro_run(project, *TRAININGS, *cluster.arguments())
    assert process.wait_until(lambda: recorded(project) == {"encoder", "judge"}), process.said()
    workers = {worker.pid for worker in cluster.workers()}
    os.kill(process.number, signal.SIGTERM)
    assert process.end() == 143, process.said()
    assert cluster.training() is None
    assert {worker.pid for worker in cluster.workers()} == workers  # they were quick enough not to be restarted
    left = checkpoints(project)
    assert set(left) == {"encoder", "judge"}
    assert statuses(project) == {"parent": ["KILLED"], "encoder": ["KILLED"], "judge": ["KILLED"]}

    process = kedro_run(project, *TRAININGS, *cluster.arguments(), DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s")
    assert process.wait_until(lambda: recorded(project) == {"encoder", "judge"}), process.said()
    assert f"encoder: resumes from the checkpoint of step {left['encoder']} of" in process.said()
    _, alive = psutil.wait_procs(cluster.kill(), timeout=30)
    assert not alive
    assert process.end() == 1
    assert "scheduler" in process.last_line()
    assert statuses(project) == {"parent": ["FAILED"], "encoder": ["FAILED"], "judge": ["FAILED"]}


@chaos
@pytest.mark.slow
def test_the_ablation_on_two_workers_makes_the_files_of_a_sequential_run(
    cluster: Cluster, new_project: Callable[[], Project], kedro_run: Run
) -> None:
    projects = new_project(), new_project()
    for project, arguments in zip(projects, ((), cluster.arguments()), strict=True):
        kedro_run(project, "--pipelines=ablation", *arguments).finish(10 * PATIENCE_SECONDS)
    assert contents(projects[0]) == contents(projects[1])


@chaos
@pytest.mark.slow
def test_workers_that_hang_or_all_die_at_once_are_replaced_and_a_silent_scheduler_is_waited_for(
    own_cluster: Cluster, empty_project: Project, sequential: Project, kedro_run: Run
) -> None:
    project = empty_project
    process = kedro_run(project, *SGAN, *own_cluster.arguments())
    own_cluster.wait_for_training(process)
    for worker in own_cluster.workers():
        worker.kill()
    hangs = own_cluster.wait_for_training(process)
    hangs.suspend()
    assert process.wait_until(lambda: not hangs.is_running()), process.said()
    with own_cluster.stopped():
        assert process.wait_until(lambda: "scheduler of the cluster does not answer" in process.said())
    process.finish(10 * PATIENCE_SECONDS)
    assert contents(project) == contents(sequential)
    found = statuses(project)
    assert found.pop("parent") == ["FINISHED"]
    assert all(set(ends) <= {"FINISHED", "KILLED"} for ends in found.values()), found


@chaos
@pytest.mark.slow
@pytest.mark.parametrize("silent", ["worker", "scheduler"])
def test_told_to_stop_it_ends_though_a_worker_or_the_scheduler_is_silent(
    own_cluster: Cluster, empty_project: Project, kedro_run: Run, silent: str
) -> None:
    project = empty_project
    process = kedro_run(project, *TRAININGS, *own_cluster.arguments())
    assert process.wait_until(lambda: recorded(project) == {"encoder", "judge"}), process.said()
    if silent == "scheduler":
        with own_cluster.stopped():
            os.kill(process.number, signal.SIGTERM)
            assert process.end(60) == 143, process.said()
    else:
        hangs = own_cluster.training("judge")
        assert hangs is not None
        hangs.suspend()
        os.kill(process.number, signal.SIGTERM)
        assert process.end(90) == 143, process.said()
        assert not hangs.is_running()
    assert wait_until(lambda: own_cluster.training() is None)
    assert "encoder" in checkpoints(project)
    assert {*statuses(project)["parent"], *statuses(project)["encoder"]} == {"KILLED"}


@chaos
@pytest.mark.slow
def test_a_worker_whose_disk_is_full_ends_the_run_and_the_same_command_goes_on(
    own_cluster: Cluster, empty_project: Project, sequential: Project, kedro_run: Run
) -> None:
    project = empty_project
    process = kedro_run(project, *SGAN, *own_cluster.arguments())
    assert process.wait_until(lambda: checkpoints(project).get("pixels", 0) > 5), process.said()
    full = own_cluster.training("pixels")
    assert full is not None
    full.rlimit(psutil.RLIMIT_FSIZE, (4096, psutil.RLIM_INFINITY))
    assert process.end() == 1
    full.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    assert re.search(r"^Error: level_pixels: .*cannot be written .*File too large", process.last_line()), process.said()
    assert own_cluster.training() is None
    assert statuses(project)["parent"] == ["FAILED"]
    kedro_run(project, *SGAN, *own_cluster.arguments()).finish()
    assert newest(project) == newest(sequential)


@chaos
@pytest.mark.slow
def test_a_sweep_trains_on_workers_and_a_dead_cluster_costs_no_trial(
    own_cluster: Cluster, empty_project: Project, kedro_run: Run
) -> None:
    pytest.importorskip("optuna")
    project = empty_project
    project.write("conf/smoke/parameters_sweep.yml", SWEEP)
    long = "--params=infogan.training.steps=1000"
    process = kedro_run(project, long, *own_cluster.arguments(), command="sweep")
    assert process.wait_until(lambda: "trial 1 (1 of 2 ended)" in process.said()), process.said()
    assert process.wait_until(lambda: "infogan" in recorded(project)), process.said()
    own_cluster.kill()
    assert process.end() == 1
    assert "scheduler" in process.last_line()
    kedro_run(project, long, *own_cluster.arguments(), command="sweep").finish()
    assert project.table("sweep_trials").sort_values("trial")["state"].tolist() == ["scored", "interrupted", "scored"]


def refusal(refuse: Callable[[], object]) -> str:
    with pytest.raises(ExperimentError) as refused:
        refuse()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://0.0.0.0:8786", "inproc://x", "tcp://host:1", "8786"])
def test_an_address_that_others_could_reach_is_refused(address: str) -> None:
    assert address in refusal(lambda: checks.connect(address))


def test_an_address_where_nothing_listens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CONNECT_SECONDS", 0.5)
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in refusal(lambda: checks.connect("tcp://127.0.0.1:9"))


def test_tls_without_certificates_is_refused() -> None:
    assert "TLS__CA_FILE" in refusal(lambda: checks.connect("tls://127.0.0.1:9"))


def test_a_worker_that_listens_to_the_network_is_refused() -> None:
    from distributed import LocalCluster

    place = {"host": "0.0.0.0", "dashboard_address": None, "processes": False, "protocol": "tcp"}
    with LocalCluster(n_workers=1, scheduler_port=0, **place) as open_cluster:
        port = open_cluster.scheduler_address.rpartition(":")[2]
        assert "0.0.0.0" in refusal(lambda: checks.connect(f"tcp://127.0.0.1:{port}"))


def test_without_dask_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    require_runner(RUNNER, {"address": "tcp://127.0.0.1:8786"})
    assert "pip install 'distributed>=" in refusal(lambda: checks.connect("tcp://127.0.0.1:8786"))


def test_a_worker_that_differs_is_named(tmp_path: Path) -> None:
    (tmp_path / "beacon").touch()
    ours = checks.describe_worker(str(tmp_path / "beacon"))
    here = {**ours, "threads": "1", "processor": "a"}
    checks.require_equal(ours, {"tcp://1": here, "tcp://2": here})
    for name in ours:
        message = refusal(
            lambda name=name: checks.require_equal(ours, {"tcp://1": here, "tcp://2": {**here, name: "x"}})
        )
        assert message.startswith(f"tcp://2: {name} of this worker is x, elsewhere {here[name]}")
    assert checks.describe_worker(str(tmp_path / "none")) != ours
    assert {"code", "torch", "distributed", "python"} < set(ours)


def test_what_cannot_be_spread_is_refused() -> None:
    kept = pipeline([node(len, "images", "count", name="count")])
    catalog = DataCatalog({"images": MemoryDataset([1]), "count": MemoryDataset()})
    assert refusal(lambda: checks.require_runnable(kept, catalog, RunParameters())).startswith("count: ")
    workers = RunParameters(workers=2)
    assert "run.workers" in refusal(lambda: checks.require_runnable(pipeline([]), catalog, workers))


def test_dask_forgets_a_node_that_has_ended() -> None:
    """If it did not, it would run the node again with the death of the worker that has its outcome."""
    from distributed import Client

    from gan_pipelines.cluster.runner import _hand_over

    with Client(processes=False, n_workers=1, dashboard_address=None, host="127.0.0.1", protocol="tcp") as client:
        for function, failure in ((int, None), (float.fromhex, TypeError)):
            sent, future = client.submit(function, pure=False), Future[Any]()
            sent.add_done_callback(lambda done, future=future: _hand_over(done, future))
            assert type(future.exception(timeout=PATIENCE_SECONDS)) is (failure or type(None))
            assert wait_until(lambda key=sent.key: key not in client.futures)
