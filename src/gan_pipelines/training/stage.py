"""A stage: a named part of an experiment with its own random streams.

What a stage draws depends on the experiment's seed and the stage's name, and on nothing else.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from gan_pipelines.data.batches import Batches
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import RunParameters, Schema
from gan_pipelines.training.checkpoint import CheckpointFolder, StageCheckpoints
from gan_pipelines.training.machine import describe_machine, describe_processor, find_device, kernels
from gan_pipelines.training.memory import keep_freed_memory
from gan_pipelines.training.ranks import Ranks

Module = TypeVar("Module", bound=nn.Module)

_GLOBAL_STATE = threading.RLock()


@dataclass
class Stage:
    """Where a stage runs and what it draws from.

    Attributes:
        name: such as `encoder` or `pixels`.
        device: where its tensors live.
        rng: CPU generator for batches and noise, so that draws are the same on every device.
        run: seed, threads, precision.
        batches: the training batches, once `draw_batches` was called.
        provenance: what decides the result of a training.
        checkpoints: of a training that keeps them; only on the first rank.
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
        """Seeded, endless batches of `count` examples; their position is part of the stage's state."""
        self.batches = Batches(count, batch_size, self.rng)
        return self.batches

    def local_batch(self, batch: Tensor) -> Tensor:
        """This rank's shard of a whole batch, on the stage's device."""
        return self.ranks.shard(batch).to(self.device, non_blocking=True)

    def seed_rank(self) -> None:
        """Seed torch's global random state differently on each rank, for layers that draw while training."""
        if not self.ranks.is_first:
            torch.manual_seed(stage_seed(self.run.seed, f"{self.name}/weights/{self.ranks.rank}"))

    def place(self, module: Module) -> Module:
        """Move a module to the stage's device, in the memory layout that is fastest for convolutions."""
        placed: Module = module.to(self.device).to(memory_format=torch.channels_last)
        return placed

    def autocast(self) -> AbstractContextManager[object]:
        """A context in which networks compute in the stage's precision."""
        if self.run.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def describe_checkpoint(self) -> str:
        """One sentence about the newest checkpoint."""
        return self.checkpoints.describe_newest() if self.checkpoints else "No checkpoints are kept."

    def state(self) -> dict[str, Tensor]:
        """Random streams and position in the batches."""
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
        """Restore the state of the same stage of an earlier run."""
        self.rng.set_state(state["random.stage"])
        torch.set_rng_state(state[f"random.cpu.{self.ranks.rank}"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state[f"random.cuda.{self.ranks.rank}"], self.device)
        if self.batches is not None:
            self.batches.restore({name: state[f"batches.{name}"] for name in ("order", "position")})


def stage_seed(seed: int, name: str) -> int:
    """A 63-bit seed derived from the experiment's seed and a name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


@contextmanager
def seeded_stage(run: RunParameters, name: str) -> Iterator[Stage]:
    """Run a stage on its own random streams; torch's global random state and settings are restored afterwards.

    The global state gets its own seed, since initialisation and dropout draw from it. A process has only one such
    state, so stages in several threads wait for each other.

    Args:
        run: seed, device, threads, precision.
        name: the stage's name.

    Raises:
        ExperimentError: this machine does not have the device.
    """
    keep_freed_memory()
    device = find_device(run.device)
    with (
        _GLOBAL_STATE,
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        kernels(run),
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
    """Run a stage that trains: a seeded stage with its provenance and its checkpoints.

    Args:
        run: seed, device, threads, precision.
        name: the stage's name.
        parameters: its YAML.
        inputs: digest of each thing it learns from.
        checkpoints: where to keep checkpoints; None keeps none.

    Raises:
        ExperimentError: this machine does not have the device.
        FileError: the folder of checkpoints cannot be written.
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
            device=describe_processor(stage.device),
            threads=int(machine["threads"]),
        )
        kept = checkpoints if stage.ranks.is_first else None
        opened = kept.open(stage.provenance, run.checkpoints) if kept else nullcontext()
        with opened as stage.checkpoints:
            yield stage
