"""What the codes of an InfoGAN mean: inferred from real pictures, and seen in generated ones while one code moves."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from gan_pipelines.data.images import LabelledImages, to_bytes, to_unit_range
from gan_pipelines.losses import information_bound
from gan_pipelines.metrics.categories import score_categories
from gan_pipelines.metrics.diversity import squared_deviations
from gan_pipelines.metrics.features import extract_features
from gan_pipelines.metrics.intervals import Uncertainty, jackknife_variance, variance_freedom
from gan_pipelines.metrics.invariance import distorted, score_invariance
from gan_pipelines.metrics.networks import judge_network
from gan_pipelines.metrics.scores import POSITIVE, SHARE, UNBOUNDED, Score, mean_score, smooth_score
from gan_pipelines.metrics.variation import (
    category_changes,
    chance_variance,
    drift,
    explained_share,
    left_out_shares,
    measure_pictures,
)
from gan_pipelines.models import Encoder, InfoGAN
from gan_pipelines.parameters import CategoricalCode, ContinuousCode

BASES, POINTS = 200, 11
"""How many random settings of everything else, and how many values of a continuous code at each of them."""
PICTURES_AT_ONCE = 1000
"""How many pictures Q gets at once; the result does not depend on it."""


def score_codes(
    gan: InfoGAN,
    standing: InfoGAN,
    judge: Encoder,
    features: str,
    test_images: LabelledImages,
    samples: int,
    rng: torch.Generator,
) -> list[Score]:
    """Score every code of a trained InfoGAN; the space of a score is its code.

    Scores that need labels are left out if there is only one class, those of strokes if the pictures are coloured.

    Args:
        gan: frozen; its Q has the batch-norm statistics of real pictures and infers their codes.
        standing: the same with those of generated pictures; makes and reads the pictures.
        judge: sees whether a picture changes its class; no training has used it.
        features: the judge's representation in which diversity is measured.
        test_images: labelled real pictures that no training has used.
        samples: number of new pictures on which L_I is measured.
        rng: draws noise, codes and distortions, and splits the test images.
    """
    found = [*information_on_samples(standing, samples, rng)]
    batches = test_images.images.split(PICTURES_AT_ONCE)
    head = torch.cat([gan.infer(to_unit_range(batch)) for batch in batches])
    inferred, classes = gan.codes.posterior_mean(head), len(test_images.classes)
    for name, code in gan.spec.parameters.single_codes.items():
        pictures = moved_pictures(standing, name, rng)
        if isinstance(code, CategoricalCode) and classes > 1:
            categories = inferred[name].argmax(dim=1)
            scored = score_categories(categories, test_images.labels, code.classes, classes, rng)
            found += [replace(score, space=name) for score in scored]
        if classes > 1:
            found += _seen_by_judge(name, judge, features, pictures, test_images, isinstance(code, CategoricalCode))
        found += [*_strokes(name, pictures), *_leakage(standing, name, pictures)]
    head = torch.cat([gan.infer(distorted(to_unit_range(batch), rng)) for batch in batches])
    for name, posterior in gan.codes.posterior_mean(head).items():
        if isinstance(gan.spec.parameters.single_codes[name], CategoricalCode):
            found += score_invariance(name, inferred[name], posterior)
    return found


def information_on_samples(gan: InfoGAN, samples: int, rng: torch.Generator) -> Iterator[Score]:
    """L_I of each code, in nats, on new pictures; for a categorical code also H(c), which L_I cannot exceed."""
    noise, codes = gan.noise.sample(samples, rng), gan.codes.sample(samples, rng)
    log_posterior = gan.codes.log_prob(codes, gan.infer(gan.pictures(noise, codes)))
    for name, entropy in gan.codes.prior_entropy().items():
        bound = information_bound(log_posterior[name], entropy).item()
        score = mean_score("information_nats", name, log_posterior[name].sum(dim=1) + entropy, UNBOUNDED)
        yield replace(score, value=bound)
        if isinstance(gan.spec.parameters.single_codes[name], CategoricalCode):
            yield Score("prior_entropy_nats", name, samples, entropy)


def moved_pictures(gan: InfoGAN, name: str, rng: torch.Generator) -> Float[Tensor, "pictures channels height width"]:
    """Pictures in which one code takes every category, or the centres of equal parts of its range, base by base."""
    code = gan.spec.parameters.single_codes[name]
    values = gan.code_values(name, POINTS)
    if isinstance(code, ContinuousCode):
        values = (code.low + (code.high - code.low) * (torch.arange(POINTS) + 0.5) / POINTS)[:, None]
    return gan.pictures(*gan.vary(name, values, BASES, rng))


def _seen_by_judge(
    name: str, judge: Encoder, features: str, pictures: Tensor, real: LabelledImages, of_categories: bool
) -> Iterator[Score]:
    """How often the class changes; for categories, also how diverse their pictures are compared with real classes."""
    network = judge_network(judge, features)
    seen = extract_features(network, to_bytes(pictures))
    changes = category_changes(_by_base(seen.logits.argmax(dim=1)))
    yield replace(mean_score("class_changes", name, changes, SHARE), samples=len(pictures))
    if not of_categories:
        return
    reference = extract_features(network, real.images).features
    classes = [reference[real.labels == label] for label in range(len(real.classes))]
    deviations = [squared_deviations(rows) * len(rows) / (len(rows) - 1) for rows in classes if len(rows) > 1]
    theirs = torch.stack([values.mean() for values in deviations]).mean()
    rows = _by_base(seen.features.double())
    ours = ((rows - rows.mean(dim=0)) ** 2).sum(dim=2).mean(dim=1) * BASES / (BASES - 1)  # of each base
    ratio = (ours.mean() / theirs).item()
    variance = sum(values.var().item() / len(values) for values in deviations) / len(deviations) ** 2
    uncertainty = Uncertainty((ours / theirs).var().item() / BASES, ratio**2 * variance / theirs.item() ** 2)
    yield smooth_score("within_category_diversity", name, len(pictures), ratio, uncertainty, expected=1.0)


def _strokes(name: str, pictures: Tensor) -> Iterator[Score]:
    """Shares of slant, stroke width and size that the code explains; nothing for coloured pictures.

    They are ratios of variances, not shares of pictures, so their errors are normal. Near 0 they are skewed, and
    smallest where the jackknife is too; it counts chance twice there, which makes up for that.
    """
    for measure, values in (measure_pictures(pictures) if pictures.shape[1] == 1 else {}).items():
        by_base = _by_base(values)
        share = explained_share(by_base)
        if math.isnan(share):
            continue
        left_out = left_out_shares(by_base)
        jackknife, chance = jackknife_variance(left_out), chance_variance(by_base)
        # the variance by chance, which counts where it is the larger part, does not hang on single bases
        freedom = variance_freedom(left_out) if jackknife > 2 * chance else math.inf
        uncertainty = Uncertainty(max(jackknife, chance), freedom=freedom)
        score = smooth_score(f"{measure}_share", name, len(pictures), share, uncertainty)
        yield replace(score, high=min(score.high, 1.0))


def _by_base(found: Tensor) -> Tensor:
    """Values of pictures as (bases, points, ...)."""
    rows: Tensor = found.unflatten(0, (BASES, -1))
    return rows


def _leakage(gan: InfoGAN, moved: str, pictures: Tensor) -> Iterator[Score]:
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
    if found:
        worst = max(found, key=lambda values: values.mean().item())
        yield replace(mean_score("leakage", moved, worst, POSITIVE), samples=len(pictures))
