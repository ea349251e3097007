"""Where a stage runs and what it draws from.

A stage's draws depend on the experiment's seed and the stage's name, on nothing else.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from gan_pipelines.data.batches import Batches
from gan_pipelines.models.provenance import Provenance, code_version
from gan_pipelines.parameters import ExperimentError, RunParameters, Schema
from gan_pipelines.training.checkpoint import CheckpointFolder, StageCheckpoints
from gan_pipelines.training.ranks import Ranks

Module = TypeVar("Module", bound=nn.Module)

_GLOBAL_STATE = threading.RLock()


@dataclass
class Stage:
    """Where a stage runs and what it draws from.

    Attributes:
        name: the stage's name, such as `encoder` or `pixels`.
        device: where its tensors live.
        rng: CPU generator for batches and noise, the same draws on every device.
        run: seed, threads, precision.
        batches: positions of the training images, once they are drawn from.
        provenance: of a training, what decides its result.
        checkpoints: of a training that keeps them; of several ranks, the first one's.
        ranks: the processes that share the stage.
    """

    name: str
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rng: torch.Generator = field(default_factory=torch.Generator)
    run: RunParameters = field(default_factory=RunParameters)
    batches: Batches | None = None
    provenance: Provenance | None = None
    checkpoints: StageCheckpoints | None = None
    ranks: Ranks = field(default_factory=Ranks)

    def draw_batches(self, count: int, batch_size: int) -> Batches:
        """Seeded endless batches of `count` examples, which checkpoints of the stage take along."""
        self.batches = Batches(count, batch_size, self.rng)
        return self.batches

    def bring(self, batch: Tensor) -> Tensor:
        """This rank's share of what was drawn for a whole batch, on the stage's device."""
        return self.ranks.share(batch).to(self.device, non_blocking=True)

    def draw_apart(self) -> None:
        """From now on layers that draw in training draw something else on each rank."""
        if not self.ranks.is_first:
            torch.manual_seed(stage_seed(self.run.seed, f"{self.name}/weights/{self.ranks.rank}"))

    def place(self, module: Module) -> Module:
        """Move a module to the stage's device, in the layout in which convolutions are fastest."""
        placed: Module = module.to(self.device).to(memory_format=torch.channels_last)
        return placed

    def autocast(self) -> AbstractContextManager[object]:
        """The precision in which the stage's networks compute."""
        if self.run.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def state(self) -> dict[str, Tensor]:
        """Random streams and order of the data."""
        tensors = {"random.stage": self.rng.get_state()}
        streams = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            streams["cuda"] = torch.cuda.get_rng_state(self.device)
        for name, stream in streams.items():
            tensors |= {f"random.{name}.{rank}": value for rank, value in enumerate(self.ranks.gather(stream))}
        if self.batches is not None:
            tensors |= {f"batches.{name}": value for name, value in self.batches.state().items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over the state of the same stage of an earlier run."""
        self.rng.set_state(state["random.stage"])
        torch.set_rng_state(state[f"random.cpu.{self.ranks.rank}"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state[f"random.cuda.{self.ranks.rank}"], self.device)
        if self.batches is not None:
            self.batches.restore({name: state[f"batches.{name}"] for name in ("order", "position")})


def stage_seed(seed: int, name: str) -> int:
    """A 63-bit seed out of the experiment's seed and a name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


@contextmanager
def seeded_stage(run: RunParameters, name: str) -> Iterator[Stage]:
    """Run a stage on its own random streams, leaving torch's global state and settings as they were.

    The global state is seeded too, since initialisation and dropout draw from it, with a seed of its own. There is
    one such state in a process, so stages that run in threads wait for each other.
    """
    device = find_device(run.device)
    with (
        _GLOBAL_STATE,
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        _kernels(run),
    ):
        torch.manual_seed(stage_seed(run.seed, f"{name}/weights"))
        yield Stage(name, device, torch.Generator().manual_seed(stage_seed(run.seed, name)), run)


@contextmanager
def training_stage(
    run: RunParameters,
    name: str,
    parameters: Schema,
    inputs: Mapping[str, str],
    checkpoints: CheckpointFolder | None,
) -> Iterator[Stage]:
    """A seeded stage that trains: it knows what decides its result, and holds the checkpoints that belong to it.

    Args:
        run: seed, device, threads, precision.
        name: of the stage.
        parameters: its YAML.
        inputs: digest of each thing that it learns from.
        checkpoints: where to keep some; None keeps none.
    """
    with seeded_stage(run, name) as stage:
        machine = describe_machine(run)
        stage.provenance = Provenance(
            stage=name,
            parameters=parameters.model_dump(mode="json"),
            inputs=dict(inputs),
            seed=run.seed,
            workers=run.workers,
            precision=run.precision,
            compile=run.compile,
            deterministic=run.deterministic,
            code=machine["code"],
            torch=machine["torch"],
            device=_processor(stage.device),
            threads=int(machine["threads"]),
        )
        kept = checkpoints if stage.ranks.is_first else None
        opened = kept.open(stage.provenance, run.checkpoints) if kept else nullcontext()
        with opened as stage.checkpoints:
            yield stage


@contextmanager
def _kernels(run: RunParameters) -> Iterator[None]:
    """The run's threads and choice of kernels."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.set_num_threads(run.threads or threads)
    torch.use_deterministic_algorithms(run.deterministic)
    torch.backends.cudnn.benchmark = not run.deterministic
    if run.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = benchmark


def describe_machine(run: RunParameters) -> dict[str, str]:
    """What a run finds on this machine: `code`, `torch`, `device`, `threads`; no CUDA context is made for it."""
    return {
        "code": code_version(),
        "torch": torch.__version__,
        "device": str(find_device(run.device)),
        "threads": str(run.threads or torch.get_num_threads()),
    }


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.backends.cpu.get_cpu_capability()})" if device.type == "cpu" else str(device)


def require_machine(run: RunParameters) -> None:
    """Refuse what this machine does not have: the device, a GPU for each worker, a compiler for the networks.

    Raises:
        ExperimentError: names the field.
    """
    device, gpus = find_device(run.device), torch.cuda.device_count()
    if device.type == "cuda" and run.workers > gpus:
        raise ExperimentError(
            f"run.workers: each needs a GPU of its own; this machine has {gpus}, found {run.workers}."
        )
    if run.compile != "off" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise ExperimentError(
            f"run.compile: {run.compile!r} needs a C++ compiler, and there is none on the path (CXX, g++ or clang++). "
            f"Install one, or keep it off."
        )


def find_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first CUDA device, or the CPU where there is none.

    Raises:
        ExperimentError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.device_count() else "cpu")
    device = torch.device(name)
    found = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if device.type == "cuda" else 0,
        "mps": int(device.type == "mps" and torch.backends.mps.is_available()),
    }
    if (device.index or 0) >= found[device.type]:
        raise ExperimentError(
            f"run.device: {name!r} is not there; this machine has cpu and {torch.cuda.device_count()} CUDA devices. "
            f"Allowed are auto, cpu, cuda, cuda:<index> and mps, as far as they exist."
        )
    return device
