"""What two judges see in pictures: the classes that were asked for, and whether the judges agree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Int64
from torch import Tensor

from gan_pipelines.metrics.definitions import JUDGE, JUDGED_BY, JUDGES, SECOND_JUDGE
from gan_pipelines.metrics.scores import Score, missing_score, share_score


@dataclass(frozen=True)
class Opinions:
    """The classes that two judges see in pictures.

    Attributes:
        judge: seen by the judge.
        second_judge: seen by the second judge.
        labels: the classes that the pictures have, or that were asked for.
    """

    judge: Int64[Tensor, "count"]
    second_judge: Int64[Tensor, "count"]
    labels: Int64[Tensor, "count"]


def score_labels(samples: Opinions, real: Opinions, classes: Sequence[str]) -> Iterator[Score]:
    """Whether a judge sees the label in each picture: the judge for all pictures and each class, the second for all.

    What is expected is what the same judge reads in real images; samples that exceed it are easier to read than these.

    Args:
        samples: what the judges see in the scored pictures.
        real: what they see in real images that no training has used.
        classes: names of the classes.
    """
    name, right, real_right = "label_accuracy", samples.judge == samples.labels, real.judge == real.labels
    yield share_score(name, JUDGE, right, real_right.double().mean().item())
    for label, of_class in enumerate(classes):
        chosen, expected = samples.labels == label, real_right[real.labels == label].double().mean().item()
        if chosen.any():
            yield replace(share_score(name, JUDGE, right[chosen], expected), of_class=of_class)
        else:
            yield replace(missing_score(name, JUDGE, 0, "no picture of this class"), of_class=of_class)
    expected = (real.second_judge == real.labels).double().mean().item()
    yield share_score(name, SECOND_JUDGE, samples.second_judge == samples.labels, expected)


def score_agreement(samples: Opinions, real: Opinions) -> Score:
    """The share of pictures in which both judges see the same class; expected is that of real images.

    Args:
        samples: what the judges see in the scored pictures.
        real: what they see in real images that no training has used.
    """
    same, real_same = (seen.judge == seen.second_judge for seen in (samples, real))
    return share_score("judge_agreement", JUDGES, same, real_same.double().mean().item())


def without_ignorant_judges(scores: Sequence[Score], classes: Sequence[str]) -> list[Score]:
    """The scores, without what judges say that had a single class to learn from.

    Args:
        scores: of any spaces.
        classes: that the judges know.
    """
    if len(classes) > 1:
        return list(scores)
    note = "all images are of one class, and a judge that has nothing to distinguish learns nothing"
    return [
        replace(missing_score(score.score, score.space, score.samples, note), of_class=score.of_class)
        if score.space in JUDGED_BY
        else score
        for score in scores
    ]
