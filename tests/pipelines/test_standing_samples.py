"""Samples and scores come from copies with standing statistics; the models stay as they are."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import Tensor, nn
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics.diversity import real_variance
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.parameters import Experiment, RunParameters
from gan_pipelines.pipelines.evaluation.nodes import sample_generator
from gan_pipelines.pipelines.sgan_evaluation.nodes import score_stack_levels
from gan_pipelines.training.stage import seeded_stage

RUN = RunParameters(threads=1, device="cpu")

Models = Callable[..., StackedGenerator | InfoGAN]


@pytest.fixture
def model(levels: Callable[..., list[LevelGAN]], infogan_spec: Callable[..., InfoGANSpec]) -> Models:
    """An untrained stack or InfoGAN, whose running statistics are those of no data."""

    def build(kind: str, batch_norm: bool = True) -> StackedGenerator | InfoGAN:
        torch.manual_seed(1)
        if kind == "infogan":
            return InfoGAN(infogan_spec(batch_norm=batch_norm)).requires_grad_(False).eval()
        return assemble_stack(levels(2, batch_norm, top=kind), ("a", "b", "c", "d"))

    return build


def values(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def as_in_the_file(model: StackedGenerator | InfoGAN, labels: Tensor) -> Tensor:
    """The samples of the model itself from the same noise."""
    with seeded_stage(RUN, "samples") as stage:
        return (
            model.sample(len(labels), stage.rng)[0] if isinstance(model, InfoGAN) else model.sample(labels, stage.rng)
        )


@pytest.mark.parametrize("kind", ["labels", "none", "infogan"])
def test_samples_have_standing_statistics_and_the_noise_of_their_own_stream(
    model: Models, smoke_experiment: Experiment, images: LabelledImages, kind: str
) -> None:
    built, evaluation = model(kind), smoke_experiment.evaluation
    before = values(built)
    found, again = (sample_generator(RUN, evaluation, built, images) for _ in range(2))
    assert torch.equal(found.images, again.images)
    assert all(torch.equal(value, before[name]) for name, value in built.state_dict().items())
    assert (as_in_the_file(built, found.labels).float() - found.images.float()).abs().mean() > 1
    plain = model(kind, batch_norm=False)
    found = sample_generator(RUN, evaluation, plain, images)
    assert torch.equal(found.images, as_in_the_file(plain, found.labels))


def test_levels_are_scored_with_standing_statistics(
    levels: Callable[..., list[LevelGAN]], images: LabelledImages, rng: torch.Generator
) -> None:
    chain = [level.requires_grad_(False).eval() for level in levels(2)]
    before = [values(level) for level in chain]
    real = Representation("fc", torch.rand(64, 12, generator=rng))

    def score() -> pd.DataFrame:
        return score_stack_levels(RUN, images, *chain, real)

    found = score()
    assert_frame_equal(found, score())
    for level, kept in zip(chain, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in level.state_dict().items())
    expected = found[found["score"] == "noise_variance"].set_index("space")["expected"]
    assert expected["fc"] == 1
    all_images = real_variance(images.pixels(), torch.zeros(64)) / real_variance(images.pixels(), images.labels)
    assert_close(expected["pixels"], all_images, rtol=0.2, atol=0)  # random numbers do not even tell the class
    for level in chain:  # statistics that standing ones replace do not matter
        for part in level.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.add_(1)
    assert_frame_equal(found, score())
