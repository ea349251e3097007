"""Priors and posteriors of noise and codes."""

import math

import pytest
import torch
from torch.testing import assert_close

from gan_pipelines.models import Latent
from gan_pipelines.parameters import (
    CategoricalCode,
    ContinuousCode,
    GaussianNoise,
    GaussianPrior,
    InfoGANParameters,
    UniformNoise,
    UniformPrior,
)

UNIFORM = UniformNoise(distribution="uniform", size=4, low=-1.0, high=3.0)
GAUSSIAN = GaussianNoise(distribution="gaussian", size=3)
CATEGORY = CategoricalCode(distribution="categorical", classes=5)
LEARNED = ContinuousCode(distribution="uniform", low=-1.0, high=2.0)
FIXED = ContinuousCode(distribution="uniform", variance="fixed")
CODES = Latent({"learned": LEARNED, "category": CATEGORY, "fixed": FIXED})
"""7 entries: 1, 5, 1; Q's head has 8 values for them: 2, 5, 1."""


def test_uniform_noise_fills_its_range_and_nothing_else(rng: torch.Generator) -> None:
    drawn = Latent({"z": UNIFORM}).sample(5000, rng)
    assert -1 <= drawn.min() < -0.99
    assert 2.99 < drawn.max() < 3


def test_uniform_noise_has_the_moments_of_the_uniform_distribution(rng: torch.Generator) -> None:
    drawn = Latent({"z": UNIFORM}).sample(20_000, rng)
    assert_close(drawn.mean(dim=0), torch.ones(4), rtol=0, atol=0.05)
    assert_close(drawn.var(dim=0), torch.full((4,), 16 / 12), rtol=0, atol=0.05)


def test_gaussian_noise_has_the_moments_of_the_standard_normal(rng: torch.Generator) -> None:
    drawn = Latent({"z": GAUSSIAN}).sample(20_000, rng)
    assert_close(drawn.mean(dim=0), torch.zeros(3), rtol=0, atol=0.04)
    assert_close((drawn**2).mean(dim=0), torch.ones(3), rtol=0, atol=0.06)
    assert_close((drawn**4).mean(dim=0), torch.full((3,), 3.0), rtol=0, atol=0.4)


def test_the_entries_of_a_vector_are_drawn_independently(rng: torch.Generator) -> None:
    drawn = Latent({"a": UNIFORM, "b": GAUSSIAN}).sample(20_000, rng)
    assert_close(torch.corrcoef(drawn.T), torch.eye(7), rtol=0, atol=0.04)


@pytest.mark.parametrize("part", [UNIFORM, GAUSSIAN, LEARNED], ids=["uniform", "gaussian", "code"])
def test_the_same_seed_draws_the_same_and_another_seed_does_not(
    part: UniformNoise | GaussianNoise | ContinuousCode,
) -> None:
    latent = Latent({"z": part})
    first, again, other = (latent.sample(6, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert_close(first, again, rtol=0, atol=0)
    assert not torch.isclose(first, other).any()


def test_parts_are_concatenated_in_order() -> None:
    far = UniformNoise(distribution="uniform", size=2, low=100.0, high=101.0)
    near = UniformNoise(distribution="uniform", size=3, low=0.0, high=1.0)
    latent = Latent({"far": far, "near": near})
    drawn = latent.sample(50, torch.Generator().manual_seed(0))
    assert latent.size == 5
    assert drawn.shape == (50, 5)
    assert drawn[:, :2].min() >= 100
    assert drawn[:, 2:].max() < 1


def test_log_prob_gives_each_part_its_own_entries_and_its_own_width(rng: torch.Generator) -> None:
    latent = Latent(
        {
            "wide": UniformNoise(distribution="uniform", size=2, posterior_std=2.0),
            "narrow": GaussianNoise(distribution="gaussian", size=3, posterior_std=0.5),
        }
    )
    value, head = torch.randn(6, 5, generator=rng), torch.randn(6, 5, generator=rng)
    found = latent.log_prob(value, head)
    assert list(found) == ["wide", "narrow"]
    assert_close(found["wide"], torch.distributions.Normal(head[:, :2], 2.0).log_prob(value[:, :2]))
    assert_close(found["narrow"], torch.distributions.Normal(head[:, 2:], 0.5).log_prob(value[:, 2:]))


def test_the_default_posterior_has_variance_one_half() -> None:
    latent = Latent({"z": UniformNoise(distribution="uniform", size=1)})
    found = latent.log_prob(torch.ones(1, 1), torch.zeros(1, 1))["z"]
    assert_close(found, torch.tensor([[-1 - 0.5 * math.log(math.pi)]]))


def test_a_category_is_one_hot_and_each_is_drawn_as_often_as_the_others(rng: torch.Generator) -> None:
    drawn = Latent({"c": CATEGORY}).sample(20_000, rng)
    assert_close(drawn.sort(dim=1).values, torch.eye(5)[4].expand(20_000, 5), rtol=0, atol=0)
    assert_close(drawn.mean(dim=0), torch.full((5,), 0.2), rtol=0, atol=0.01)


def test_the_same_seed_draws_the_same_categories_and_another_seed_does_not() -> None:
    latent = Latent({"c": CATEGORY})
    first, again, other = (latent.sample(1000, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert_close(first, again, rtol=0, atol=0)
    assert 0.1 < (first * other).sum(dim=1).mean() < 0.3  # one in five is equal by chance


@pytest.mark.parametrize("part", [LEARNED, FIXED], ids=["learned", "fixed"])
def test_a_continuous_code_fills_its_range_evenly(part: ContinuousCode, rng: torch.Generator) -> None:
    drawn, width = Latent({"c": part}).sample(20_000, rng), part.high - part.low
    assert drawn.shape == (20_000, 1)
    assert part.low <= drawn.min() < part.low + 0.001 * width
    assert part.high - 0.001 * width < drawn.max() < part.high
    unit = (drawn - part.low) / width
    assert_close((unit ** torch.arange(1, 5)).mean(dim=0), 1 / torch.arange(2.0, 6), rtol=0, atol=0.01)


def test_codes_are_drawn_independently_of_one_another(rng: torch.Generator) -> None:
    latent = Latent({"a": CATEGORY, "c": LEARNED, "b": CategoricalCode(distribution="categorical", classes=3)})
    drawn = latent.split(latent.sample(30_000, rng))
    assert_close(drawn["a"].T @ drawn["b"] / 30_000, torch.full((5, 3), 1 / 15), rtol=0, atol=0.006)
    for name in ("a", "b"):
        means = (drawn[name] * drawn["c"]).sum(dim=0) / drawn[name].sum(dim=0)
        assert_close(means, torch.full_like(means, 0.5), rtol=0, atol=0.06)


def test_log_prob_uses_each_codes_own_part_of_the_head_and_distribution(rng: torch.Generator) -> None:
    """Of a category, the log softmax at the one drawn; of a range, mean first and then log std, or the mean alone."""
    value, head = CODES.sample(50, rng), torch.randn(50, 8, generator=rng)
    category, normal = torch.distributions.Categorical(logits=head[:, 2:7]), torch.distributions.Normal
    expected = {
        "learned": normal(head[:, :1], head[:, 1:2].exp()).log_prob(value[:, :1]),
        "category": category.log_prob(value[:, 1:6].argmax(dim=1))[:, None],
        "fixed": normal(head[:, 7:], 1.0).log_prob(value[:, 6:]),
    }
    found = CODES.log_prob(value, head)
    assert list(found) == list(expected)
    for name in expected:
        assert_close(found[name], expected[name])


def test_log_prob_of_a_category_that_q_rules_out_is_finite() -> None:
    head = torch.tensor([[0.0, 500.0, 0, 0, 0]])
    assert_close(Latent({"c": CATEGORY}).log_prob(torch.eye(5)[:1], head)["c"], torch.tensor([[-500.0]]))


def test_a_fixed_variance_is_the_squared_error_of_the_official_code_up_to_a_constant(rng: torch.Generator) -> None:
    value, mean = torch.rand(20, 1, generator=rng), torch.randn(20, 1, generator=rng)
    found = Latent({"c": FIXED}).log_prob(value, mean)["c"]
    assert_close(found, -((value - mean) ** 2) / 2 - 0.5 * math.log(2 * math.pi))


def test_the_entropy_of_a_prior_is_that_of_torchs_distribution() -> None:
    latent = Latent(
        {
            "category": CATEGORY,
            "code": LEARNED,
            "half": ContinuousCode(distribution="uniform", low=0.25, high=0.75),
            "uniform": UniformPrior(distribution="uniform", size=3, low=-2.0, high=3.0),
            "gaussian": GaussianPrior(distribution="gaussian", size=2),
        }
    )
    distributions = torch.distributions
    expected = {
        "category": distributions.Categorical(torch.full((5,), 0.2)).entropy().item(),
        "code": distributions.Uniform(-1.0, 2.0).entropy().item(),
        "half": math.log(0.5),
        "uniform": 3 * distributions.Uniform(-2.0, 3.0).entropy().item(),
        "gaussian": 2 * distributions.Normal(0.0, 1.0).entropy().item(),
    }
    assert latent.prior_entropy() == pytest.approx(expected, rel=1e-6)


def test_the_mean_of_q_is_the_probabilities_of_a_category_and_the_mean_of_a_gaussian(rng: torch.Generator) -> None:
    head = torch.randn(6, 8, generator=rng)
    found = CODES.posterior_mean(head)
    assert list(found) == ["learned", "category", "fixed"]
    assert_close(found["learned"], head[:, :1])
    assert_close(found["category"], torch.distributions.Categorical(logits=head[:, 2:7]).probs)
    assert_close(found["fixed"], head[:, 7:])
    assert_close(Latent({"z": UNIFORM}).posterior_mean(head[:, :4])["z"], head[:, :4])


def test_the_entries_of_a_split_are_those_of_its_parts() -> None:
    found = CODES.split(torch.arange(7.0)[None])
    assert {name: value.tolist() for name, value in found.items()} == {
        "learned": [[0]], "category": [[1, 2, 3, 4, 5]], "fixed": [[6]]
    }  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [UniformPrior(distribution="uniform", size=2), GaussianPrior(distribution="gaussian", size=2)],
    ids=["uniform", "gaussian"],
)
def test_incompressible_noise_has_no_posterior(part: UniformPrior | GaussianPrior) -> None:
    with pytest.raises(TypeError, match="incompressible"):
        Latent({"z": part}).log_prob(torch.zeros(1, 2), torch.zeros(1, 2))


TEN, TWENTY = ({"distribution": "categorical", "classes": classes} for classes in (10, 20))
RANGE = {"distribution": "uniform"}


@pytest.mark.parametrize(
    ("codes", "noise", "names", "latent_size", "head_size"),
    [
        ({"category": TEN, "style": {**RANGE, "count": 2}}, 62, 3, 74, 14),
        ({"category": {**TEN, "count": 4}, "style": {**RANGE, "count": 4}}, 124, 8, 168, 48),
        ({"category": {**TEN, "count": 10}}, 128, 10, 228, 100),
        ({"style": {**RANGE, "count": 5}}, 128, 5, 133, 10),
        ({"category": {**TWENTY, "count": 3}, "rotation": RANGE}, 128, 4, 189, 62),
    ],
    ids=["MNIST", "SVHN", "CelebA", "faces", "chairs"],
)
def test_every_latent_of_the_paper_can_be_expressed(
    codes: dict[str, object], noise: int, names: int, latent_size: int, head_size: int, rng: torch.Generator
) -> None:
    """Appendix C of the paper."""
    layer = [{"layer": "linear", "features": "target"}]
    parameters = InfoGANParameters.model_validate(
        {
            "noise": {"distribution": "uniform", "size": noise, "low": -1, "high": 1},
            "codes": codes,
            "generator": layer,
            "discriminator": {"trunk": layer, "adversarial": layer, "codes": layer},
            "training": {"steps": 1},
        }
    )
    incompressible, latent = Latent({"noise": parameters.noise}), Latent(parameters.single_codes)
    assert len(latent.parts) == names
    assert incompressible.size + latent.size == latent_size
    assert latent.head_size == head_size
    drawn = latent.sample(9, rng)
    assert drawn.shape == (9, latent_size - noise)
    read = latent.log_prob(drawn, torch.randn(9, head_size, generator=rng))
    assert {name: value.shape for name, value in read.items()} == dict.fromkeys(latent.parts, (9, 1))


def test_between_two_latent_vectors_each_part_keeps_to_its_prior(rng: torch.Generator) -> None:
    parts = {
        "uniform": UniformPrior(distribution="uniform", size=2, low=0, high=4),
        "gaussian": GaussianPrior(distribution="gaussian", size=2),
        "category": CategoricalCode(distribution="categorical", classes=3),
    }
    latent = Latent(parts)
    start, end = latent.sample(20_000, rng), latent.sample(20_000, rng)
    starts, ends = latent.split(start), latent.split(end)
    for share in (0.0, 0.3, 1.0):
        between = latent.split(latent.interpolate(start, end, share))
        assert_close(between["uniform"], (1 - share) * starts["uniform"] + share * ends["uniform"])
        assert between["gaussian"].std().item() == pytest.approx(1, abs=0.02)
        assert torch.equal(between["category"], starts["category"])
    assert_close(latent.interpolate(start, end, 0.0), start)
    assert_close(latent.split(latent.interpolate(start, end, 1.0))["gaussian"], ends["gaussian"], atol=1e-6, rtol=0)
