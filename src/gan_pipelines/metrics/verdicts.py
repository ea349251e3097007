"""What a reader must know before any other score: a generator has collapsed, copies, or makes something else.

A verdict needs a whole 95 % interval on the wrong side of a bound which no working generator comes near.
"""

import math
from collections.abc import Iterable, Sequence

from gan_pipelines.metrics.definitions import JUDGE
from gan_pipelines.metrics.scores import Score
from gan_pipelines.parameters import PIXELS

COLLAPSED, COPIES, UNLIKE = "collapsed", "copies", "unlike the data"

MISSING_BELOW = 0.25
"""A class is missing if certainly fewer of the samples belong to it than this part of its share of the data."""
UNIFORM_BELOW = 0.3
"""Pictures of a class are all alike if their diversity is certainly below this part of the real one."""
REPEATED_ABOVE = 0.5
"""Pictures of a class repeat each other if certainly more than this share of them are near duplicates."""
COLLAPSED_CLASSES = 0.1
"""A generator has collapsed if at least this share of its classes is missing, or of pictures that are alike."""
COPIES_ABOVE = 0.15
"""A generator copies if certainly more than this share of its samples is suspiciously close to a training image: three
times what real images reach by chance."""
READ_BELOW = 0.8
"""Samples are unlike the data if the judge certainly reads their labels less often than this part of its accuracy."""
DISTANCE_ABOVE = 0.2
"""Samples are unlike the data if their relative Frechet distance certainly exceeds this."""


def find_verdicts(scores: Iterable[Score]) -> dict[str, str]:
    """The verdicts on a generator, each with what it was found by.

    Args:
        scores: of the generator, also those of single classes.
    """
    known = [score for score in scores if not math.isnan(score.value)]
    missing, alike = _missing(known), _alike(known)
    found = {
        COLLAPSED: ", ".join(filter(None, (missing, alike))),
        COPIES: _copies(known),
        UNLIKE: _unreadable(known) or ("" if alike else _distant(known)),  # pictures that are alike are also distant
    }
    return {word: reason for word, reason in found.items() if reason}


def _missing(scores: Sequence[Score]) -> str:
    return _counted([score for score in _named(scores, "class_share") if score.high < MISSING_BELOW], scores, "missing")


def _alike(scores: Sequence[Score]) -> str:
    """Near duplicates or little diversity: in classes, or else overall."""
    found = [score for score in _named(scores, "near_duplicates", PIXELS) if _low(score) > REPEATED_ABOVE]
    found += [score for score in _named(scores, "within_class_diversity") if score.high < UNIFORM_BELOW]
    overall = next((score for score in found if not score.of_class), None)
    counted = _counted([score for score in found if score.of_class], scores, "of pictures that are alike")
    return counted or ("pictures that are alike" if overall else "")


def _counted(found: Sequence[Score], scores: Sequence[Score], what: str) -> str:
    """How many classes are so, if they are not too few to matter."""
    classes, of = ({score.of_class for score in some if score.of_class} for some in (scores, found))
    return f"{len(of)} of {len(classes)} classes {what}" if of and len(of) >= COLLAPSED_CLASSES * len(classes) else ""


def _copies(scores: Sequence[Score]) -> str:
    copied = [score for space in (PIXELS, JUDGE) for score in _named(scores, "copies", space)]
    return next((f"{score.value:.0%} of samples" for score in copied if score.low > COPIES_ABOVE), "")


def _unreadable(scores: Sequence[Score]) -> str:
    overall = (score for score in _named(scores, "label_accuracy") if not score.of_class)
    read = (score for score in overall if score.high < READ_BELOW * score.expected)
    return next((f"label accuracy {score.value:.2f}, of real images {score.expected:.2f}" for score in read), "")


def _distant(scores: Sequence[Score]) -> str:
    distant = (score for score in _named(scores, "frechet_distance_relative") if score.low > DISTANCE_ABOVE)
    return next((f"relative Frechet distance {score.value:.2f}" for score in distant), "")


def _named(scores: Sequence[Score], name: str, space: str = JUDGE) -> list[Score]:
    return [score for score in scores if (score.score, score.space) == (name, space)]


def _low(score: Score) -> float:
    """The lower end of the interval; the value itself where there was only one part."""
    return score.value if math.isnan(score.low) else score.low
