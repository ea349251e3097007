"""What two judges see: the labels that were asked for, and the same classes."""

import math
from typing import Any

import pytest
import torch
from scipy import stats

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import score_pictures
from gan_pipelines.metrics.judges import Opinions, score_agreement, score_labels

SAMPLES = Opinions(torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1, 1, 1, 0]), torch.tensor([0, 0, 1, 1, 0]))
REAL = Opinions(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 0, 2]))
CLASSES = ("cat", "dog", "fox")


def wilson(count: int, total: int) -> tuple[float, float]:
    ends = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    return ends.low, ends.high


def test_each_judge_reads_the_labels_and_what_it_reads_in_real_images_is_expected() -> None:
    found = {(score.space, score.of_class): score for score in score_labels(SAMPLES, REAL, CLASSES)}
    assert set(found) == {("judge", ""), *(("judge", name) for name in CLASSES), ("second_judge", "")}
    assert {score.score for score in found.values()} == {"label_accuracy"}
    counts = {key: (score.value, score.samples, score.expected) for key, score in found.items() if key[1] != "fox"}
    assert counts == {
        ("judge", ""): (4 / 5, 5, 3 / 4),
        ("judge", "cat"): (2 / 3, 3, 1 / 2),
        ("judge", "dog"): (1, 2, 1),
        ("second_judge", ""): (4 / 5, 5, 2 / 4),
    }
    whole = found["second_judge", ""]
    assert (whole.low, whole.high) == pytest.approx(wilson(4, 5))
    missing = found["judge", "fox"]
    assert (missing.samples, missing.note) == (0, "no picture of this class")
    assert math.isnan(missing.value)


def test_judges_agree_if_they_see_the_same_class_whatever_the_label() -> None:
    found = score_agreement(SAMPLES, REAL)
    assert (found.score, found.space, found.samples) == ("judge_agreement", "judges", 5)
    assert (found.value, found.expected) == (3 / 5, 2 / 4)
    assert (found.low, found.high) == pytest.approx(wilson(3, 5))


@pytest.mark.parametrize("kind", ["labelled", "unlabelled", "real"])
def test_both_judges_read_the_pictures_but_of_real_ones_only_those_that_they_have_not_learnt(
    digits: Any, kind: str
) -> None:
    pictures, rng = digits.train if kind == "real" else digits.fresh, torch.Generator().manual_seed(0)
    features, opinion = {"judge": digits.extract(pictures)}, digits.second_opinion(pictures)
    scores = score_pictures(features, opinion, pictures, digits.reference, kind, rng)  # type: ignore[arg-type]
    found = {(score.score, score.space): score for score in scores if not score.of_class}
    read, test = (shares_of(digits, x) for x in (digits.test if kind == "real" else digits.fresh, digits.test))
    asked = {("judge_agreement", "judges")} if kind == "unlabelled" else set(read)
    assert {key for key in found if key in read} == asked
    for key in asked:
        assert [found[key].value, found[key].expected] == pytest.approx([read[key], test[key]], abs=1e-9), key
        assert found[key].samples == 400
        assert 0.7 < found[key].value < 0.95


def shares_of(digits: Any, pictures: LabelledImages) -> dict[tuple[str, str], float]:
    """What the digits' judges see in pictures, written out."""
    first, second = digits.extract(pictures).logits.argmax(dim=1), digits.second_opinion(pictures)
    holds = {
        ("label_accuracy", "judge"): first == pictures.labels,
        ("label_accuracy", "second_judge"): second == pictures.labels,
        ("judge_agreement", "judges"): first == second,
    }
    return {key: values.double().mean().item() for key, values in holds.items()}
