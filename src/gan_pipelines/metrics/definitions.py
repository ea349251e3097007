"""Names and definitions of all scores, and which direction is better."""

from dataclasses import dataclass
from typing import Literal

REAL = "real"
"""The generator under whose name the real training images are scored; it is measured, but has no place."""
JUDGE = "judge"
"""The space of scores that are measured with the judge; two runs share it only if they share the judge."""
SECOND_JUDGE = "second_judge"
"""The space of scores that are measured with the second judge."""
JUDGES = "judges"
"""The space of scores that are measured with both judges."""
JUDGED_BY = {JUDGE: (JUDGE,), SECOND_JUDGE: (SECOND_JUDGE,), JUDGES: (JUDGE, SECOND_JUDGE)}
"""The judges that measure in a space."""

Better = Literal["higher", "lower", "near expected", "neither"]


@dataclass(frozen=True)
class Definition:
    """The definition of one score.

    Attributes:
        title: its name in tables and reports.
        better: which direction is better; `near expected` if that is what real images score, `neither` if the score
            only describes.
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
    "frechet_distance_infinity": Definition(
        "Frechet at infinity",
        "lower",
        "The Frechet distance extrapolated to infinitely many pictures on both sides; about 0 for equal laws.",
    ),
    "frechet_distance_relative": Definition(
        "Frechet distance, relative",
        "lower",
        "The Frechet distance extrapolated, divided by the variance of real features; 1 is what a single average "
        "picture has.",
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
        "density", "near expected", "How many neighbourhoods of real images contain a sample, relative to a real image."
    ),
    "coverage": Definition("coverage", "higher", "Share of real images whose neighbourhood contains a sample."),
    "label_accuracy": Definition(
        "label accuracy", "higher", "Share of samples whose label is the class that the judge sees in them."
    ),
    "judge_agreement": Definition(
        "agreement of the judges", "near expected", "Share of samples in which both judges see the same class."
    ),
    "classification_accuracy": Definition(
        "classification accuracy",
        "higher",
        "Accuracy on real test images of a classifier that was trained on samples only.",
    ),
    "class_share": Definition(
        "share of the class",
        "near expected",
        "Share of a class among samples, divided by its share among test images, by what the judge sees; 0 if missing.",
    ),
    "within_class_diversity": Definition(
        "diversity",
        "near expected",
        "Feature variance within a class, divided by that of real images; near 0 the class has collapsed.",
    ),
    "noise_variance": Definition(
        "variance over noise",
        "near expected",
        "Variance of a level's output over its noise, divided by the variance within a real class; of real images it "
        "is at most what is expected.",
    ),
    "noise_recovery": Definition(
        "noise recovery", "higher", "Share of a level's noise that Q recovers from the level's output."
    ),
    "near_duplicates": Definition(
        "near duplicates",
        "lower",
        "Share of samples that are at most half as far from another sample as all but 5 % of real images are from "
        "another one, relative to how far pictures like it are from each other.",
    ),
    "neighbour_distance": Definition(
        "distance to training",
        "near expected",
        "Mean distance of samples to the nearest training image, divided by that of real test images.",
    ),
    "copies": Definition(
        "copies",
        "lower",
        "Share of samples that are closer to one training image, relative to the eight nearest, than all but 5 % of "
        "real test images are.",
    ),
    "information_nats": Definition(
        "L_I", "higher", "Lower bound of the information between a code and the pictures, in nats; Q gives it."
    ),
    "prior_entropy_nats": Definition("H(c)", "neither", "Entropy of a categorical code, which L_I cannot exceed."),
    "invariant_information": Definition(
        "information under distortion",
        "higher",
        "Information between the categories that Q infers from a real image and from its distortion, divided by ln of "
        "their number; needs no labels, so it may choose among trainings.",
    ),
    "distortion_agreement": Definition(
        "agreement under distortion",
        "higher",
        "Share of real test images whose inferred category is that of the distorted image; 1 also if all have the same "
        "one.",
    ),
    "classification_error": Definition(
        "error of the categories",
        "lower",
        "Share of real test images whose inferred category is not matched to their class.",
    ),
    "normalised_mutual_information": Definition(
        "mutual information", "higher", "Of inferred categories and classes of real test images, in [0, 1]."
    ),
    "purity": Definition(
        "purity", "higher", "Share of real test images whose class is the most frequent one of their category."
    ),
    "within_category_diversity": Definition(
        "diversity within a category",
        "near expected",
        "Feature variance of pictures of one category, divided by that within real classes; near 0 each category has "
        "collapsed to one picture, which L_I does not show.",
    ),
    "slant_share": Definition("slant explained", "neither", "Share of the slant's variance that the code explains."),
    "stroke_width_share": Definition(
        "stroke width explained", "neither", "Share of the stroke width's variance that the code explains."
    ),
    "size_share": Definition("size explained", "neither", "Share of the size's variance that the code explains."),
    "class_changes": Definition(
        "changes of class", "neither", "How often the judge sees another class while only this code moves."
    ),
    "leakage": Definition(
        "leakage",
        "lower",
        "How far another code, as Q infers it, moves with this one; 0 also if Q cannot infer that code.",
    ),
}
"""By name, in the order of reports."""
