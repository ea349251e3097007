"""Model files whose spec, tensors or header were changed: the catalog's dataset loads one that works, or refuses."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import Field
from torch import Tensor

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.datasets import ModelDataset
from gan_pipelines.model_file import AnySpec, Model, write_model
from gan_pipelines.models import Encoder, InfoGAN, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import Experiment, Schema
from gan_pipelines.tensor_file import HEADER, digest_tensors, write_tensors
from tests.fuzzing.outcome import accepted, cases, unchanged
from tests.fuzzing.schemas import JSON, JSON_BROKEN, Changed, Fields
from tests.fuzzing.tensors import altered

CONF = Path(__file__).parents[2] / "conf"
SHAPE, CLASSES = (1, 28, 28), tuple("0123456789")
KINDS = ("encoder", "level", "stack", "infogan")


def make_models() -> dict[str, Model]:
    """A small model of each kind, of the smoke experiment."""
    experiment = Experiment.read(ExperimentLoader(str(CONF), "smoke", **LOADER_ARGUMENTS)["parameters"])
    plan = plan_classifier(experiment.classifier, SHAPE, CLASSES, "digest", "classifier")
    levels = [LevelGAN(spec) for spec in plan_levels(experiment.sgan, plan).values()]
    infogan = InfoGAN(plan_infogan(experiment.infogan, SHAPE, "digest"))
    return dict(zip(KINDS, (Encoder(plan.spec), levels[1], assemble_stack(levels, CLASSES), infogan), strict=True))


MODELS = make_models()
SPECS = {kind: model.spec.model_dump(mode="json") for kind, model in MODELS.items()}
SPEC_FIELDS = Fields(Annotated[AnySpec, Field(discriminator="kind")], JSON_BROKEN)


class Entry(Schema):
    """A tensor in the header of safetensors."""

    dtype: Literal["F64", "F32", "BF16", "F8_E4M3", "F8_E8M0", "F4", "F6_E2M3", "C64", "I64", "U64", "U8", "BOOL", "X"]
    shape: list[Annotated[int, Field(ge=0, le=2**63 - 1)]]
    data_offsets: tuple[Annotated[int, Field(ge=0, le=64)], Annotated[int, Field(ge=0, le=64)]]


def load(write: Callable[[Path], object], use: Callable[[Model], object]) -> None:
    """Write a file, load it as the catalog does, and use what it holds."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "model.safetensors"
        write(path)
        with unchanged(Path(name)):
            model = accepted(ModelDataset(filepath=str(path)).load, str(path))
        if model is not None:
            use(model)


def use_model(model: Model) -> None:
    """Let a model compute what it is for."""
    rng, two = torch.Generator().manual_seed(0), torch.zeros(2, dtype=torch.int64)
    match model:
        case Encoder():
            assert model(torch.zeros(2, *model.spec.image_shape)).shape == (2, len(model.spec.classes))
        case LevelGAN(spec=spec):
            condition, noise = torch.zeros(2, *spec.condition_shape), model.latent.sample(2, rng)
            assert model.sampling_generator(condition, noise).shape == (2, *spec.target_shape)
            model.discriminator(torch.zeros(2, *spec.target_shape))
        case StackedGenerator():
            assert model.sample(two, rng).shape == (2, *model.spec.levels[-1].target_shape)
        case InfoGAN():
            assert model.sample(2, rng)[0].shape == (2, *model.spec.image_shape)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_loaded_as_it_was_written(kind: str) -> None:
    load(partial(write_model, model=MODELS[kind]), lambda found: use_model(found) or _same(found, MODELS[kind]))


def _same(found: Model, expected: Model) -> None:
    assert found.spec == expected.spec


@st.composite
def model_files(draw: DrawFn) -> tuple[Changed, dict[str, Tensor]]:
    """A description and tensors of some kind of model, either of them changed; the digest fits."""
    kind = draw(st.sampled_from(KINDS))
    tensors = MODELS[kind].state_dict()
    if draw(st.integers(0, 3)):
        return draw(SPEC_FIELDS.changed(SPECS[kind])), tensors
    return Changed((kind,), SPECS[kind]), draw(altered(tensors))


@cases(0.15)
@given(file=model_files())
def test_a_changed_model_is_loaded_and_works_or_is_refused_by_its_path(file: tuple[Changed, dict[str, Tensor]]) -> None:
    description, tensors = file
    load(lambda path: write_tensors(path, tensors, description.data), use_model)


def whole_files() -> SearchStrategy[bytes]:
    """A header of safetensors with any description, digest and tensors, and some data."""
    spec = json.dumps(SPECS["encoder"])
    digest = digest_tensors(MODELS["encoder"].state_dict(), spec)
    ours = st.fixed_dictionaries(
        {
            "description": st.just(spec) | JSON.map(json.dumps) | JSON_BROKEN,
            "sha256": st.just(digest) | JSON_BROKEN,
            "version": JSON_BROKEN,
        }
    )
    metadata = st.one_of(ours, JSON).map(lambda found: {HEADER: json.dumps(found)})
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    entries = Fields(dict[str, Entry], JSON_BROKEN).changed({"weights": entry}).map(lambda found: found.data)

    def encode(metadata: Any, entries: Any, extra: int) -> bytes:
        header = json.dumps({"__metadata__": metadata, **(entries if isinstance(entries, dict) else {})}).encode()
        return len(header).to_bytes(8, "little") + header + bytes(24 + extra)

    return st.builds(encode, metadata | JSON, entries, st.sampled_from([0, 0, 0, -8, 8]))


@cases(0.05)
@given(content=whole_files() | st.binary(max_size=40))
def test_any_file_in_the_place_of_a_model_is_refused_by_its_path(content: bytes) -> None:
    load(lambda path: path.write_bytes(content), use_model)
