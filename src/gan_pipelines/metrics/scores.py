"""Scores of a generator, computed on a judge's reading of its samples."""

from dataclasses import dataclass, replace

import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric

from gan_pipelines.metrics.features import JudgedImages


@dataclass(frozen=True)
class Scores:
    """The scores of one generator.

    Attributes:
        label_accuracy: share of samples in which the judge sees the label asked for, in [0, 1]; higher is better.
            None where no label was asked for.
        within_class_diversity: feature variance within a class over that of real images; 1 is as diverse as real.
        frechet_distance: between the judge's features of samples and of real training images; lower is better. This
            is no FID: the features are the judge's, not Inception's.
        inception_score: exp of the mean KL divergence of class probabilities from their mean, by the judge.
        samples: number of pictures scored. Frechet distance and Inception score are biased by it, so numbers compare
            only for equal counts; real test images are usually fewer.
    """

    label_accuracy: float | None
    within_class_diversity: float
    frechet_distance: float
    inception_score: float
    samples: int


def score(judged: JudgedImages, reference: JudgedImages) -> Scores:
    """Score samples against real images.

    Args:
        judged: the samples.
        reference: real images.
    """
    return Scores(
        label_accuracy=(judged.logits.argmax(dim=1) == judged.labels).double().mean().item(),
        within_class_diversity=within_class_diversity(judged, reference),
        frechet_distance=frechet_distance(judged, reference),
        inception_score=inception_score(judged),
        samples=len(judged.labels),
    )


def score_unlabelled(judged: JudgedImages, reference: JudgedImages) -> Scores:
    """Score samples of which nobody asked for a label: for diversity, each has the class that the judge sees.

    Args:
        judged: the samples; their labels are not read.
        reference: real images.
    """
    seen = replace(judged, labels=judged.logits.argmax(dim=1))
    return replace(score(seen, reference), label_accuracy=None)


def within_class_diversity(judged: JudgedImages, reference: JudgedImages) -> float:
    """Mean over classes of (total feature variance of the samples / of the real images).

    Classes with fewer than two pictures on either side are left out.

    Raises:
        ValueError: no class has two pictures on both sides.
    """
    ratios = []
    for label in range(judged.logits.shape[1]):
        ours, theirs = (x.features[x.labels == label].double() for x in (judged, reference))
        if len(ours) > 1 and len(theirs) > 1:
            ratios.append(ours.var(dim=0).sum() / theirs.var(dim=0).sum())
    if not ratios:
        raise ValueError("within-class diversity needs a class with at least two samples and two real images")
    return torch.stack(ratios).mean().item()


def frechet_distance(judged: JudgedImages, reference: JudgedImages) -> float:
    """Frechet distance between Gaussians fitted to the features (Heusel et al. 2017), computed by torch-fidelity."""
    statistics = [fid_features_to_statistics(side.features.double()) for side in (judged, reference)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def inception_score(judged: JudgedImages, splits: int = 10) -> float:
    """Exp E KL(p(y|x) || p(y)) (Salimans et al. 2016), mean over splits, computed by torch-fidelity."""
    logits = judged.logits.double() - judged.logits.double().amax(dim=1, keepdim=True)
    bounded = logits.clamp(min=-100)  # a class that no picture of a split could have would make 0 x infinity
    return float(isc_features_to_metric(bounded, splits=splits)["inception_score_mean"])
