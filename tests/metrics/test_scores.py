"""Scores of pictures compared with real ones, each with its interval; verdicts are tested in a file of their own."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import (
    SCORES,
    LabelledFeatures,
    Reference,
    Score,
    extract_real_features,
    missing_score,
    score_classification,
    score_levels,
    score_pictures,
)
from gan_pipelines.metrics.diversity import LevelVariation, within_class_diversity
from gan_pipelines.metrics.manifolds import expected_coverage

FRECHET = ("frechet_distance", "frechet_distance_infinity", "frechet_distance_relative")
MANIFOLD = ("precision", "recall", "density", "coverage")
OF_NETWORK = (*FRECHET, "kernel_distance", "inception_score", *MANIFOLD)
OF_CLASSES = ("class_share", "within_class_diversity", "near_duplicates")
MEMORY = ("neighbour_distance", "copies")
SPACES = ("judge", "pixels")
OF_CODES_OR_TRAINING = {"classification_accuracy", "noise_variance", "noise_recovery"} | set(
    list(SCORES)[list(SCORES).index("information_nats") :]
)
LIMITS = {
    **dict.fromkeys(("frechet_distance", "density", "within_class_diversity", "class_share"), (0.0, math.inf)),
    **dict.fromkeys((*FRECHET[1:], "kernel_distance"), (-math.inf, math.inf)),
    "neighbour_distance": (0.0, math.inf),
    "inception_score": (1.0, 10.0),
}
"""Of scores that are not shares, which lie in [0, 1]."""
Found = dict[tuple[str, str], Score]


def scored(
    digits: Any,
    pictures: LabelledImages,
    kind: str = "labelled",
    seed: int = 1,
    test: LabelledImages | None = None,
    **replaced: LabelledFeatures,
) -> list[Score]:
    """The scores of pictures by the digits' judges, perhaps with features of more networks, or fewer test images."""
    features = {"judge": digits.extract(pictures), **replaced}
    reference = digits.reference
    if test is not None:
        real = extract_real_features(
            {"judge": digits.judge}, digits.second_judge, digits.train, test, len(digits.train), torch.Generator()
        )
        reference = Reference(digits.train, test, real)
    real = replace(reference.features, test=dict.fromkeys(features, reference.features.test["judge"]))
    rng, opinion = torch.Generator().manual_seed(seed), digits.second_opinion(pictures)
    return score_pictures(features, opinion, pictures, replace(reference, features=real), kind, rng)  # type: ignore[arg-type]


def by_name(scores: list[Score]) -> Found:
    return {(score.score, score.space): score for score in scores if not score.of_class}


def by_class(scores: list[Score], name: str) -> dict[str, Score]:
    return {score.of_class: score for score in scores if score.of_class and score.score == name}


def surest_of_each_class(digits: Any, pictures: LabelledImages, number: int = 400) -> LabelledImages:
    """A collapsed generator: from each class it repeats the picture of which the judge is most certain."""
    logits = digits.extract(pictures).logits.log_softmax(dim=1)
    surest = torch.stack(
        [
            torch.where(pictures.labels == label, logits[:, label], -torch.inf).argmax()
            for label in range(len(pictures.classes))
        ]
    )
    return pictures.subset(surest[torch.arange(number) % len(surest)])


@pytest.fixture(scope="module")
def fresh(digits: Any) -> list[Score]:
    """Scores of unseen real images: what a perfect generator would get."""
    return scored(digits, digits.fresh)


def test_labelled_pictures_have_every_score_in_its_space_and_some_for_each_class(
    digits: Any, fresh: list[Score]
) -> None:
    classes = digits.test.classes
    expected = [(name, "judge", "") for name in OF_NETWORK]
    expected += [("label_accuracy", "judge", of_class) for of_class in ("", *classes)]
    expected += [("label_accuracy", "second_judge", ""), ("judge_agreement", "judges", "")]
    expected += [("class_share", "judge", of_class) for of_class in classes]
    expected += [("within_class_diversity", "judge", of_class) for of_class in ("", *classes)]
    expected += [("near_duplicates", "pixels", of_class) for of_class in ("", *classes)]
    expected += [(name, space, "") for space in SPACES for name in MEMORY]
    assert [(score.score, score.space, score.of_class) for score in fresh] == expected
    assert {score.score for score in fresh} == set(SCORES) - OF_CODES_OR_TRAINING
    assert {score.samples for score in fresh if not score.of_class} == {400}
    for name in ("label_accuracy", "within_class_diversity"):
        assert {score.samples for score in by_class(fresh, name).values()} == {40}
    assert {score.score for score in fresh if score.note} == {"near_duplicates"}  # as many samples as test images


def test_values_lie_within_intervals_and_intervals_within_the_limits_of_the_score(fresh: list[Score]) -> None:
    for score in fresh:
        lowest, highest = LIMITS.get(score.score, (0.0, 1.0))
        if score.score == "near_duplicates":
            assert math.isnan(score.low)
            assert math.isnan(score.high)
            assert lowest <= score.value <= highest
            continue
        assert lowest <= score.low <= score.value <= score.high <= highest, score
        assert 0 < score.high - score.low < 2, score


def test_what_is_expected_is_known_wherever_scores_should_be_near_it(digits: Any, fresh: list[Score]) -> None:
    for score in fresh:
        assert SCORES[score.score].better != "near expected" or math.isfinite(score.expected), score
    found = {name: score.expected for (name, space), score in by_name(fresh).items() if space == "judge"}
    at_zero = ("frechet_distance_infinity", "frechet_distance_relative", "kernel_distance")
    assert [found[name] for name in at_zero] == [0, 0, 0]
    assert [found[name] for name in ("density", "within_class_diversity", "neighbour_distance")] == [1, 1, 1]
    assert found["coverage"] == expected_coverage(400)
    assert all(math.isnan(found[name]) for name in ("frechet_distance", "inception_score", "precision", "recall"))
    judge = digits.judged_test
    assert_close(found["label_accuracy"], (judge.logits.argmax(1) == judge.labels).double().mean().item())


def test_unseen_real_images_score_what_is_expected(fresh: list[Score]) -> None:
    found = by_name(fresh)
    for space in SPACES:
        assert 0.01 < found["copies", space].value < 0.1  # 0.05, up to chance
        assert 0.95 < found["neighbour_distance", space].value < 1.05
    assert 0 <= found["near_duplicates", "pixels"].value < 0.04
    for name, space in (
        ("frechet_distance_infinity", "judge"),
        ("frechet_distance_relative", "judge"),
        ("kernel_distance", "judge"),
        ("within_class_diversity", "judge"),
        ("density", "judge"),
        ("coverage", "judge"),
        ("neighbour_distance", "judge"),
        ("neighbour_distance", "pixels"),
        ("label_accuracy", "judge"),
        ("label_accuracy", "second_judge"),
        ("judge_agreement", "judges"),
    ):
        score = found[name, space]
        assert score.low < score.expected < score.high, score


def test_the_relative_distance_is_another_unit_of_the_distance_and_compares_alike(fresh: list[Score]) -> None:
    """So what two generators share of the test images cancels in it as well."""
    distance, relative = (by_name(fresh)[name, "judge"] for name in FRECHET[1:])
    assert distance.uncertainty is not None
    assert relative.uncertainty is not None
    scale = relative.value / distance.value
    assert_close((relative.low, relative.high), (scale * distance.low, scale * distance.high))
    assert_close(relative.uncertainty.groups, scale * distance.uncertainty.groups)
    assert relative.uncertainty.groups.count_nonzero() > 0


def test_the_total_accuracy_is_the_mean_over_equal_classes_and_known_better(fresh: list[Score]) -> None:
    of_classes, whole = by_class(fresh, "label_accuracy").values(), by_name(fresh)["label_accuracy", "judge"]
    values = [score.value for score in of_classes]
    assert_close(whole.value, sum(values) / 10)
    assert 0.5 < min(values) < max(values) <= 1
    assert min(score.high - score.low for score in of_classes) > whole.high - whole.low


def test_a_class_without_pictures_has_no_share_and_nothing_else_that_could_be_measured(digits: Any) -> None:
    kept = digits.fresh.subset((digits.fresh.labels != 4).nonzero().squeeze(1))
    found = scored(digits, kept)
    accuracy, share = by_class(found, "label_accuracy")["4"], by_class(found, "class_share")["4"]
    assert math.isnan(accuracy.value)
    assert (accuracy.samples, accuracy.note) == (0, "no picture of this class")
    assert 0 <= share.value < 0.15
    assert 0 < share.high < 0.5
    for name in ("within_class_diversity", "near_duplicates"):
        assert set(by_class(found, name)) == set(digits.test.classes) - {"4"}


def test_wrong_labels_decrease_only_the_accuracy_of_their_class(digits: Any, fresh: list[Score]) -> None:
    labels = torch.where(digits.fresh.labels == 3, 7, digits.fresh.labels)
    found = scored(digits, replace(digits.fresh, labels=labels))
    before, after = (by_class(rows, "label_accuracy") for rows in (fresh, found))
    assert after["7"].value < 0.6 * before["7"].value
    for of_class in set(before) - {"3", "7"}:
        assert after[of_class] == before[of_class]
    for name in ("frechet_distance", "inception_score", *MANIFOLD):  # these do not depend on labels
        assert_close(by_name(found)[name, "judge"].value, by_name(fresh)[name, "judge"].value)
    for of_class, share in by_class(found, "class_share").items():
        assert share.value == by_class(fresh, "class_share")[of_class].value  # the interval knows strata


def test_unlabelled_pictures_have_no_accuracy_but_the_diversity_of_the_classes_that_the_judge_sees(
    digits: Any, fresh: list[Score]
) -> None:
    unlabelled = LabelledImages(digits.fresh.images, torch.zeros(400).long(), ("sample",))
    found = scored(digits, unlabelled, "unlabelled")
    assert not any(score.score == "label_accuracy" for score in found)
    assert set(by_name(found)) == {key for key in by_name(fresh) if key[0] != "label_accuracy"}
    assert all(set(by_class(found, name)) == set(digits.test.classes) for name in OF_CLASSES)
    judged = digits.extract(digits.fresh)
    seen = replace(judged, labels=judged.logits.argmax(dim=1))
    expected = within_class_diversity(seen, digits.judged_test).mean
    assert_close(by_name(found)["within_class_diversity", "judge"].value, expected)
    assert 0.8 < expected < 1.2  # as one class they would be twice as diverse
    for name in ("frechet_distance", "inception_score", *MANIFOLD):
        assert_close(by_name(found)[name, "judge"].value, by_name(fresh)[name, "judge"].value)
    duplicates = ("near_duplicates", "pixels")
    assert_close(by_name(found)[duplicates].value, by_name(fresh)[duplicates].value)


def test_real_training_images_have_no_distance_to_themselves(digits: Any) -> None:
    found = by_name(scored(digits, digits.train.subset(torch.arange(400)), "real"))
    for space in SPACES:
        for name in MEMORY:
            score = found[name, space]
            assert all(math.isnan(value) for value in (score.value, score.low, score.high))
            assert (score.samples, score.note) == (400, "these are the training images")
    assert sum(math.isnan(score.value) for score in found.values()) == 4


@pytest.mark.parametrize("few", ["samples", "real"])
def test_the_frechet_distances_are_missing_if_there_are_too_few_pictures(digits: Any, few: str) -> None:
    """Halves need more pictures than features: with 49 of them, 99 pictures are too few and 100 are enough."""
    for count in (99, 100):
        some = torch.arange(count)
        ours = digits.fresh.subset(some) if few == "samples" else digits.fresh
        theirs = digits.test.subset(some) if few == "real" else digits.test
        found = by_name(scored(digits, ours, test=theirs))
        for name in FRECHET:
            frechet = found[name, "judge"]
            if count == 100:
                assert frechet.low <= frechet.value <= frechet.high
                continue
            assert all(math.isnan(value) for value in (frechet.value, frechet.low, frechet.high))
            assert all(str(number) in frechet.note for number in (49, 100, len(ours), len(theirs)))
        assert math.isfinite(found["kernel_distance", "judge"].value)


def test_what_cannot_be_computed_of_a_picture_per_class_is_missing_with_a_reason(digits: Any) -> None:
    found = by_name(scored(digits, digits.fresh.subset(torch.arange(10))))
    missing = {name for (name, _), score in found.items() if math.isnan(score.value)}
    assert missing == {*FRECHET, "within_class_diversity", "near_duplicates"}
    assert all(score.note for (name, _), score in found.items() if name in missing)


def test_replayed_training_images_are_copies_and_nothing_else_tells_them_from_fresh_ones(
    digits: Any, fresh: list[Score]
) -> None:
    found = by_name(scored(digits, digits.train.subset(torch.arange(400))))
    for space in SPACES:
        assert found["copies", space].value == found["copies", space].high == 1
        assert 0.98 < found["copies", space].low < 1
        assert 0 <= found["neighbour_distance", space].value < 0.02
    for name in ("recall", "coverage", "density"):
        assert abs(found[name, "judge"].value - by_name(fresh)[name, "judge"].value) < 0.1


def test_slightly_altered_training_images_are_still_copies(digits: Any, rng: torch.Generator) -> None:
    replayed = digits.train.subset(torch.arange(400))
    noise = torch.randint(-8, 9, replayed.images.shape, generator=rng)
    moved = (replayed.images.int() + noise).clamp(0, 255).to(torch.uint8)
    found = by_name(scored(digits, replace(replayed, images=moved)))
    assert 0.95 < found["copies", "pixels"].low < 1
    assert 0 < found["neighbour_distance", "pixels"].value < 0.3


def test_copies_are_counted_beyond_those_by_chance(digits: Any) -> None:
    """In pixels, of 120 copies and 280 fresh images: 0.3 and 5 % of the others."""
    images = torch.cat([digits.train.images[:120], digits.fresh.images[120:]])
    labels = torch.cat([digits.train.labels[:120], digits.fresh.labels[120:]])
    found = by_name(scored(digits, LabelledImages(images, labels, digits.fresh.classes)))
    assert_close(found["copies", "pixels"].value, 0.3 + 0.7 * 0.05, rtol=0, atol=0.03)


def test_one_picture_per_class_has_a_high_inception_score_but_neither_diversity_nor_coverage(
    digits: Any, fresh: list[Score]
) -> None:
    found, real = by_name(scored(digits, surest_of_each_class(digits, digits.fresh))), by_name(fresh)
    assert abs(found["within_class_diversity", "judge"].value) < 1e-9
    assert 0 <= found["within_class_diversity", "judge"].high < 1e-6
    assert found["near_duplicates", "pixels"].value == 1
    assert found["label_accuracy", "judge"].value == 1
    assert found["inception_score", "judge"].value >= real["inception_score", "judge"].value
    assert 0 <= found["recall", "judge"].value < 0.05
    assert 0 < found["coverage", "judge"].value < 0.2
    assert found["frechet_distance", "judge"].low > real["frechet_distance", "judge"].high


def test_every_network_has_its_own_scores_and_only_the_judge_scores_labels(digits: Any, fresh: list[Score]) -> None:
    noise = LabelledFeatures(
        digits.extract(digits.fresh).features.flip(1).contiguous(), torch.zeros(400, 10), digits.fresh.labels
    )
    found = by_name(scored(digits, digits.fresh, inception_v3=noise))
    for name in OF_NETWORK:
        assert found[name, "judge"] == by_name(fresh)[name, "judge"]
    assert found["frechet_distance", "inception_v3"].low > found["frechet_distance", "judge"].high
    assert_close(found["inception_score", "inception_v3"].value, 1.0)
    assert {name for name, space in found if space == "inception_v3"} == set(OF_NETWORK)


def test_scores_depend_only_on_the_seed_and_most_not_even_on_that(digits: Any, fresh: list[Score]) -> None:
    """It draws the halves from which the Frechet distance is extrapolated, and the variance of manifolds is found."""
    found = []
    for state, seed in ((2, 1), (1, 4)):
        torch.manual_seed(state)
        found.append(scored(digits, digits.fresh, seed=seed))
    assert repr(found[0]) == repr(fresh)
    changed = {ours.score for ours, theirs in zip(*found, strict=True) if repr(ours) != repr(theirs)}
    assert {*FRECHET} < changed <= {*FRECHET, *MANIFOLD}
    for name in ("frechet_distance", *MANIFOLD):
        ours, theirs = (by_name(rows)[name, "judge"].value for rows in found)
        assert_close(ours, theirs)


def test_more_pictures_have_shorter_intervals(digits: Any, fresh: list[Score]) -> None:
    some = torch.arange(100)
    few = by_name(scored(digits, digits.fresh.subset(some), test=digits.test.subset(some)))
    for key in (
        ("frechet_distance", "judge"),
        ("label_accuracy", "judge"),
        ("judge_agreement", "judges"),
        ("within_class_diversity", "judge"),
        ("density", "judge"),
        ("neighbour_distance", "pixels"),
    ):
        many = by_name(fresh)[key]
        ratio = (few[key].high - few[key].low) / (many.high - many.low)
        assert 1.3 < ratio < 3.5, key  # 2, up to chance


def test_the_classification_accuracy_is_the_share_of_correct_test_images(digits: Any) -> None:
    logits = digits.judged_test.logits
    found = score_classification(logits, digits.test, 1234)
    correct = logits.argmax(dim=1) == digits.test.labels
    assert (found.score, found.space, found.samples, found.of_class) == ("classification_accuracy", "judge", 1234, "")
    assert_close(found.value, correct.double().mean().item())
    assert_close((found.low, found.high), wilson(int(correct.sum()), 400), rtol=1e-9, atol=0)
    assert found.uncertainty is not None
    assert found.uncertainty.samples == 0  # the classifier is given, and all of the variance is that of test images
    within = sum(correct[digits.test.labels == label].double().var().item() / 40 for label in range(10)) / 100
    assert_close(found.uncertainty.real, within)
    assert len(found.uncertainty.groups) == 20


def wilson(count: int, total: int) -> tuple[float, float]:
    ends = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    return ends.low, ends.high


@pytest.mark.parametrize("right", [0, 1])
def test_a_classifier_that_is_always_or_never_correct_may_yet_be_otherwise(digits: Any, right: int) -> None:
    seen = digits.test.labels if right else (digits.test.labels + 1) % 10
    found = score_classification(torch.nn.functional.one_hot(seen, 10).float(), digits.test, 10)
    assert found.value == right
    assert_close((found.low, found.high), wilson(400 * right, 400), rtol=1e-9, atol=1e-12)
    assert 0.009 < found.high - found.low < 0.01


def test_levels_have_two_scores_with_intervals_over_conditions(rng: torch.Generator) -> None:
    variance, recovery = torch.rand(200, generator=rng, dtype=torch.float64), torch.randn(200, generator=rng) / 4
    constant = LevelVariation(torch.zeros(200).double(), torch.ones(200), 0.6)
    found = score_levels({"fc": LevelVariation(variance, recovery, 1.0), "pixels": constant}, 4000)
    names = [(name, space) for space in ("fc", "pixels") for name in ("noise_variance", "noise_recovery")]
    assert [(score.score, score.space) for score in found] == names
    assert {score.samples for score in found} == {4000}
    assert [score.expected for score in found[::2]] == [1.0, 0.6]
    assert all(math.isnan(score.expected) for score in found[1::2])
    measured = (variance, recovery, constant.variance, constant.recovery)
    for score, values in zip(found, measured, strict=True):
        assert_close(score.value, values.double().mean().item())
        half = 1.96 * values.double().std().item() / math.sqrt(200)
        assert_close((score.high - score.low) / 2, half, rtol=2e-2, atol=1e-12)  # Student's, of some hundred freedoms
    assert found[1].low < 0  # Q may do worse than nothing


def test_a_missing_score_has_no_numbers() -> None:
    found = missing_score("copies", "judge", 7, "why not")
    assert all(math.isnan(value) for value in (found.value, found.low, found.high, found.expected))
    assert (found.score, found.space, found.samples, found.note) == ("copies", "judge", 7, "why not")
    assert found.uncertainty is None


def test_every_score_has_a_definition() -> None:
    for name, definition in SCORES.items():
        assert definition.title
        assert definition.meaning.endswith("."), name
