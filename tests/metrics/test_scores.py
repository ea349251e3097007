"""Scores of pictures beside real ones, each with its interval: what a generator is, they say."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import (
    SCORES,
    LabelledFeatures,
    RealFeatures,
    Score,
    distances,
    score_classification,
    score_levels,
    score_pictures,
    verdict,
)
from gan_pipelines.metrics.diversity import LevelVariation, within_class_diversity
from gan_pipelines.metrics.neighbours import nearest_distances
from gan_pipelines.metrics.scores import gap

OF_NETWORK = ("frechet_distance", "kernel_distance", "inception_score", "precision", "recall", "density", "coverage")
MEMORY = ("neighbour_distance", "copies")
SPACES = ("judge", "pixels")
LIMITS = {
    "frechet_distance": (0.0, math.inf),
    "kernel_distance": (-math.inf, math.inf),
    "inception_score": (1.0, 10.0),
    "density": (0.0, math.inf),
    "within_class_diversity": (0.0, math.inf),
    "neighbour_distance": (0.0, math.inf),
}
"""Of scores that are not shares."""
Found = dict[tuple[str, str], Score]


@pytest.fixture(autouse=True)
def few_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the kernel distance, for the sake of time."""
    monkeypatch.setattr(distances, "SUBSETS", 5)


def scored(
    digits: Any,
    pictures: LabelledImages,
    kind: str = "labelled",
    resamples: int = 40,
    seed: int = 1,
    test: LabelledImages | None = None,
    **replaced: LabelledFeatures,
) -> list[Score]:
    """The scores of pictures by the digits' judge; readings may be replaced or added, and the test images fewer."""
    test = test or digits.test
    readings = {"judge": digits.read(pictures), **replaced}
    real = digits.real
    if test is not digits.test:
        near = {
            "judge": nearest_distances(digits.read(test).features, real.train["judge"].features),
            "pixels": nearest_distances(test.images.flatten(1), digits.train.images.flatten(1)),
        }
        real = RealFeatures(real.train, {"judge": digits.read(test)}, near)
    real = replace(real, test=dict.fromkeys(readings, real.test["judge"]))
    rng = torch.Generator().manual_seed(seed)
    return score_pictures(readings, pictures, real, digits.train, test, kind, resamples, rng)  # type: ignore[arg-type]


def by_name(scores: list[Score]) -> Found:
    return {(score.score, score.space): score for score in scores if not score.of_class}


def word(found: Found) -> str:
    return verdict({key: (score.low, score.high) for key, score in found.items()})


def one_a_class(digits: Any, pictures: LabelledImages, number: int = 400) -> LabelledImages:
    """A collapsed generator: of each class the picture of which the judge is surest, again and again."""
    logits = digits.read(pictures).logits.log_softmax(dim=1)
    surest = torch.stack(
        [
            torch.where(pictures.labels == label, logits[:, label], -torch.inf).argmax()
            for label in range(len(pictures.classes))
        ]
    )
    return pictures.subset(surest[torch.arange(number) % len(surest)])


@pytest.fixture(scope="module")
def fresh(digits: Any) -> list[Score]:
    """Of real images that no one has seen: what a perfect generator would get."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "SUBSETS", 5)
        return scored(digits, digits.fresh, resamples=60)


def test_labelled_pictures_have_every_score_in_its_space_and_each_class_its_accuracy(
    digits: Any, fresh: list[Score]
) -> None:
    expected = [(name, "judge", "") for name in OF_NETWORK]
    expected += [("label_accuracy", "judge", of_class) for of_class in ("", *digits.test.classes)]
    expected += [("within_class_diversity", "judge", ""), ("twins", "pixels", "")]
    expected += [(name, space, "") for space in SPACES for name in MEMORY]
    assert [(score.score, score.space, score.of_class) for score in fresh] == expected
    assert {score.score for score in fresh} == set(SCORES) - {
        "classification_accuracy",
        "noise_variance",
        "noise_recovery",
    }
    assert {score.samples for score in fresh if not score.of_class} == {400}
    assert {score.samples for score in fresh if score.of_class} == {40}
    assert {score.note for score in fresh} == {""}


def test_every_value_lies_within_its_interval_and_that_within_the_limits_of_the_score(fresh: list[Score]) -> None:
    for score in fresh:
        lowest, highest = LIMITS.get(score.score, (0.0, 1.0))
        assert lowest <= score.low <= score.value <= score.high <= highest, score
        assert score.high - score.low < 1.5, score
        if score.score not in ("copies", "label_accuracy"):
            assert score.low < score.high, score
        assert math.isnan(score.spread) == (score.score != "kernel_distance")


def test_fresh_real_images_are_what_a_perfect_generator_would_make(digits: Any, fresh: list[Score]) -> None:
    found = by_name(fresh)
    assert word(found) == ""
    for space in SPACES:
        assert 0 < found["copies", space].value < 0.04  # 0.01, but for the draw
        assert 0.95 < found["neighbour_distance", space].value < 1.05
        assert found["neighbour_distance", space].low < 1 < found["neighbour_distance", space].high
    assert 0 < found["twins", "pixels"].value < 0.04
    assert found["within_class_diversity", "judge"].low < 1 < found["within_class_diversity", "judge"].high
    assert found["kernel_distance", "judge"].low < 0 < found["kernel_distance", "judge"].high
    assert abs(found["density", "judge"].value - 1) < 0.1
    judge = digits.real.test["judge"]
    assert abs(found["label_accuracy", "judge"].value - (judge.logits.argmax(1) == judge.labels).double().mean()) < 0.06


def test_the_accuracy_of_all_is_the_mean_of_that_of_the_classes(fresh: list[Score]) -> None:
    of_classes = [score.value for score in fresh if score.of_class]
    assert_close(by_name(fresh)["label_accuracy", "judge"].value, sum(of_classes) / 10)
    assert 0.5 < min(of_classes) < max(of_classes) <= 1
    widths = [score.high - score.low for score in fresh if score.of_class and 0 < score.value < 1]
    whole = by_name(fresh)["label_accuracy", "judge"]
    assert min(widths) > whole.high - whole.low


def test_a_class_of_which_there_is_no_picture_has_a_gap_and_says_so(digits: Any) -> None:
    kept = digits.fresh.subset((digits.fresh.labels != 4).nonzero().squeeze(1))
    missing = [score for score in scored(digits, kept) if score.of_class == "4"]
    assert len(missing) == 1
    assert math.isnan(missing[0].value)
    assert (missing[0].samples, missing[0].note) == (0, "no picture of this class")


def test_a_wrong_label_costs_the_accuracy_of_its_class_alone(digits: Any, fresh: list[Score]) -> None:
    labels = torch.where(digits.fresh.labels == 3, 7, digits.fresh.labels)
    found = scored(digits, replace(digits.fresh, labels=labels))
    before, after = ({score.of_class: score.value for score in rows if score.of_class} for rows in (fresh, found))
    assert after["7"] < 0.6 * before["7"]
    for of_class in set(before) - {"3", "7"}:
        assert after[of_class] == before[of_class]
    for name in OF_NETWORK:  # which read no labels
        assert by_name(found)[name, "judge"].value == by_name(fresh)[name, "judge"].value


def test_pictures_without_labels_have_no_accuracy_and_the_diversity_of_the_classes_that_the_judge_sees(
    digits: Any, fresh: list[Score]
) -> None:
    unlabelled = LabelledImages(digits.fresh.images, torch.zeros(400).long(), ("sample",))
    found = scored(digits, unlabelled, "unlabelled")
    assert not any(score.score == "label_accuracy" for score in found)
    assert len(found) == len(by_name(found)) == len(fresh) - 11
    judged = digits.read(digits.fresh)
    seen = replace(judged, labels=judged.logits.argmax(dim=1))
    expected = within_class_diversity(seen, digits.real.test["judge"]).item()
    assert_close(found[len(OF_NETWORK)].value, expected)
    assert 0.8 < expected < 1.2  # as one class they would be twice as diverse
    for name in (*OF_NETWORK, "twins"):
        space = "pixels" if name == "twins" else "judge"
        assert by_name(found)[name, space].value == by_name(fresh)[name, space].value


def test_real_training_images_have_no_distance_to_themselves(digits: Any) -> None:
    found = by_name(scored(digits, digits.train.subset(torch.arange(400)), "real"))
    for space in SPACES:
        for name in MEMORY:
            score = found[name, space]
            assert all(math.isnan(value) for value in (score.value, score.low, score.high))
            assert (score.samples, score.note) == (400, "these are the training images")
    assert word(found) == ""
    assert found["label_accuracy", "judge"].value > 0.8
    assert sum(math.isnan(score.value) for score in found.values()) == 4


@pytest.mark.parametrize("few", ["samples", "real"])
def test_a_covariance_without_enough_pictures_gives_a_gap_and_never_a_number(digits: Any, few: str) -> None:
    """49 pictures for 49 features; and 50 are enough."""
    for count in (49, 50):
        some = torch.arange(count)
        ours = digits.fresh.subset(some) if few == "samples" else digits.fresh
        theirs = digits.test.subset(some) if few == "real" else digits.test
        found = by_name(scored(digits, ours, test=theirs))
        frechet = found["frechet_distance", "judge"]
        if count == 50:
            assert 0 < frechet.low <= frechet.value <= frechet.high
            continue
        assert all(math.isnan(value) for value in (frechet.value, frechet.low, frechet.high))
        assert (
            frechet.note == f"a covariance of 49 features needs more pictures; {len(ours)} samples, {len(theirs)} real"
        )
        assert math.isfinite(found["kernel_distance", "judge"].value)


def test_diversity_that_cannot_be_had_is_a_gap_that_says_why(digits: Any) -> None:
    found = by_name(scored(digits, digits.fresh.subset(torch.arange(10))))
    score = found["within_class_diversity", "judge"]
    assert math.isnan(score.value)
    assert "at least two samples and two real images" in score.note
    assert word(found) == ""


def test_a_generator_that_replays_training_images_is_a_copy(digits: Any, fresh: list[Score]) -> None:
    replayed = digits.train.subset(torch.arange(400))
    found = by_name(scored(digits, replayed))
    for space in SPACES:
        assert found["copies", space].value == found["copies", space].low == 1
        assert 0 <= found["neighbour_distance", space].value < 0.02
    assert word(found) == "copies"
    for name in ("recall", "coverage", "density"):  # and nothing else tells it from fresh images
        assert abs(found[name, "judge"].value - by_name(fresh)[name, "judge"].value) < 0.1


def test_training_images_moved_by_little_are_copies_still(digits: Any, rng: torch.Generator) -> None:
    replayed = digits.train.subset(torch.arange(400))
    noise = torch.randint(-8, 9, replayed.images.shape, generator=rng)
    moved = (replayed.images.int() + noise).clamp(0, 255).to(torch.uint8)
    found = by_name(scored(digits, replace(replayed, images=moved)))
    assert found["copies", "pixels"].low > 0.95
    assert 0 < found["neighbour_distance", "pixels"].value < 0.3
    assert word(found) == "copies"


def test_a_generator_of_a_part_of_copies_is_called_one_only_where_that_is_surely_more_than_half(digits: Any) -> None:
    for copies, expected in ((120, ""), (280, "copies")):
        images = torch.cat([digits.train.images[:copies], digits.fresh.images[copies:]])
        labels = torch.cat([digits.train.labels[:copies], digits.fresh.labels[copies:]])
        found = by_name(scored(digits, LabelledImages(images, labels, digits.fresh.classes)))
        assert_close(found["copies", "pixels"].value, copies / 400, rtol=0, atol=0.02)
        assert word(found) == expected


def test_a_generator_of_one_picture_a_class_has_collapsed_though_its_inception_score_is_high(
    digits: Any, fresh: list[Score]
) -> None:
    found, real = by_name(scored(digits, one_a_class(digits, digits.fresh))), by_name(fresh)
    assert word(found) == "collapsed"
    assert abs(found["within_class_diversity", "judge"].value) < 1e-9
    assert found["within_class_diversity", "judge"].high < 1e-6
    assert found["twins", "pixels"].value == found["twins", "pixels"].low == 1
    assert found["label_accuracy", "judge"].value == 1
    assert found["inception_score", "judge"].value >= real["inception_score", "judge"].value
    assert found["recall", "judge"].value < 0.05
    assert found["coverage", "judge"].value < 0.2
    assert found["frechet_distance", "judge"].low > real["frechet_distance", "judge"].high


def test_a_generator_that_replays_one_training_image_a_class_is_both(digits: Any) -> None:
    found = by_name(scored(digits, one_a_class(digits, digits.train)))
    assert word(found) == "collapsed, copies"


def test_twins_are_sought_among_as_many_samples_as_there_are_real_images(digits: Any) -> None:
    """Of 400 samples every second one has a twin; of 200 drawn among them, only half of the twins are there."""
    again = digits.fresh.subset(torch.arange(400) % 300)
    whole = by_name(scored(digits, again))["twins", "pixels"]
    some = by_name(scored(digits, again, test=digits.test.subset(torch.arange(200))))["twins", "pixels"]
    assert whole.samples == 400
    assert 0.5 <= whole.value < 0.53
    assert some.samples == 200
    assert 0.15 < some.value < 0.37


def test_every_network_has_scores_of_its_own_and_the_judge_alone_sees_labels(digits: Any, fresh: list[Score]) -> None:
    noise = LabelledFeatures(
        digits.read(digits.fresh).features.flip(1).contiguous(), torch.zeros(400, 10), digits.fresh.labels
    )
    found = by_name(scored(digits, digits.fresh, resamples=60, inception_v3=noise))
    for name in OF_NETWORK:
        assert found[name, "judge"] == by_name(fresh)[name, "judge"]
    assert found["frechet_distance", "inception_v3"].low > found["frechet_distance", "judge"].high
    assert_close(found["inception_score", "inception_v3"].value, 1.0)
    assert {name for name, space in found if space == "inception_v3"} == set(OF_NETWORK)


def test_scores_depend_on_their_seed_alone_and_values_on_no_seed(digits: Any) -> None:
    found = []
    for state, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(state)
        found.append(scored(digits, digits.fresh, seed=seed))
    assert repr(found[0]) == repr(found[1])
    assert [score.value for score in found[0]] == [score.value for score in found[2]]
    assert repr(found[0]) != repr(found[2])


def test_more_pictures_have_shorter_intervals(digits: Any, fresh: list[Score]) -> None:
    some = torch.arange(100)
    few = by_name(scored(digits, digits.fresh.subset(some), test=digits.test.subset(some), resamples=60))
    for key in (
        ("label_accuracy", "judge"),
        ("within_class_diversity", "judge"),
        ("density", "judge"),
        ("neighbour_distance", "pixels"),
    ):
        many = by_name(fresh)[key]
        ratio = (few[key].high - few[key].low) / (many.high - many.low)
        assert 1.3 < ratio < 3.5, key  # 2, but for the draw


def test_the_classification_accuracy_is_the_share_of_right_test_images(digits: Any, rng: torch.Generator) -> None:
    logits = digits.real.test["judge"].logits
    found = score_classification(logits, digits.test, 1234, 2000, rng)
    right = (logits.argmax(dim=1) == digits.test.labels).double().mean().item()
    assert (found.score, found.space, found.samples, found.of_class) == ("classification_accuracy", "judge", 1234, "")
    assert_close(found.value, right)
    half = 1.96 * math.sqrt(right * (1 - right) / 400)
    assert_close((found.high - found.low) / 2, half, rtol=0.15, atol=0)
    assert found.low < right < found.high


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_a_classifier_that_is_never_or_always_right_has_no_interval(
    digits: Any, rng: torch.Generator, right: float
) -> None:
    seen = digits.test.labels if right else (digits.test.labels + 1) % 10
    found = score_classification(torch.nn.functional.one_hot(seen, 10).float(), digits.test, 10, 50, rng)
    assert found.value == found.low == found.high == right


def test_levels_have_two_scores_each_with_an_interval_over_conditions(rng: torch.Generator) -> None:
    variance, recovery = torch.rand(200, generator=rng, dtype=torch.float64), torch.randn(200, generator=rng) / 4
    constant = LevelVariation(torch.zeros(200).double(), torch.ones(200))
    found = score_levels({"fc": LevelVariation(variance, recovery), "pixels": constant}, 4000, 2000, rng)
    names = [(name, space) for space in ("fc", "pixels") for name in ("noise_variance", "noise_recovery")]
    assert [(score.score, score.space) for score in found] == names
    assert {score.samples for score in found} == {4000}
    for score, values in zip(found, (variance, recovery, *vars(constant).values()), strict=True):
        assert_close(score.value, values.double().mean().item())
        half = 1.96 * values.std().item() / math.sqrt(200)
        assert_close((score.high - score.low) / 2, half, rtol=0.1, atol=1e-12)
    assert found[1].low < 0  # Q may do worse than nothing


@pytest.mark.parametrize(
    ("diversity", "copies", "expected"),
    [
        ((0.1, 0.29), (0.0, 0.1), "collapsed"),
        ((0.1, 0.31), (0.0, 0.1), ""),
        ((0.8, 1.1), (0.51, 0.7), "copies"),
        ((0.8, 1.1), (0.49, 0.7), ""),
        ((0.0, 0.0), (1.0, 1.0), "collapsed, copies"),
        ((math.nan, math.nan), (math.nan, math.nan), ""),
    ],
)
@pytest.mark.parametrize("space", SPACES)
def test_a_verdict_needs_a_whole_interval_on_the_wrong_side(
    diversity: tuple[float, float], copies: tuple[float, float], expected: str, space: str
) -> None:
    assert verdict({("within_class_diversity", "judge"): diversity, ("copies", space): copies}) == expected


def test_nothing_is_said_of_what_was_not_scored() -> None:
    assert verdict({}) == ""
    assert verdict({("within_class_diversity", "inception_v3"): (0.0, 0.0), ("twins", "pixels"): (1.0, 1.0)}) == ""


def test_a_gap_holds_no_number() -> None:
    found = gap("copies", "judge", 7, "why not")
    assert all(math.isnan(value) for value in (found.value, found.low, found.high, found.spread))
    assert (found.score, found.space, found.samples, found.note) == ("copies", "judge", 7, "why not")


def test_every_score_is_defined_by_a_sentence() -> None:
    for name, definition in SCORES.items():
        assert definition.title
        assert definition.meaning.endswith("."), name
