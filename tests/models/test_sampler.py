"""Pictures by number: each is the same to the last bit, whatever is drawn beside it, and has what was asked of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines import load
from gan_pipelines.data.images import to_bytes
from gan_pipelines.model_file import write_model
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.sampler import PICTURES_AT_ONCE, Asked, Sampler, open_sampler, picture_rng
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tensor_file import FileError

CLASSES = ("a", "b", "c", "d")
MANY = 3 * PICTURES_AT_ONCE + 5

Levels = Callable[..., list[LevelGAN]]
Spec = Callable[..., InfoGANSpec]


@pytest.fixture
def stack(levels: Levels) -> StackedGenerator:
    """A stack of two levels."""
    return assemble_stack(levels(2), CLASSES)


@pytest.fixture(params=["stack", "stack without labels", "infogan"])
def sampler(request: pytest.FixtureRequest, levels: Levels, infogan_spec: Spec) -> Sampler:
    """A sampler of each kind of generator."""
    if request.param == "infogan":
        return open_sampler(InfoGAN(infogan_spec()))
    return open_sampler(assemble_stack(levels(2, top="labels" if request.param == "stack" else "none"), CLASSES))


def test_a_picture_is_the_same_alone_and_among_others(sampler: Sampler) -> None:
    together = sampler.sample(MANY, seed=3)
    alone = [sampler.sample(1, seed=3, first=number)[0] for number in range(MANY)]
    assert torch.equal(together, torch.stack(alone))
    assert torch.equal(together[17:42], sampler.sample(25, seed=3, first=17))
    assert len(together.flatten(1).unique(dim=0)) > MANY // 2  # they differ


def test_seed_and_number_decide_a_picture(sampler: Sampler) -> None:
    first = sampler.sample(20, seed=0)
    assert torch.equal(first, sampler.sample(20, seed=0))
    assert not torch.equal(first, sampler.sample(20, seed=1))
    assert not torch.equal(first, sampler.sample(20, seed=0, first=20))


def test_a_sampler_changes_neither_the_generator_nor_the_global_random_state(stack: StackedGenerator) -> None:
    before, state = stack.digest(), torch.get_rng_state()
    sampler = open_sampler(stack)
    sampler.sample(3)
    assert sampler.digest == stack.digest() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_what_a_class_is_asked_beside_changes_nothing(stack: StackedGenerator) -> None:
    sampler = open_sampler(stack)
    in_turn = sampler.sample(40, seed=1)
    for label, name in enumerate(CLASSES):
        only = sampler.sample(40, seed=1, classes=[name])
        assert torch.equal(only[label::4], in_turn[label::4])
    assert torch.equal(
        sampler.sample(40, seed=1, classes=["d", "b"])[1::4], sampler.sample(40, seed=1, classes=["b"])[1::4]
    )


def test_pictures_are_what_the_generators_make_of_the_latent_vectors(stack: StackedGenerator) -> None:
    sampler = open_sampler(stack)
    asked = sampler.ask(5, ["c"], {}, seed=2, first=11)
    noise = {name: torch.cat([latent_of(stack, name, 2, number) for number in range(11, 16)]) for name in stack.latents}
    assert {name: value.tolist() for name, value in sampler.split(sampler.draw(asked)).items()} == {
        name: value.tolist() for name, value in noise.items()
    }
    expected = sampler.stack(torch.full((5,), 2), noise)["pixels"]  # type: ignore[attr-defined]
    assert_close(sampler.sample(5, classes=["c"], seed=2, first=11).int(), to_bytes(expected).int(), rtol=0, atol=1)


def latent_of(stack: StackedGenerator, wanted: str, seed: int, number: int) -> torch.Tensor:
    rng = picture_rng(seed, number)
    return {name: latent.sample(1, rng) for name, latent in stack.latents.items()}[wanted]


def test_codes_that_are_set_hold_and_leave_all_else_as_it_was(infogan_spec: Spec) -> None:
    sampler = open_sampler(InfoGAN(infogan_spec()))
    free = sampler.split(sampler.draw(sampler.ask(30, [], {}, seed=5)))
    held = sampler.split(sampler.draw(sampler.ask(30, [], {"category": 2, "style_2": -1.5}, seed=5)))
    assert torch.equal(held["noise"], free["noise"])
    assert held["codes"][:, :4].tolist() == [[0, 0, 1, 0]] * 30
    assert held["codes"][:, 5].tolist() == [-1.5] * 30
    assert torch.equal(held["codes"][:, [4, 6]], free["codes"][:, [4, 6]])


def test_each_picture_may_have_codes_of_its_own(infogan_spec: Spec) -> None:
    sampler = open_sampler(InfoGAN(infogan_spec()))
    values = torch.linspace(-1, 1, MANY)[:, None]
    asked = Asked(0, torch.zeros(MANY, dtype=torch.int64), {"style_1": values})
    pictures = torch.cat(list(sampler.batches(asked)))
    for number in (0, 30, MANY - 1):
        alone = sampler.sample(1, first=number, codes={"style_1": float(values[number])})
        assert torch.equal(alone[0], pictures[number])


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        ("stack", {"classes": ["e"]}, "classes: the model has a, b, c, d; found 'e'"),
        ("stack", {"codes": {"category": 1}}, "codes: the model takes no codes; found 'category'"),
        ("infogan", {"classes": ["a"]}, "classes: the model takes no labels; found 'a'"),
        ("infogan", {"codes": {"style": 1}}, "codes: the model has category, style_1, style_2, width; found 'style'"),
        ("infogan", {"codes": {"category": 4}}, "codes.category: must be a whole number from 0 to 3; found 4"),
        ("infogan", {"codes": {"category": 1.5}}, "codes.category: must be a whole number from 0 to 3; found 1.5"),
    ],
)
def test_what_a_model_does_not_have_is_refused_by_name(
    stack: StackedGenerator, infogan_spec: Spec, kind: str, asked: dict[str, object], message: str
) -> None:
    sampler = open_sampler(stack if kind == "stack" else InfoGAN(infogan_spec()))
    with pytest.raises(ExperimentError, match=message.replace(".", r"\.")):
        sampler.sample(1, **asked)  # type: ignore[arg-type]


def test_a_model_file_or_the_newest_of_its_versions_is_loaded(
    tmp_path: Path, levels: Levels, stack: StackedGenerator
) -> None:
    folder, older = tmp_path / "stack.safetensors", assemble_stack(levels(1), CLASSES)
    write_model(folder / "2026-01-01T00.00.00.000Z" / "stack.safetensors", older)
    write_model(folder / "2026-01-02T00.00.00.000Z" / "stack.safetensors", stack)
    write_model(folder / "a copy" / "stack.safetensors", older)
    assert load(folder).digest == stack.digest()
    assert load(str(folder / "a copy" / "stack.safetensors")).digest == older.digest()
    assert torch.equal(load(folder).sample(5), open_sampler(stack).sample(5))


def test_what_is_no_generator_is_not_loaded(tmp_path: Path, levels: Levels) -> None:
    write_model(tmp_path / "level.safetensors", levels(1)[0])
    (tmp_path / "empty").mkdir()
    for name, message in {
        "level.safetensors": "must be a stack or an InfoGAN; found the kind level",
        "empty": "no version of a model",
        "missing.safetensors": "does not exist",
    }.items():
        with pytest.raises(FileError, match=message):
            load(tmp_path / name)


def test_loading_takes_neither_kedro_nor_mlflow(tmp_path: Path, stack: StackedGenerator) -> None:
    write_model(tmp_path / "stack.safetensors", stack)
    script = (
        "import sys; from gan_pipelines import load; "
        f"print(load({str(tmp_path / 'stack.safetensors')!r}).sample(2).shape, *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("torch.Size([2, 1, 8, 8])")
    imported = {name.partition(".")[0] for name in run.stdout.split()}
    assert (
        imported & {"kedro", "kedro_datasets", "mlflow", "pandas", "torchvision", "matplotlib", "scipy", "sklearn"}
        == set()
    )
