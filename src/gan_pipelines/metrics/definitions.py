"""What is scored, under which name, and which way is better."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "near 1"]


@dataclass(frozen=True)
class Definition:
    """One score.

    Attributes:
        title: as a person reads it.
        better: which way; `near 1` where 1 is what real images have.
        meaning: one sentence for reports.
    """

    title: str
    better: Better
    meaning: str


SCORES = {
    "frechet_distance": Definition(
        "Frechet distance",
        "lower",
        "Distance between Gaussians fitted to features of samples and of real test images; FID only on inception_v3.",
    ),
    "kernel_distance": Definition(
        "kernel distance",
        "lower",
        "Squared maximum mean discrepancy of features, cubic kernel; unbiased, so about 0 for equal distributions.",
    ),
    "inception_score": Definition(
        "Inception score", "higher", "How sure and how balanced the network's classes are; blind to collapsed classes."
    ),
    "precision": Definition("precision", "higher", "Share of samples that lie within the manifold of real images."),
    "recall": Definition("recall", "higher", "Share of real images that lie within the manifold of samples."),
    "density": Definition("density", "near 1", "How many neighbourhoods of real images a sample lies in."),
    "coverage": Definition("coverage", "higher", "Share of real images whose neighbourhood holds a sample."),
    "label_accuracy": Definition("label accuracy", "higher", "Share of samples in which the judge sees their label."),
    "classification_accuracy": Definition(
        "classification accuracy", "higher", "Accuracy on real test images of a classifier trained on samples alone."
    ),
    "within_class_diversity": Definition(
        "diversity", "near 1", "Feature variance within a class over that of real images; near 0 is a collapse."
    ),
    "noise_variance": Definition(
        "variance over noise", "near 1", "Variance of a level's output over its noise, over that within a real class."
    ),
    "noise_recovery": Definition("noise recovery", "higher", "Share of a level's noise that Q reads from its output."),
    "twins": Definition(
        "twins", "lower", "Share of samples with another one nearer than all but 1 % of real images have."
    ),
    "neighbour_distance": Definition(
        "distance to training",
        "near 1",
        "Mean distance to the nearest training image, over that of real test images.",
    ),
    "copies": Definition(
        "copies", "lower", "Share of samples nearer to a training image than all but 1 % of real test images are."
    ),
}
"""By name, in the order of reports."""
