"""What decides the weights of a trained model: stored with it, and the key under which its checkpoints lie."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from gan_pipelines import __version__
from gan_pipelines.parameters import Schema

TRAINING_CODE = ("data", "losses", "models", "parameters", "training")
"""The parts of this package that a training runs through."""


class Provenance(Schema):
    """Everything that the result of a training stage depends on; equal provenance on one processor gives equal bits.

    Attributes:
        stage: such as `encoder` or `pixels`.
        parameters: its YAML.
        inputs: digest of each thing that it learns from.
        seed: the experiment's.
        code: version of this package and digest of its training code.
        torch: version of PyTorch.
        device: the processor, by name.
        threads: CPU threads.
        workers: ranks that share each batch.
        precision: in which the networks compute.
        compile: how they are compiled.
        deterministic: whether only deterministic kernels run.
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

    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@cache
def code_version() -> str:
    """Version of this package and SHA-256 of the sources of its training code, such as `0.1.0+3fa8...`."""
    package, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for part in TRAINING_CODE:
        for file in sorted((package / part).rglob("*.py")):
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:16]}"
