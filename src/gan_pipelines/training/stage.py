"""A stage: a named part of an experiment with its own random streams.

What a stage draws depends on the experiment's seed and the stage's name, and on nothing else.
"""

import hashlib
import logging
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
from gan_pipelines.training.initial import Trained
from gan_pipelines.training.machine import describe_machine, describe_processor, find_device, kernels
from gan_pipelines.training.memory import keep_freed_memory
from gan_pipelines.training.ranks import Ranks

logger = logging.getLogger(__name__)

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
        streams: the name that seeds its random streams; that of the stage, unless it goes on from trained weights.
    """

    name: str
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rng: torch.Generator = field(default_factory=torch.Generator)
    run: RunParameters = field(default_factory=RunParameters)
    batches: Batches | None = None
    provenance: Provenance | None = None
    checkpoints: StageCheckpoints | None = None
    ranks: Ranks = field(default_factory=Ranks)
    streams: str = ""

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
            torch.manual_seed(stage_seed(self.run.seed, f"{self.streams or self.name}/weights/{self.ranks.rank}"))

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


def forked_random_state(device: torch.device) -> AbstractContextManager[None]:
    """Within the context, whatever is drawn leaves PyTorch's random state of CPU and device as it was."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def stage_seed(seed: int, name: str) -> int:
    """A 63-bit seed derived from the experiment's seed and a name."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


@contextmanager
def seeded_stage(run: RunParameters, name: str, streams: str = "") -> Iterator[Stage]:
    """Run a stage on its own random streams; torch's global random state and settings are restored afterwards.

    The global state gets its own seed, since initialisation and dropout draw from it. A process has only one such
    state, so stages in several threads wait for each other.

    Args:
        run: seed, device, threads, precision.
        name: the stage's name.
        streams: the name that seeds its random streams instead.

    Raises:
        ExperimentError: this machine does not have the device.
    """
    streams = streams or name
    keep_freed_memory()
    device = find_device(run.device)
    with (
        _GLOBAL_STATE,
        forked_random_state(device),
        kernels(run),
    ):
        torch.manual_seed(stage_seed(run.seed, f"{streams}/weights"))
        rng = torch.Generator().manual_seed(stage_seed(run.seed, streams))
        yield Stage(name, device, rng, run, streams=streams)


@contextmanager
def training_stage(
    run: RunParameters,
    name: str,
    parameters: Schema,
    inputs: Mapping[str, str],
    checkpoints: CheckpointFolder | None,
    initial: Mapping[str, Trained] | None = None,
) -> Iterator[Stage]:
    """Run a stage that trains: a seeded stage with its provenance and its checkpoints.

    Args:
        run: seed, device, threads, precision.
        name: the stage's name.
        parameters: its YAML.
        inputs: digest of each thing it learns from.
        checkpoints: where to keep checkpoints; None keeps none.
        initial: the models that it starts from, by the name of each among its inputs. Their digests seed its random
            streams too, so that a longer training does not see the same batches and noise again.

    Raises:
        ExperimentError: this machine does not have the device.
        FileError: the folder of checkpoints cannot be written.
    """
    initial = initial or {}
    starts = {key: model.digest() for key, model in initial.items()}
    with seeded_stage(run, name, "/".join([name, *starts.values()])) as stage:
        machine = describe_machine(run)
        stage.provenance = Provenance(
            stage=name,
            parameters=parameters.model_dump(mode="json"),
            inputs={**inputs, **starts},
            seed=run.seed,
            workers=run.workers,
            precision=run.precision,
            compile=run.compile,
            deterministic=run.deterministic,
            code=machine["code"],
            torch=machine["torch"],
            device=describe_processor(stage.device),
            threads=int(machine["threads"]),
            initial={key: model.spec.provenance for key, model in initial.items() if model.spec.provenance},
        )
        if initial and stage.ranks.is_first:
            logger.info("%s", _describe_start(stage.provenance))
        kept = checkpoints if stage.ranks.is_first else None
        opened = kept.open(stage.provenance, run.checkpoints) if kept else nullcontext()
        with opened as stage.checkpoints:
            yield stage


def _describe_start(provenance: Provenance) -> str:
    """From which weights a training starts, and whether it only lengthens the training that made them."""
    if provenance.lengthens:
        before = max(made.parameters["training"]["steps"] for made in provenance.initial.values())
        added = provenance.parameters["training"]["steps"]
        return f"{provenance.stage}: lengthens a finished training of {before} steps by {added}, with fresh optimisers"
    made_by = {key: f", trained as {made.stage}" for key, made in provenance.initial.items()}
    starts = (
        f"{key} {digest[:12]}{made_by.get(key, '')}"
        for key, digest in provenance.inputs.items()
        if key.startswith("initial")
    )
    return f"{provenance.stage}: starts from the weights of trained models: {'; '.join(starts)}"
