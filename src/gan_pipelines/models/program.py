"""A generator as a program for others: labels, noise and codes in, pictures out, without this package.

Batch norms have the statistics with which the generator is sampled. Each program is compared with the original before
it is handed out.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gan_pipelines.models.infogan import InfoGAN
from gan_pipelines.models.latent import Latent
from gan_pipelines.models.sampler import CODES, InfoGANSampler, StackSampler
from gan_pipelines.models.stack import StackedGenerator
from gan_pipelines.parameters import ExperimentError

TORCH_FILE, ONNX_FILE = "model.pt2", "model.onnx"
LABELS_INPUT, OUTPUT = "labels", "pictures"
TOLERANCE = 1e-5
"""By how much a pixel, in [0, 1], of a program may differ from the original's."""
CHECKED_BATCHES = (20, 1, 33)
"""Numbers of pictures for which programs are compared with the original; they are traced with the first."""
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""Of the extra `onnx`."""

Run = Callable[..., Tensor]


class StackProgram(nn.Module):
    """A stack with positional inputs: class indices if it takes labels, then the noise of each level."""

    def __init__(self, stack: StackedGenerator) -> None:
        super().__init__()
        self.stack = stack

    def forward(self, *inputs: Tensor) -> Float[Tensor, "batch channels height width"]:
        """Pictures in [0, 1]."""
        noise = inputs[-len(self.stack.latents) :]
        # without labels an empty condition, cut from the noise: the number of pictures must not become a constant
        result = self.stack.conditions(inputs[0]) if self.stack.spec.conditional else noise[0][:, :0]
        for generator, drawn in zip(self.stack.generators.values(), noise, strict=True):
            result = generator(result, drawn)
        return result


class InfoGANProgram(nn.Module):
    """The sampling generator of an InfoGAN with two inputs: noise, and codes."""

    def __init__(self, gan: InfoGAN) -> None:
        super().__init__()
        self.generator = gan.sampling_generator

    def forward(self, *inputs: Tensor) -> Float[Tensor, "batch channels height width"]:
        """Pictures in [0, 1]."""
        pixels: Tensor = self.generator(torch.cat(inputs, dim=1))
        return pixels


def program_inputs(generator: StackedGenerator | InfoGAN) -> dict[str, Latent | None]:
    """What a program is given, in order, by name: class indices (None), then everything random with its prior."""
    if isinstance(generator, InfoGAN):
        return {"noise": generator.noise, CODES: generator.codes}
    labels: dict[str, Latent | None] = {LABELS_INPUT: None} if generator.spec.conditional else {}
    return labels | {f"noise_{name}": latent for name, latent in generator.latents.items()}


@torch.no_grad()
def export_programs(sampler: StackSampler | InfoGANSampler, onnx: bool) -> dict[str, bytes]:
    """A generator as `model.pt2`, which `torch.export.load` reads, and as `model.onnx` if wanted.

    Args:
        sampler: on the CPU; its networks, with their batch-norm statistics, are what is exported.
        onnx: whether that file is wanted; it needs `ONNX_PACKAGES`.

    Raises:
        ExperimentError: a program does not compute what the original does.
    """
    generator = sampler.gan if isinstance(sampler, InfoGANSampler) else sampler.stack
    original: nn.Module = InfoGANProgram(generator) if isinstance(generator, InfoGAN) else StackProgram(generator)
    original = original.to(memory_format=torch.contiguous_format).eval()
    inputs, rng = program_inputs(generator), torch.Generator().manual_seed(0)
    classes = len(sampler.classes) or 1
    drawn = [
        tuple(latent.sample(count, rng) if latent else torch.arange(count) % classes for latent in inputs.values())
        for count in CHECKED_BATCHES
    ]
    batch = torch.export.Dim("batch", min=1)
    shapes = {"inputs": tuple({0: batch} for _ in inputs)}
    program = torch.export.export(original, drawn[0], dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    files = {TORCH_FILE: buffer.getvalue()}
    runs: dict[str, Run] = {TORCH_FILE: torch.export.load(io.BytesIO(files[TORCH_FILE])).module()}
    if onnx:
        files[ONNX_FILE] = _to_onnx(program, tuple(inputs))
        runs[ONNX_FILE] = _open_onnx(files[ONNX_FILE])
    require_same(original, runs, drawn)
    return files


def require_same(original: Run, programs: Mapping[str, Run], drawn: list[tuple[Tensor, ...]]) -> None:
    """Check that programs compute what the original does, to `TOLERANCE`.

    Args:
        original: makes pictures in [0, 1].
        programs: by file.
        drawn: inputs, batch by batch.

    Raises:
        ExperimentError: one differs, or its pictures are not finite.
    """
    for batch in drawn:
        pictures = original(*batch)
        for file, program in programs.items():
            difference = float((program(*batch) - pictures).abs().max())
            if not difference <= TOLERANCE:
                raise ExperimentError(
                    f"{file}: its pictures differ from those of the model by {difference:.2g}; at most "
                    f"{TOLERANCE:g} is allowed. Nothing was written."
                )


def _to_onnx(program: torch.export.ExportedProgram, names: tuple[str, ...]) -> bytes:
    """An ONNX model with one dynamic axis, `batch`."""
    written: Any = torch.onnx.export(program, input_names=list(names), output_names=[OUTPUT], verbose=False)
    content: bytes = written.model_proto.SerializeToString()
    return content


def _open_onnx(content: bytes) -> Run:
    from onnxruntime import InferenceSession  # an extra

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        (pictures,) = session.run(None, dict(zip(names, (each.numpy() for each in inputs), strict=True)))
        return torch.from_numpy(pictures)

    return run
