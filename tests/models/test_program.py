"""Programs of a generator: torch or ONNX Runtime alone make of them what the generator makes."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, assemble_stack
from gan_pipelines.models.program import export_programs, program_inputs, require_same
from gan_pipelines.models.sampler import InfoGANSampler, StackSampler, open_sampler
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.packages import require_packages

CLASSES = ("a", "b", "c", "d")
COUNT = 7
ALONE = """
import sys

sys.path[:] = [path for path in sys.path if not path.endswith("src")]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import torch
from safetensors.torch import load_file, save_file

program = torch.export.load(sys.argv[1]).module()
tensors = load_file(sys.argv[2])
save_file({"pictures": program(*(tensors[name] for name in sorted(tensors)))}, sys.argv[3])
try:
    import gan_pipelines
except ImportError:
    print("alone")
"""
"""However this package is installed, this process does not find it."""

Levels = Callable[..., list[LevelGAN]]
Exported = StackSampler | InfoGANSampler


@pytest.fixture(params=["stack", "stack without labels", "infogan"])
def sampler(request: pytest.FixtureRequest, levels: Levels, infogan_spec: Callable[..., InfoGANSpec]) -> Exported:
    if request.param == "infogan":
        return open_sampler(InfoGAN(infogan_spec()))
    return open_sampler(assemble_stack(levels(2, top="labels" if request.param == "stack" else "none"), CLASSES))


def drawn(sampler: Exported) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Inputs of the first pictures of seed 0, and these pictures as bytes."""
    asked = sampler.ask(COUNT, (), {})
    latents = sampler.split(sampler.draw(asked))
    inputs = [*([asked.labels] if sampler.classes else []), *latents.values()]
    return inputs, sampler.sample(COUNT)


def require_pictures(pictures: torch.Tensor, expected: torch.Tensor) -> None:
    """Check pictures in [0, 1] against bytes; a value half way may be rounded either way."""
    assert (pictures.min() >= 0, pictures.max() <= 1, pictures.dtype) == (True, True, torch.float32)
    assert pictures.std(dim=0).max() > 1e-4, "all pictures are alike"
    assert_close(to_bytes(pictures).int(), expected.int(), atol=1, rtol=0)


def test_a_program_makes_the_pictures_of_the_sampler(sampler: Exported) -> None:
    inputs, expected = drawn(sampler)
    content = export_programs(sampler, onnx=False)["model.pt2"]
    require_pictures(torch.export.load(io.BytesIO(content)).module()(*inputs), expected)


def test_a_process_without_this_package_makes_them_too(levels: Levels, tmp_path: Path) -> None:
    sampler = open_sampler(assemble_stack(levels(2), CLASSES))
    inputs, expected = drawn(sampler)
    program, given, made = (tmp_path / name for name in ("model.pt2", "inputs.safetensors", "made.safetensors"))
    program.write_bytes(export_programs(sampler, onnx=False)["model.pt2"])
    save_file({str(place): tensor.contiguous() for place, tensor in enumerate(inputs)}, given)
    command = [sys.executable, "-I", "-c", ALONE, *map(str, (program, given, made))]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "alone\n"
    require_pictures(load_file(made)["pictures"], expected)


def test_onnx_runtime_makes_the_same_pictures(sampler: Exported) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    inputs, expected = drawn(sampler)
    session = onnxruntime.InferenceSession(export_programs(sampler, onnx=True)["model.onnx"])
    generator = sampler.gan if isinstance(sampler, InfoGANSampler) else sampler.stack
    names = list(program_inputs(generator))
    assert [each.name for each in session.get_inputs()] == names
    named = dict(zip(names, (tensor.numpy() for tensor in inputs), strict=True))
    (pictures,) = session.run(None, named)
    require_pictures(torch.from_numpy(pictures), expected)


@pytest.mark.parametrize("difference", [1.1e-5, float("nan")])
def test_a_program_that_differs_is_refused(difference: float) -> None:
    batches = [(torch.linspace(0, 0.5, 5),)]
    require_same(torch.sin, {"model.pt2": lambda x: x.sin() + 0.9e-5}, batches)
    with pytest.raises(ExperimentError, match=r"model\.onnx: its pictures differ .* at most 1e-05"):
        require_same(torch.sin, {"model.pt2": torch.sin, "model.onnx": lambda x: x.sin() + difference}, batches)


def test_packages_of_an_extra_are_refused_by_the_names_of_those_that_are_not_installed() -> None:
    with pytest.raises(ExperimentError, match=r"export\.onnx: needs no_such_package, which is not installed.*\[onnx\]"):
        require_packages("export.onnx", ["torch", "no_such_package"], "gan_pipelines[onnx]")
