"""What the codes of an InfoGAN mean: read from real pictures, and seen in generated ones as one code moves."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, to_bytes, to_unit_range
from gan_pipelines.losses import information_bound
from gan_pipelines.metrics.categories import score_categories
from gan_pipelines.metrics.features import judge_images
from gan_pipelines.metrics.variation import category_changes, drift, explained_share, measure_pictures
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import CategoricalCode, ContinuousCode

BASES, POINTS = 200, 11
"""Random settings of everything else, and values that a continuous code takes across its range at each of them."""


@dataclass(frozen=True)
class CodeScores:
    """The scores of one code; None where a score does not apply.

    Attributes:
        information_nats: L_I on new samples, in nats.
        ceiling_nats: H(c) of a categorical code; a continuous one has no ceiling.
        classification_error: of a categorical code read from real test images and matched to classes; lower is better.
        normalised_mutual_information: between its categories and the classes of real test images, in [0, 1].
        purity: share of real test images whose class is the most frequent of their category.
        slant_share: share of the variance of the pictures' slant that the code alone explains, in [0, 1].
        stroke_width_share: likewise of the width of the strokes.
        size_share: likewise of the size.
        class_changes: how often the judge sees another class as the code moves; for a continuous code, lower is better.
        leakage: how far Q's reading of another code moves with this one, the worst of the others, 0 being not at all.
    """

    information_nats: float
    ceiling_nats: float | None
    classification_error: float | None = None
    normalised_mutual_information: float | None = None
    purity: float | None = None
    slant_share: float | None = None
    stroke_width_share: float | None = None
    size_share: float | None = None
    class_changes: float | None = None
    leakage: float | None = None


def score_codes(
    gan: InfoGAN, judge: Encoder, features: str, test_images: LabelledImages, samples: int, rng: torch.Generator
) -> dict[str, CodeScores]:
    """Score every code of a trained InfoGAN.

    Scores that need labels are left out where the pictures are of one class, those of strokes where they are coloured.

    Args:
        gan: frozen.
        judge: sees whether a picture changes its class; never seen in training.
        features: one of the judge's representations.
        test_images: real pictures with labels that no training has used.
        samples: new pictures on which L_I is measured.
        rng: draws noise, codes and halves of the test images.
    """
    information = information_on_samples(gan, samples, rng)
    entropy, read = gan.codes.prior_entropy(), gan.codes.posterior_mean(gan.read(to_unit_range(test_images.images)))
    scores = {}
    for name, code in gan.spec.parameters.single_codes.items():
        found = {"ceiling_nats": None, **_moved(gan, judge, features, name, rng)}
        if isinstance(code, CategoricalCode):
            found["ceiling_nats"] = entropy[name]
            if len(test_images.classes) > 1:
                categories, classes = read[name].argmax(dim=1), len(test_images.classes)
                found |= vars(score_categories(categories, test_images.labels, code.classes, classes, rng))
        scores[name] = CodeScores(information_nats=information[name], **found)
    return scores


def information_on_samples(gan: InfoGAN, samples: int, rng: torch.Generator) -> dict[str, float]:
    """L_I of each code, in nats, on new pictures."""
    noise, codes = gan.noise.sample(samples, rng), gan.codes.sample(samples, rng)
    log_posterior = gan.codes.log_prob(codes, gan.read(gan.pictures(noise, codes)))
    entropy = gan.codes.prior_entropy()
    return {name: information_bound(log_posterior[name], entropy[name]).item() for name in entropy}


def _moved(gan: InfoGAN, judge: Encoder, features: str, name: str, rng: torch.Generator) -> dict[str, float | None]:
    """What changes in pictures as one code takes all categories, or moves across its range."""
    code = gan.spec.parameters.single_codes[name]
    values = gan.code_values(name, POINTS)
    if isinstance(code, ContinuousCode):
        values = torch.linspace(code.low, code.high, POINTS)[:, None]
    pictures = gan.pictures(*gan.vary(name, values, BASES, rng))

    others = {other: _by_base(mean) for other, mean in gan.codes.posterior_mean(gan.read(pictures)).items()}
    result: dict[str, float | None] = {"leakage": _leakage(gan, {x: y for x, y in others.items() if x != name})}
    if pictures.shape[1] == 1:
        for measure, found in measure_pictures(pictures).items():
            share = explained_share(_by_base(found))
            result[f"{measure}_share"] = None if math.isnan(share) else share
    if len(judge.spec.classes) > 1:
        labels = torch.zeros(len(pictures), dtype=torch.int64)
        seen = judge_images(judge, to_bytes(pictures), labels, features).logits.argmax(dim=1)
        result["class_changes"] = category_changes(_by_base(seen))
    return result


def _by_base(found: Tensor) -> Tensor:
    """What was found in pictures as (bases, points, ...)."""
    rows: Tensor = found.unflatten(0, (BASES, -1))
    return rows


def _leakage(gan: InfoGAN, readings: dict[str, Tensor]) -> float | None:
    """How far Q's reading of other codes moves while they stay as they are: (bases, points, part_size) each."""
    codes = gan.spec.parameters.single_codes
    moved = []
    for name, means in readings.items():
        code = codes[name]
        if isinstance(code, ContinuousCode):
            moved.append(drift(means.squeeze(2), code.low, code.high))
        else:
            moved.append(category_changes(means.argmax(dim=2)))
    return max(moved, default=None)
