"""What every stage shares: seed, device, precision, checkpoints."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from gan_pipelines.parameters.base import Count, Natural, Rate, Schema, Window


class CheckpointParameters(Schema):
    """How often a training writes a checkpoint, besides the one at its end and the one when it is told to stop.

    Attributes:
        every_seconds: at the first step after so many seconds; `null` does not go by the clock.
        every_steps: after every so many steps; `null` does not count them.
    """

    every_seconds: Rate | None = 60.0
    every_steps: Count | None = None


def _read_off(value: Any) -> Any:
    """YAML reads the word `off` as false."""
    return "off" if value is False else value


class RunParameters(Schema):
    """What every stage shares.

    Attributes:
        seed: the experiment's seed, at least 0; each stage derives its own from it and its name. The split of the data
            and the judge have their own (`data.seed`, `judge.seed`), so that runs with other seeds share them.
        device: `auto` takes a CUDA device where there is one; `cpu`, `cuda`, `cuda:<index>`, `mps`.
        threads: CPU threads of torch; `null` keeps torch's default. Results are bit-identical only for equal counts.
        workers: processes that share each batch of a training (data parallel); on GPUs, one each.
        precision: `bfloat16` computes in autocast; weights, losses and averages stay float32.
        compile: `default` compiles the trained networks, `graphs` with CUDA graphs besides.
        deterministic: allow only deterministic kernels; what runs on the CPU is so anyway.
        checkpoints: how often a training writes one.
    """

    seed: Natural = 0
    device: str = Field(default="cpu", pattern=r"^(auto|cpu|cuda(:[0-9]{1,4})?|mps)$")
    threads: Annotated[Count, Field(le=4096)] | None = None
    workers: Window = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: Annotated[Literal["off", "default", "graphs"], BeforeValidator(_read_off)] = "off"
    deterministic: bool = False
    checkpoints: CheckpointParameters = CheckpointParameters()

    def with_seed(self, seed: int) -> Self:
        """The same settings with another seed."""
        return self.model_copy(update={"seed": seed})
