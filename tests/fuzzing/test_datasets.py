"""Files of images, representations and features that were changed: each dataset loads what can be used, or refuses."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.datasets import (
    FeaturesDataset,
    FeaturesDescription,
    FileDataset,
    ImagesDataset,
    ImagesDescription,
    RepresentationDataset,
    RepresentationDescription,
)
from gan_pipelines.metrics.features import RealFeatures
from gan_pipelines.tensor_file import write_tensors
from tests.fuzzing.outcome import accepted, cases, unchanged
from tests.fuzzing.schemas import JSON_BROKEN, Changed, Fields
from tests.fuzzing.tensors import altered


@dataclass(frozen=True)
class Kind:
    """A kind of file: what reads it, and what it holds."""

    dataset: type[FileDataset[Any]]
    fields: Fields
    description: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


LABELS, NUMBERS = torch.arange(4) % 2, torch.ones(4, 3)
FEATURES = {
    f"judge.{part}": values for part, values in (("features", NUMBERS), ("logits", NUMBERS), ("labels", LABELS))
}
KINDS = {
    "images": Kind(
        ImagesDataset,
        Fields(ImagesDescription, JSON_BROKEN),
        {"classes": ["a", "b"], "made_from": {"judge": "digest"}},
        {"images": torch.zeros(4, 1, 3, 3, dtype=torch.uint8), "labels": LABELS},
    ),
    "representation": Kind(
        RepresentationDataset,
        Fields(RepresentationDescription, JSON_BROKEN),
        {"name": "fc3", "encoder_digest": "digest"},
        {"values": NUMBERS},
    ),
    "features": Kind(
        FeaturesDataset,
        Fields(FeaturesDescription, JSON_BROKEN),
        {"networks": ["judge"], "spaces": ["pixels"], "representation": "fc3", "made_from": {"judge": "digest"}},
        {f"{split}.{name}": values.clone() for split in ("train", "test") for name, values in FEATURES.items()}
        | {"second_opinion": LABELS.clone(), "distances.pixels": NUMBERS.clone()},
    ),
}


@st.composite
def files(draw: DrawFn) -> tuple[str, Changed, dict[str, Tensor]]:
    """A kind of file, and its description or its tensors changed."""
    name = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    if draw(st.booleans()):
        return name, draw(kind.fields.changed(kind.description)), dict(kind.tensors)
    return name, Changed((), kind.description), draw(altered(kind.tensors))


@cases(0.07)
@given(file=files())
def test_a_changed_file_is_loaded_and_can_be_used_or_is_refused_by_its_path(
    file: tuple[str, Changed, dict[str, Tensor]],
) -> None:
    name, changed, tensors = file
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        write_tensors(path, tensors, changed.data)
        with unchanged(Path(folder)):
            found = accepted(KINDS[name].dataset(filepath=str(path)).load, str(path))
    match found:
        case LabelledImages():
            assert found.one_hot_labels().values.sum() == len(found)
        case Representation():
            assert len(found.batch(torch.tensor([0]))) == 1
        case RealFeatures(test=test, second_opinion=opinion):
            assert {len(features) for features in test.values()} <= {len(opinion)}
