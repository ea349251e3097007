"""Generators broken on purpose are called by their name, and healthy ones get no verdict."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import LabelledFeatures, Reference, Score, find_verdicts, score_pictures
from gan_pipelines.metrics.features import extract_real_features
from gan_pipelines.metrics.fidelity import score_class_shares
from gan_pipelines.metrics.intervals import share_interval
from gan_pipelines.metrics.memorisation import _share_of_parts, score_memorisation, score_near_duplicates

JUDGE, PIXELS = "judge", "pixels"


def scored(
    digits: Any, pictures: LabelledImages, kind: str = "labelled", reference: Reference | None = None
) -> list[Score]:
    features, rng = {JUDGE: digits.extract(pictures)}, torch.Generator().manual_seed(1)
    opinion = digits.second_opinion(pictures)
    return score_pictures(features, opinion, pictures, reference or digits.reference, kind, rng)  # type: ignore[arg-type]


def reference_of(digits: Any, train: LabelledImages, test: LabelledImages) -> Reference:
    return Reference(
        train,
        test,
        extract_real_features({JUDGE: digits.judge}, digits.second_judge, train, test, len(train), torch.Generator()),
    )


def verdicts(digits: Any, pictures: LabelledImages, kind: str = "labelled") -> dict[str, str]:
    return find_verdicts(scored(digits, pictures, kind))


def unlabelled(pictures: LabelledImages) -> LabelledImages:
    return LabelledImages(pictures.images, torch.zeros_like(pictures.labels), ("sample",))


def first_of_each_class(pictures: LabelledImages, number: int, count: int = 400) -> LabelledImages:
    """Classes alternate; the first pictures of each class are repeated."""
    return pictures.subset(torch.arange(count) % (10 * number))


def mush(pictures: LabelledImages, layers: int) -> LabelledImages:
    """Several digits on top of each other, each as faint as there are others."""
    images = torch.stack([pictures.images.roll(7 * layer, dims=0).float() for layer in range(layers)])
    return replace(pictures, images=images.mean(dim=0).to(torch.uint8))


def one_class(digits: Any) -> LabelledImages:
    eights = torch.cat([digits.fresh.images[digits.fresh.labels == 8], digits.test.images[digits.test.labels == 8]])
    return LabelledImages(eights.repeat(5, 1, 1, 1), torch.arange(5 * len(eights)) % 10, digits.test.classes)


def seven_repeated(digits: Any) -> LabelledImages:
    repeated = first_of_each_class(digits.fresh, 1)
    images = torch.where((digits.fresh.labels < 7)[:, None, None, None], repeated.images, digits.fresh.images)
    return replace(digits.fresh, images=images)


def jittered_twins(digits: Any) -> LabelledImages:
    twins = first_of_each_class(digits.fresh, 2)
    noise = torch.randint(-8, 9, twins.images.shape, generator=torch.Generator().manual_seed(0))
    return replace(twins, images=(twins.images.int() + noise).clamp(0, 255).to(torch.uint8))


def partly_replayed(digits: Any) -> LabelledImages:
    images = torch.cat([digits.train.images[:120], digits.fresh.images[120:]])
    return replace(digits.fresh, images=images)


def moved(pictures: LabelledImages) -> LabelledImages:
    return replace(pictures, images=pictures.images.roll((1, -1), dims=(2, 3)))


BROKEN: dict[str, tuple[Callable[[Any], LabelledImages], set[str], str]] = {
    "one class": (one_class, {"collapsed", "unlike the data"}, "of 10 classes missing"),
    "7 of 10 classes of one picture": (seven_repeated, {"collapsed"}, "7 of 10 classes of pictures that are alike"),
    "two pictures a class": (lambda digits: first_of_each_class(digits.fresh, 2), {"collapsed"}, "10 of 10"),
    "two pictures a class, with noise": (jittered_twins, {"collapsed"}, "10 of 10"),
    "one picture a class": (lambda digits: first_of_each_class(digits.fresh, 1), {"collapsed"}, "10 of 10"),
    "training images": (lambda digits: digits.train.subset(torch.arange(400)), {"copies"}, "100% of samples"),
    "shifted training images": (lambda digits: moved(digits.train.subset(torch.arange(400))), {"copies"}, "of samples"),
    "30 % training images": (partly_replayed, {"copies"}, "of samples"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_generator_is_called_by_its_name_which_says_why(digits: Any, name: str) -> None:
    make, words, reason = BROKEN[name]
    found = verdicts(digits, make(digits))
    assert set(found) == words
    assert any(reason in said for said in found.values())


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "one class"])
def test_a_broken_generator_without_labels_is_called_by_the_same_name(digits: Any, name: str) -> None:
    make, words, _ = BROKEN[name]
    assert words <= set(verdicts(digits, unlabelled(make(digits)), "unlabelled"))


def test_mush_is_unlike_the_data(digits: Any) -> None:
    faint, fainter = mush(digits.fresh, 2), mush(digits.fresh, 3)
    assert set(verdicts(digits, faint)) == {"unlike the data"}
    assert "unlike the data" in verdicts(digits, unlabelled(fainter), "unlabelled")


@pytest.mark.parametrize("kind", ["labelled", "unlabelled"])
def test_real_images_that_were_never_seen_get_no_verdict(digits: Any, kind: str) -> None:
    pictures = digits.fresh if kind == "labelled" else unlabelled(digits.fresh)
    assert verdicts(digits, pictures, kind) == {}


def test_training_images_as_reference_for_themselves_get_no_verdict(digits: Any) -> None:
    assert find_verdicts(scored(digits, digits.train, "real")) == {}


def test_healthy_samples_of_unequal_classes_get_no_verdict_if_they_have_the_proportions_of_the_data(
    digits: Any,
) -> None:
    def unequal(pictures: LabelledImages) -> LabelledImages:
        """Classes 5 to 9 have a fourth of their pictures; 0 to 4 have all."""
        kept = (pictures.labels < 5) | (torch.arange(len(pictures)) // 10 % 4 == 0)
        return pictures.subset(kept.nonzero().squeeze(1))

    train, test = unequal(digits.train), unequal(digits.test)
    reference = reference_of(digits, train, test)
    assert find_verdicts(scored(digits, unequal(digits.fresh), reference=reference)) == {}


def test_labels_that_cannot_be_read_are_unlike_the_data(digits: Any) -> None:
    found = verdicts(digits, replace(digits.fresh, labels=(digits.fresh.labels + 1) % 10))
    assert set(found) == {"unlike the data"}
    assert "of real images 0." in found["unlike the data"]


def test_a_missing_class_is_found_although_the_judge_mistakes_others_for_it(
    labelled: Callable[..., LabelledFeatures],
) -> None:
    """In a tenth of all pictures of other classes, the judge sees the class 0."""
    labels = torch.arange(4000) % 4
    seen = torch.where(torch.arange(4000) // 4 % 10 == 0, 0, labels)
    real = labelled(torch.zeros(4000, 2), labels, seen)
    others = labels != 0
    samples = labelled(torch.zeros(int(others.sum()), 2), labels[others], seen[others])
    shares = [score.value for score in score_class_shares(real, real, "abcd", labels)]
    assert_close(shares, [1.0] * 4)
    without = list(score_class_shares(samples, real, "abcd", samples.labels))
    assert_close([score.value for score in without], [0.0, 4 / 3, 4 / 3, 4 / 3])
    assert without[0].low == 0 < without[0].high < 0.1
    assert [score.of_class for score in without] == ["a", "b", "c", "d"]


def test_the_interval_of_a_class_share_is_that_of_fixed_labels_and_of_test_images(
    labelled: Callable[..., LabelledFeatures],
) -> None:
    """Of 4 classes that a judge confuses in a tenth of the pictures: narrower than if labels were drawn too."""
    rng = torch.Generator().manual_seed(2)
    labels, found, free = torch.arange(400) % 4, [], []

    def seen(of: torch.Tensor) -> LabelledFeatures:
        confused = torch.rand(len(of), generator=rng) < 0.1
        return labelled(torch.zeros(len(of), 2), of, torch.where(confused, (of + 1) % 4, of))

    for _ in range(300):
        samples, real = seen(labels.repeat(5)), seen(labels)
        found.append(next(iter(score_class_shares(samples, real, "abcd", samples.labels))))
        free.append(next(iter(score_class_shares(samples, real, "abcd", torch.zeros(2000).long()))))
    held = [score.low <= 1 <= score.high for score in found]
    assert 0.9 <= sum(held) / 300 <= 0.99
    widths = [sum(score.high - score.low for score in scores) for scores in (found, free)]
    assert widths[0] < 0.9 * widths[1]


def test_a_class_that_the_judge_never_sees_is_not_called_missing(labelled: Callable[..., LabelledFeatures]) -> None:
    labels = torch.arange(400) % 4
    real = labelled(torch.zeros(400, 2), labels, labels.clamp(max=2))
    unknown = list(score_class_shares(real, real, "abcd", labels))[3]
    assert torch.tensor(unknown.value).isnan()
    assert unknown.note
    assert find_verdicts([unknown]) == {}


def test_near_duplicates_have_an_interval_from_parts_and_without_parts_say_why(digits: Any) -> None:
    again = digits.fresh.subset(torch.arange(400) % 300)  # half of the pictures are twins
    few = replace(digits.reference, test_images=digits.test.subset(torch.arange(100)))
    for reference, low, high in ((digits.reference, 0.5, 0.52), (few, 0.04, 0.26)):
        rng = torch.Generator().manual_seed(0)
        judged = digits.extract(again)
        score, *of_classes = score_near_duplicates(judged, again, reference, judged.labels, rng)
        assert low <= score.value <= high
        assert [found.of_class for found in of_classes] == list(digits.test.classes)
        assert_close(sum(found.value for found in of_classes) / 10, score.value)
        if reference is few:
            assert score.samples == 100
            assert 0 <= score.low < score.value < score.high < 0.4
        else:
            assert score.samples == 400
            assert torch.tensor([score.low, score.high]).isnan().all()
            assert "800" in score.note


def test_near_duplicates_vary_by_chance_as_pairs_do(digits: Any) -> None:
    """Of 400 pictures in ten parts: if there is no twin, that is known as of 200 pairs; otherwise likewise."""
    reference = replace(digits.reference, test_images=digits.test.subset(torch.arange(40)))
    for copies in (1, 100):
        pictures = digits.train.subset(torch.arange(400).clamp(min=copies - 1))
        judged, rng = digits.extract(pictures), torch.Generator().manual_seed(1)
        found = next(score_near_duplicates(judged, pictures, reference, torch.zeros(400).long(), rng))
        assert found.uncertainty is not None
        by_chance = found.value * (1 - found.value) / 200
        assert (found.value, found.uncertainty.samples) == pytest.approx(((copies > 1) / 4, by_chance), abs=1e-12)
        if copies == 1:
            assert (found.low, found.high) == share_interval(0.0, 200)
        else:
            assert found.low < 0.2 < 0.31 < found.high


def test_near_duplicates_that_come_in_clusters_vary_more(digits: Any) -> None:
    """All in half of the parts, which by chance cannot be: their share is known only as well as of ten values."""
    suspect = [torch.full((40,), part < 5) for part in range(10)]
    suspect = [part & (torch.arange(40) < 20) for part in suspect]
    found = _share_of_parts("near_duplicates", suspect, 40)
    assert found.uncertainty is not None
    assert (found.value, found.uncertainty.freedom) == (0.25, 9)
    assert found.uncertainty.variance == pytest.approx(0.25**2 / 9)


def memorised(digits: Any, test: LabelledImages, pictures: LabelledImages) -> dict[tuple[str, str], Score]:
    """Copies among pictures, against other test images."""
    reference = reference_of(digits, digits.train, test)
    found = score_memorisation(digits.extract(pictures), pictures, reference, pictures.labels)
    return {(score.score, score.space): score for score in found}


def test_test_images_that_are_training_images_do_not_hide_copies(digits: Any) -> None:
    half = torch.cat([digits.train.images[:200], digits.test.images[:200]])
    test = replace(digits.test, images=half)
    copies, honest = (
        memorised(digits, test, some)["copies", PIXELS].value
        for some in (digits.train.subset(torch.arange(400, 800)), digits.fresh)
    )
    assert copies == 1
    assert 0 < honest < 0.12  # 0.05, up to chance


def test_if_all_test_images_are_training_images_copies_are_not_measured(digits: Any) -> None:
    found = memorised(digits, digits.train.subset(torch.arange(400)), digits.fresh)
    assert {key for key, score in found.items() if score.note} == set(found)
    assert all(torch.tensor(score.value).isnan() for score in found.values())


@pytest.mark.parametrize("level", [0, 255])
def test_equal_pictures_are_copies_and_duplicates_and_nothing_is_divided_by_zero(digits: Any, level: int) -> None:
    plain = replace(digits.fresh, images=torch.full_like(digits.fresh.images, level))
    train = replace(digits.train, images=torch.full_like(digits.train.images, level))
    reference = reference_of(digits, train, digits.test)
    found = find_verdicts(scored(digits, plain, reference=reference))
    assert {"collapsed", "copies"} <= set(found)


def test_copies_of_every_class_are_seen_although_ones_are_much_closer_to_each_other(digits: Any) -> None:
    for label in (1, 8):
        kept = (digits.train.labels == label).nonzero().squeeze(1)
        assert memorised(digits, digits.test, moved(digits.train.subset(kept)))["copies", PIXELS].value > 0.6
        honest = digits.fresh.subset((digits.fresh.labels == label).nonzero().squeeze(1))
        assert memorised(digits, digits.test, honest)["copies", PIXELS].value < 0.3


def score(name: str, low: float, high: float, space: str = JUDGE, of_class: str = "", expected: float = 1.0) -> Score:
    return Score(name, space, 100, (low + high) / 2, low, high, expected, of_class)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (score("within_class_diversity", 0.1, 0.29), "collapsed"),
        (score("within_class_diversity", 0.1, 0.31), ""),
        (score("near_duplicates", 0.51, 0.7, PIXELS), "collapsed"),
        (score("near_duplicates", 0.49, 0.7, PIXELS), ""),
        (score("class_share", 0.0, 0.24, of_class="a"), "collapsed"),
        (score("class_share", 0.0, 0.26, of_class="a"), ""),
        (score("copies", 0.16, 0.2), "copies"),
        (score("copies", 0.14, 0.2), ""),
        (score("copies", 0.16, 0.2, PIXELS), "copies"),
        (score("label_accuracy", 0.4, 0.47, expected=0.6), "unlike the data"),
        (score("label_accuracy", 0.4, 0.49, expected=0.6), ""),
        (score("label_accuracy", 0.0, 0.1, of_class="a", expected=0.6), ""),
        (score("frechet_distance_relative", 0.21, 0.3), "unlike the data"),
        (score("frechet_distance_relative", 0.19, 0.3), ""),
        (score("frechet_distance_relative", 0.21, 0.3, "inception_v3"), ""),
        (Score("near_duplicates", PIXELS, 100, 0.6), "collapsed"),  # of a single part
        (Score("within_class_diversity", JUDGE, 2, 0.0, of_class="a"), ""),
        (Score("copies", JUDGE, 2, float("nan")), ""),
    ],
)
def test_a_verdict_needs_a_whole_interval_on_the_wrong_side(found: Score, word: str) -> None:
    assert ", ".join(find_verdicts([found])) == word


def test_a_few_of_many_classes_are_no_collapse() -> None:
    for bad, words in ((1, []), (2, ["collapsed"])):
        shares = [score("class_share", 0.0, 0.1 if at < bad else 1.0, of_class=f"{at}") for at in range(20)]
        assert list(find_verdicts(shares)) == words


def test_a_collapse_explains_a_distance_but_not_that_labels_cannot_be_read() -> None:
    alike, distant = score("within_class_diversity", 0.0, 0.1), score("frechet_distance_relative", 0.4, 0.5)
    assert list(find_verdicts([alike, distant])) == ["collapsed"]
    unread = score("label_accuracy", 0.1, 0.2, expected=0.9)
    assert list(find_verdicts([alike, distant, unread])) == ["collapsed", "unlike the data"]
