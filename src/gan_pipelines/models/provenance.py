"""What decides the weights of a trained model: stored with it, and the key of its checkpoints."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from gan_pipelines.models.code_digest import digest_code
from gan_pipelines.parameters import Schema
from gan_pipelines.version import __version__


class Provenance(Schema):
    """Everything that the result of a training stage depends on: equal provenance means equal weights, bit for bit.

    Attributes:
        stage: such as `encoder` or `pixels`.
        parameters: its YAML.
        inputs: digest of each thing it learns from.
        seed: from which its stage's own is derived: the experiment's, or the judge's.
        code: version of this package and digest of its training code.
        torch: version of PyTorch.
        device: name of the processor.
        threads: number of CPU threads.
        workers: number of ranks that share each batch.
        precision: in which the networks compute.
        compile: how the networks are compiled.
        deterministic: whether only deterministic kernels are allowed.
        initial: provenance of each model whose weights it starts from, by the name of its digest among the inputs; left
            out of files if there is none.
    """

    stage: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    seed: int
    code: str
    torch: str
    device: str
    threads: int
    workers: int
    precision: str
    compile: str
    deterministic: bool
    initial: dict[str, "Provenance"] = Field(default_factory=dict, exclude_if=lambda found: not found)

    @property
    def lengthens(self) -> bool:
        """Whether it only adds steps to the training that it starts from: same stage, data, encoder and parameters."""
        apart = any(name.startswith("level_") for name in self.inputs)  # a joint training in which some levels are new
        ours = _without_length(self)
        return bool(self.initial) and not apart and all(_without_length(x) == ours for x in self.initial.values())

    def digest(self) -> str:
        """SHA-256 over all fields."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def _without_length(made: Provenance) -> tuple[Any, ...]:
    parameters = {**made.parameters, "initialise": None, "training": {**made.parameters["training"], "steps": 0}}
    return made.stage, parameters, {name: made.inputs.get(name) for name in ("images", "encoder")}


@cache
def code_version() -> str:
    """Version of this package and digest of its training code, such as `0.1.0+3fa8...`."""
    return f"{__version__}+{digest_code(Path(__file__).resolve().parents[1])[:16]}"
