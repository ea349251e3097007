"""What the codes of an InfoGAN mean: inferred from real pictures, and seen in generated ones while one code moves."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, to_bytes, to_unit_range
from gan_pipelines.losses import information_bound
from gan_pipelines.metrics.categories import score_categories
from gan_pipelines.metrics.features import extract_features
from gan_pipelines.metrics.networks import judge_network
from gan_pipelines.metrics.variation import category_changes, drift, explained_share, measure_pictures
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import CategoricalCode, ContinuousCode

BASES, POINTS = 200, 11
"""How many random settings of everything else, and how many values of a continuous code at each of them."""
PICTURES_AT_ONCE = 1000
"""How many pictures Q gets at once; the result does not depend on it."""


@dataclass(frozen=True)
class CodeScores:
    """The scores of one code; None if a score does not apply to it.

    Attributes:
        information_nats: L_I on new samples, in nats.
        ceiling_nats: H(c) of a categorical code; a continuous code has no ceiling.
        classification_error: of a categorical code that is inferred from real test images and matched to their classes;
            lower is better.
        normalised_mutual_information: between its categories and the classes of real test images, in [0, 1].
        purity: share of real test images whose class is the most frequent one of their category.
        within_category_diversity: feature variance of pictures within a category, divided by that of real images within
            a class; near 0 each category has collapsed to one picture, which L_I does not show.
        slant_share: share of the variance of the pictures' slant that the code alone explains, in [0, 1].
        stroke_width_share: the same for the width of the strokes.
        size_share: the same for the size.
        class_changes: how often the judge sees another class while the code moves; for a continuous code, lower is
            better.
        leakage: how far another code, as Q infers it, moves with this one; the worst of the other codes. For a
            categorical code it is the share of pictures in which the category changes, for a continuous code its
            variance divided by the prior's. 0 means that it does not move, which is also true of a code that Q
            cannot infer.
    """

    information_nats: float
    ceiling_nats: float | None = None
    classification_error: float | None = None
    normalised_mutual_information: float | None = None
    purity: float | None = None
    within_category_diversity: float | None = None
    slant_share: float | None = None
    stroke_width_share: float | None = None
    size_share: float | None = None
    class_changes: float | None = None
    leakage: float | None = None


def score_codes(
    gan: InfoGAN, judge: Encoder, features: str, test_images: LabelledImages, samples: int, rng: torch.Generator
) -> dict[str, CodeScores]:
    """Score every code of a trained InfoGAN.

    Scores that need labels are left out if there is only one class, those of strokes if the pictures are coloured.

    Args:
        gan: frozen.
        judge: sees whether a picture changes its class; no training has used it.
        features: the judge's representation in which diversity is measured.
        test_images: labelled real pictures that no training has used.
        samples: number of new pictures on which L_I is measured.
        rng: draws noise and codes, and splits the test images.
    """
    information, entropy = information_on_samples(gan, samples, rng), gan.codes.prior_entropy()
    head = torch.cat([gan.infer(to_unit_range(batch)) for batch in test_images.images.split(PICTURES_AT_ONCE)])
    inferred, classes = gan.codes.posterior_mean(head), len(test_images.classes)
    scores = {}
    for name, code in gan.spec.parameters.single_codes.items():
        pictures, found = moved_pictures(gan, name, rng), dict[str, float | None]()
        if isinstance(code, CategoricalCode):
            found["ceiling_nats"] = entropy[name]
            if classes > 1:
                categories = inferred[name].argmax(dim=1)
                found |= vars(score_categories(categories, test_images.labels, code.classes, classes, rng))
        if classes > 1:
            found |= _seen_by_judge(judge, features, pictures, test_images, isinstance(code, CategoricalCode))
        found |= {**_strokes(pictures), "leakage": _leakage(gan, name, pictures)}
        scores[name] = CodeScores(information_nats=information[name], **found)
    return scores


def information_on_samples(gan: InfoGAN, samples: int, rng: torch.Generator) -> dict[str, float]:
    """L_I of each code, in nats, on new pictures."""
    noise, codes = gan.noise.sample(samples, rng), gan.codes.sample(samples, rng)
    log_posterior = gan.codes.log_prob(codes, gan.infer(gan.pictures(noise, codes)))
    entropy = gan.codes.prior_entropy()
    return {name: information_bound(log_posterior[name], entropy[name]).item() for name in entropy}


def moved_pictures(gan: InfoGAN, name: str, rng: torch.Generator) -> Float[Tensor, "pictures channels height width"]:
    """Pictures in which one code takes every category, or the centres of equal parts of its range, base by base."""
    code = gan.spec.parameters.single_codes[name]
    values = gan.code_values(name, POINTS)
    if isinstance(code, ContinuousCode):
        values = (code.low + (code.high - code.low) * (torch.arange(POINTS) + 0.5) / POINTS)[:, None]
    return gan.pictures(*gan.vary(name, values, BASES, rng))


def _seen_by_judge(
    judge: Encoder, features: str, pictures: Tensor, real: LabelledImages, of_categories: bool
) -> dict[str, float | None]:
    """How often the class changes; for categories, also how diverse their pictures are compared with real classes."""
    network = judge_network(judge, features)
    seen = extract_features(network, to_bytes(pictures))
    result: dict[str, float | None] = {"class_changes": category_changes(_by_base(seen.logits.argmax(dim=1)))}
    if of_categories:
        reference = extract_features(network, real.images)
        in_classes = [reference.features[real.labels == label].double() for label in range(len(real.classes))]
        ours = _by_base(seen.features.double()).var(dim=0).sum(dim=1).mean()
        theirs = torch.stack([rows.var(dim=0).sum() for rows in in_classes if len(rows) > 1]).mean()
        result["within_category_diversity"] = (ours / theirs).item()
    return result


def _strokes(pictures: Tensor) -> dict[str, float | None]:
    """Shares of slant, stroke width and size that the code explains; empty for coloured pictures."""
    measures = measure_pictures(pictures) if pictures.shape[1] == 1 else {}
    shares = {measure: explained_share(_by_base(found)) for measure, found in measures.items()}
    return {f"{measure}_share": None if math.isnan(share) else share for measure, share in shares.items()}


def _by_base(found: Tensor) -> Tensor:
    """Values of pictures as (bases, points, ...)."""
    rows: Tensor = found.unflatten(0, (BASES, -1))
    return rows


def _leakage(gan: InfoGAN, moved: str, pictures: Tensor) -> float | None:
    """How far the other codes, as Q infers them, move although they are constant; the worst of them."""
    inferred = gan.codes.posterior_mean(gan.infer(pictures))
    found = []
    for name, code in gan.spec.parameters.single_codes.items():
        if name == moved:
            continue
        means = _by_base(inferred[name])
        if isinstance(code, ContinuousCode):
            found.append(drift(means.squeeze(2), code.low, code.high))
        else:
            found.append(category_changes(means.argmax(dim=2)))
    return max(found, default=None)
