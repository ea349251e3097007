"""Names and definitions of all scores, and which direction is better."""

from dataclasses import dataclass
from typing import Literal

REAL = "real"
"""The generator under whose name the real training images are scored; it is measured, but has no place."""
JUDGE = "judge"
"""The space of scores that are measured with the judge; two runs share it only if they share the judge."""

Better = Literal["higher", "lower", "near 1"]


@dataclass(frozen=True)
class Definition:
    """The definition of one score.

    Attributes:
        title: its name in tables and reports.
        better: which direction is better; `near 1` if real images score 1.
        meaning: one sentence for reports.
    """

    title: str
    better: Better
    meaning: str


SCORES = {
    "frechet_distance": Definition(
        "Frechet distance",
        "lower",
        "Distance between Gaussians fitted to the features of samples and of real test images; it is the FID only on "
        "inception_v3.",
    ),
    "kernel_distance": Definition(
        "kernel distance",
        "lower",
        "Squared maximum mean discrepancy of features, cubic kernel; unbiased, so about 0 for equal distributions.",
    ),
    "inception_score": Definition(
        "Inception score",
        "higher",
        "How confident and how balanced the network's classes are; it does not notice that a class has collapsed.",
    ),
    "precision": Definition("precision", "higher", "Share of samples that lie within the manifold of real images."),
    "recall": Definition("recall", "higher", "Share of real images that lie within the manifold of samples."),
    "density": Definition(
        "density", "near 1", "How many neighbourhoods of real images contain a sample, relative to a real image."
    ),
    "coverage": Definition("coverage", "higher", "Share of real images whose neighbourhood contains a sample."),
    "label_accuracy": Definition(
        "label accuracy", "higher", "Share of samples whose label is the class that the judge sees in them."
    ),
    "classification_accuracy": Definition(
        "classification accuracy",
        "higher",
        "Accuracy on real test images of a classifier that was trained on samples only.",
    ),
    "within_class_diversity": Definition(
        "diversity",
        "near 1",
        "Feature variance within a class, divided by that of real images; near 0 the class has collapsed.",
    ),
    "noise_variance": Definition(
        "variance over noise",
        "near 1",
        "Variance of a level's output over its noise, divided by the variance within a real class.",
    ),
    "noise_recovery": Definition(
        "noise recovery", "higher", "Share of a level's noise that Q recovers from the level's output."
    ),
    "near_duplicates": Definition(
        "near duplicates",
        "lower",
        "Share of samples that are closer to another sample than all but 1 % of real images are to another one.",
    ),
    "neighbour_distance": Definition(
        "distance to training",
        "near 1",
        "Mean distance of samples to the nearest training image, divided by that of real test images.",
    ),
    "copies": Definition(
        "copies",
        "lower",
        "Share of samples that are closer to a training image than all but 1 % of real test images are.",
    ),
}
"""By name, in the order of reports."""
