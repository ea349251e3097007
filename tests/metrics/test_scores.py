"""Statistics on a judge's reading: closed forms, bounds, extremes."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.metrics import JudgedImages, score, score_unlabelled, within_class_diversity
from gan_pipelines.metrics.scores import frechet_distance, inception_score

CLASSES = 4


def judged(
    features: torch.Tensor, labels: torch.Tensor | None = None, seen: torch.Tensor | None = None
) -> JudgedImages:
    """A reading with these features; the judge is sure of `seen`, which is right unless told."""
    labels = torch.arange(len(features)) % CLASSES if labels is None else labels
    logits = 50 * torch.nn.functional.one_hot(labels if seen is None else seen, CLASSES).float()
    return JudgedImages(features, logits, labels)


@pytest.fixture
def features(rng: torch.Generator) -> torch.Tensor:
    return torch.randn(400, 6, generator=rng)


def whitened(count: int, size: int, seed: int) -> torch.Tensor:
    """Draws whose sample mean is exactly 0 and whose sample covariance is exactly the identity."""
    drawn = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn = drawn - drawn.mean(dim=0)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(drawn.T)), drawn.T, upper=False).T


def test_the_frechet_distance_of_pictures_to_themselves_is_0(features: torch.Tensor) -> None:
    assert abs(frechet_distance(judged(features), judged(features))) < 1e-9


def test_the_frechet_distance_to_themselves_is_0_in_more_dimensions_than_pictures(rng: torch.Generator) -> None:
    few = judged(torch.randn(20, 64, generator=rng))
    assert abs(frechet_distance(few, few)) < 1e-4


def test_the_frechet_distance_of_a_shift_is_its_squared_length(features: torch.Tensor) -> None:
    shift = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0])
    found = frechet_distance(judged(features + shift), judged(features))
    assert_close(found, (shift**2).sum().item(), rtol=1e-5, atol=1e-6)


def test_the_frechet_distance_of_two_gaussians_is_its_closed_form() -> None:
    stds, mean = torch.tensor([0.5, 1.0, 2.0, 3.0]).double(), torch.tensor([0.0, 1.0, -1.0, 2.0]).double()
    ours, theirs = judged(whitened(200, 4, 1) * stds + mean), judged(whitened(300, 4, 2))
    expected = (mean**2).sum() + ((stds - 1) ** 2).sum()
    assert_close(frechet_distance(ours, theirs), expected.item(), rtol=1e-6, atol=1e-6)


def test_the_frechet_distance_is_symmetric(features: torch.Tensor) -> None:
    other = judged(2 * features.roll(1, dims=1) + 1)
    assert_close(
        frechet_distance(judged(features), other), frechet_distance(other, judged(features)), rtol=1e-6, atol=1e-6
    )


def test_the_inception_score_of_sure_and_balanced_pictures_is_the_number_of_classes(features: torch.Tensor) -> None:
    assert_close(inception_score(judged(features), splits=1), float(CLASSES), rtol=0, atol=1e-6)


def test_the_inception_score_is_1_where_the_judge_sees_one_class_or_cannot_tell() -> None:
    one_class = judged(torch.zeros(40, 2), seen=torch.zeros(40, dtype=torch.int64))
    undecided = JudgedImages(torch.zeros(40, 2), torch.zeros(40, CLASSES), torch.zeros(40, dtype=torch.int64))
    assert_close(inception_score(one_class), 1.0, rtol=0, atol=1e-6)
    assert_close(inception_score(undecided), 1.0, rtol=0, atol=1e-6)


def test_the_inception_score_is_the_exponential_of_the_mean_divergence(rng: torch.Generator) -> None:
    logits = torch.randn(60, CLASSES, generator=rng)
    given = logits.double().softmax(dim=1)
    expected = (given * (given / given.mean(dim=0)).log()).sum(dim=1).mean().exp().item()
    assert 1.05 < expected < CLASSES
    reading = JudgedImages(torch.zeros(60, 2), logits, torch.zeros(60, dtype=torch.int64))
    assert_close(inception_score(reading, splits=1), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_inception_score_lies_between_1_and_the_number_of_classes(rng: torch.Generator, scale: float) -> None:
    logits = scale * torch.randn(200, CLASSES, generator=rng)
    reading = JudgedImages(torch.zeros(200, 2), logits, torch.zeros(200, dtype=torch.int64))
    assert 1 <= inception_score(reading) <= CLASSES


def test_the_inception_score_stays_finite_where_the_judge_rules_a_class_out_entirely() -> None:
    logits = torch.tensor([[2000.0, 0.0, -2000.0, 0.0], [0.0, 2000.0, -2000.0, 0.0]]).repeat(20, 1)
    reading = JudgedImages(torch.zeros(40, 2), logits, torch.zeros(40, dtype=torch.int64))
    assert_close(inception_score(reading, splits=1), 2.0, rtol=0, atol=1e-6)


def test_pictures_are_as_diverse_as_themselves(features: torch.Tensor) -> None:
    assert_close(within_class_diversity(judged(features), judged(features)), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_features_spread_by_a_factor_are_as_diverse_as_its_square(features: torch.Tensor, scale: float) -> None:
    found = within_class_diversity(judged(scale * features + 7), judged(features))
    assert_close(found, scale**2, rtol=1e-4, atol=0)


def test_one_picture_a_class_has_no_diversity_however_different_the_classes_are(features: torch.Tensor) -> None:
    collapsed = 10 * torch.eye(CLASSES, 6)[torch.arange(400) % CLASSES]
    assert_close(within_class_diversity(judged(collapsed), judged(features)), 0.0, rtol=0, atol=1e-12)


def test_diversity_is_the_mean_over_the_classes_of_the_ratio_of_total_variances() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    theirs = judged(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 4.0]]), labels)  # variances 2 and 8
    ours = judged(torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [4.0, 4.0]]), labels)  # variances 1/2 and 16
    assert_close(within_class_diversity(ours, theirs), (0.25 + 2) / 2)


def test_classes_with_a_single_picture_on_either_side_are_left_out() -> None:
    theirs = judged(torch.tensor([[0.0], [2.0], [5.0], [9.0], [1.0]]), torch.tensor([0, 0, 1, 1, 2]))
    ours = judged(torch.tensor([[0.0], [1.0], [5.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 2, 2]))
    assert_close(within_class_diversity(ours, theirs), 0.25)


def test_diversity_without_a_class_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two samples and two real images"):
        within_class_diversity(judged(torch.zeros(2, 1), torch.tensor([0, 1])), judged(torch.zeros(4, 1)))


def test_a_score_holds_every_statistic_under_its_name(features: torch.Tensor) -> None:
    labels = torch.arange(400) % CLASSES
    seen = torch.where(torch.arange(400) < 100, (labels + 1) % CLASSES, labels)
    ours, theirs = judged(2 * features, labels, seen), judged(features)
    found = score(ours, theirs)
    assert_close(found.label_accuracy, 0.75)
    assert_close(found.within_class_diversity, within_class_diversity(ours, theirs))
    assert_close(found.frechet_distance, frechet_distance(ours, theirs))
    assert_close(found.inception_score, inception_score(ours))
    assert found.samples == 400


def test_a_score_does_not_depend_on_the_global_state(features: torch.Tensor) -> None:
    found = []
    for state in (1, 2):
        torch.manual_seed(state)
        found.append(score(judged(features + 1), judged(features)))
    assert found[0] == found[1]


def test_the_log_of_the_inception_score_is_the_entropy_of_sure_classes() -> None:
    shares = torch.tensor([4, 2, 1, 1])
    labels = torch.repeat_interleave(torch.arange(CLASSES), shares).repeat(5)
    entropy = -(shares / 8 * (shares / 8).log()).sum().item()
    reading = judged(torch.zeros(40, 1), labels)
    assert_close(math.log(inception_score(reading, splits=1)), entropy, rtol=1e-5, atol=1e-6)


def test_samples_without_labels_have_no_accuracy_and_the_diversity_of_the_classes_that_the_judge_sees(
    features: torch.Tensor, rng: torch.Generator
) -> None:
    seen = torch.randint(CLASSES, (400,), generator=rng)
    theirs = judged(features)
    ours = judged(2 * features + 10 * seen[:, None], torch.zeros(400, dtype=torch.int64), seen)
    found = score_unlabelled(ours, theirs)
    assert found.label_accuracy is None
    expected = score(judged(2 * features + 10 * seen[:, None], seen), theirs)
    assert found == replace(expected, label_accuracy=None)
    assert 3 < found.within_class_diversity < 5  # 4, but for the draw
    assert within_class_diversity(ours, theirs) > 10  # as one class, they would be as diverse as all classes together


@pytest.mark.parametrize("label", [0, 3])
def test_the_labels_of_samples_that_nobody_asked_for_are_not_read(features: torch.Tensor, label: int) -> None:
    seen = torch.arange(400) % CLASSES
    labelled = judged(features + 1, torch.full((400,), label), seen)
    assert score_unlabelled(labelled, judged(features)) == score_unlabelled(
        judged(features + 1, seen, seen), judged(features)
    )
