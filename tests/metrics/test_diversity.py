"""How diverse pictures of one class are, and how each level of a stack uses its noise."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gan_pipelines.data.images import Representation
from gan_pipelines.metrics import LabelledFeatures, level_variations
from gan_pipelines.metrics.diversity import CONDITIONS, NOISES, LevelVariation, real_variance, within_class_diversity
from gan_pipelines.metrics.intervals import first_order
from gan_pipelines.models import LevelGAN, LevelSpec
from gan_pipelines.models.level import DiscriminatorOutput

CLASSES = 4
Build = Callable[..., LabelledFeatures]


@pytest.fixture
def features(rng: torch.Generator) -> Tensor:
    return torch.randn(400, 6, generator=rng)


def test_pictures_are_as_diverse_as_themselves(labelled: Build, features: Tensor) -> None:
    found = within_class_diversity(labelled(features), labelled(features))
    assert found.by_class == pytest.approx(dict.fromkeys(range(CLASSES), 1.0), abs=1e-12)
    assert found.mean == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scaling_features_scales_diversity_by_the_square(labelled: Build, features: Tensor, scale: float) -> None:
    found = within_class_diversity(labelled(scale * features + 7), labelled(features)).mean
    assert_close(found, scale**2, rtol=1e-4, atol=0)


def test_one_picture_per_class_has_no_diversity_even_if_the_classes_differ(labelled: Build, features: Tensor) -> None:
    collapsed = 10 * torch.eye(CLASSES, 6)[torch.arange(400) % CLASSES]
    found = within_class_diversity(labelled(collapsed), labelled(features))
    assert_close(found.mean, 0.0, rtol=0, atol=1e-12)
    assert found.of_samples.abs().max() < 1e-9  # not 0 / 0: its interval says that the classes have collapsed
    assert found.of_real.abs().max() < 1e-9  # 0 stays 0 whatever it is divided by


def test_diversity_is_the_mean_over_classes_of_the_ratio_of_total_variances(labelled: Build) -> None:
    labels = torch.tensor([0, 0, 1, 1])
    theirs = labelled(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 4.0]]), labels)  # variances 2 and 8
    ours = labelled(torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [4.0, 4.0]]), labels)  # variances 1/2 and 16
    found = within_class_diversity(ours, theirs)
    assert found.by_class == pytest.approx({0: 0.25, 1: 2})
    assert_close(found.mean, (0.25 + 2) / 2)


def test_classes_with_a_single_picture_on_either_side_are_left_out(labelled: Build) -> None:
    theirs = labelled(torch.tensor([[0.0], [2.0], [5.0], [9.0], [1.0]]), torch.tensor([0, 0, 1, 1, 2]))
    ours = labelled(torch.tensor([[0.0], [1.0], [5.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 2, 2]))
    found = within_class_diversity(ours, theirs)
    assert found.by_class == pytest.approx({0: 0.25})
    assert found.of_samples[2:].tolist() == found.of_real[2:].tolist() == [0, 0, 0]


def test_a_class_whose_real_images_are_all_the_same_is_left_out(labelled: Build) -> None:
    labels = torch.tensor([0, 0, 1, 1])
    theirs = labelled(torch.tensor([[5.0], [5.0], [0.0], [2.0]]), labels)
    assert within_class_diversity(labelled(torch.tensor([[0.0], [1.0], [0.0], [1.0]]), labels), theirs).by_class == {
        1: 0.25
    }


def test_without_a_class_to_compare_there_is_no_diversity(labelled: Build) -> None:
    found = within_class_diversity(labelled(torch.zeros(2, 1), torch.tensor([0, 1])), labelled(torch.zeros(4, 1)))
    assert found.by_class == {}


def test_diversity_does_not_depend_on_the_distance_of_features_from_0(labelled: Build, features: Tensor) -> None:
    near = within_class_diversity(labelled(2 * features), labelled(features)).mean
    far = within_class_diversity(labelled(2 * features + 1000), labelled(features + 1000)).mean
    assert_close(far, near, rtol=1e-3, atol=0)


def test_the_influences_on_diversity_are_its_derivatives_by_the_weights_of_pictures(
    labelled: Build, features: Tensor
) -> None:
    """Of classes of different size, weights relative to those of a class."""
    labels = torch.tensor([0, 1, 2, 3]).repeat_interleave(torch.tensor([30, 5, 12, 13]))
    scales = torch.tensor([1.0, 2, 3, 1, 2, 3])
    ours, theirs = labelled(features[:60] * scales, labels), labelled(features[60:120], labels.flip(0))

    def spread(side: LabelledFeatures, weights: Tensor, label: int) -> Tensor:
        rows, of = side.features[side.labels == label].double(), weights[side.labels == label]
        mean = of @ rows / of.sum()
        return of @ ((rows - mean) ** 2).sum(dim=1) / of.sum() * len(rows) / (len(rows) - 1)

    def weighted(weights: Tensor) -> float:
        ratios = [spread(ours, weights[0], label) / spread(theirs, weights[1], label) for label in range(CLASSES)]
        return (sum(ratios) / CLASSES).item()

    found = within_class_diversity(ours, theirs)
    assert_close(found.mean, weighted(torch.ones(2, 60).double()))
    for place, influence in enumerate((found.of_samples, found.of_real)):
        slopes = []
        for picture in range(60):
            step = torch.zeros(2, 60).double()
            step[place, picture] = 1e-5
            slopes.append(60 * (weighted(1 + step) - weighted(1 - step)) / 2e-5)
        assert_close(influence, torch.tensor(slopes).double(), rtol=1e-5, atol=1e-6)


def test_the_variance_of_diversity_is_that_of_repeated_draws(labelled: Build, rng: torch.Generator) -> None:
    values, variances = [], []
    for _ in range(300):
        ours, theirs = (labelled(torch.randn(200, 6, generator=rng)) for _ in range(2))
        found = within_class_diversity(ours, theirs)
        values.append(found.mean)
        variances.append(first_order(found.of_samples, ours.labels, found.of_real, theirs.labels).variance)
    assert 0.9 < math.sqrt(sum(variances) / 300) / torch.tensor(values).std().item() < 1.1


class Given(nn.Module):
    """A network that is a given function and records its inputs."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function, self.calls = function, list[tuple[Tensor, ...]]()

    @property
    def shown(self) -> list[Tensor]:
        """Each argument, over all calls."""
        return [torch.cat(argument) for argument in zip(*self.calls, strict=True)]

    def forward(self, *values: Tensor) -> object:
        self.calls.append(values)
        return self.function(*values)


def placed(noise: Tensor, scale: float) -> Tensor:
    """The three entries of the noise as the first entries of an `fc`."""
    return nn.functional.pad(scale * noise, (0, 9))


def told(noise: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(noise[:, :1], noise)


@pytest.fixture
def level(level_spec: Callable[..., LevelSpec]) -> Callable[..., LevelGAN]:
    """A level to `fc` whose generator and Q are functions."""

    def build(
        generator: Callable[..., Tensor], q: Callable[[Tensor], Tensor], condition: str = "labels", **replaced: object
    ) -> LevelGAN:
        built = LevelGAN(level_spec("fc", condition, **replaced))
        built.generator, built.discriminator = Given(generator), Given(lambda outputs: told(q(outputs)))
        return built

    return build


LABELS = torch.tensor([0, 0, 1, 1, 2])
ROWS = torch.zeros(5, 12)
ROWS[:, 0] = torch.tensor([0.0, 2.0, 100.0, 104.0, 50.0])
WITHIN = (2 + 8) / 2
"""Mean of the variances of the classes 0 and 1; there is one image of class 2."""


def measure(levels: Sequence[LevelGAN], rows: Tensor = ROWS, seed: int = 1) -> LevelVariation:
    found = level_variations(levels, {"fc": Representation("fc", rows)}, LABELS, 4, torch.Generator().manual_seed(seed))
    assert list(found) == ["fc"]
    return found["fc"]


def test_the_variance_of_real_representations_is_the_mean_over_groups_of_two_or_more() -> None:
    assert_close(real_variance(Representation("fc", ROWS), LABELS), WITHIN)
    assert_close(real_variance(Representation("fc", ROWS), torch.zeros(5).long()), ROWS.var(dim=0).sum().item())


def test_the_variance_of_real_pixels_is_measured_as_networks_see_them() -> None:
    pixels = torch.tensor([0, 255, 0, 51]).to(torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    found = real_variance(Representation("pixels", pixels), torch.tensor([0, 0, 1, 1]))
    assert_close(found, 4 * (0.5 + 0.02) / 2)


def test_a_generator_that_ignores_its_noise_has_no_variance_and_hides_it_from_q(
    level: Callable[..., LevelGAN],
) -> None:
    found = measure([level(lambda condition, noise: condition.repeat(1, 3), lambda outputs: 0 * outputs[:, :3] + 0.5)])
    assert_close(found.variance, torch.zeros(CONDITIONS).double(), rtol=0, atol=1e-12)
    assert abs(found.recovery.mean()) < 0.01  # the mean of U[0, 1) explains no variance


def test_a_q_that_guesses_has_negative_recovery(level: Callable[..., LevelGAN], rng: torch.Generator) -> None:
    constant = measure([level(lambda condition, noise: placed(noise, 1), lambda outputs: 0 * outputs[:, :3])])
    assert_close(constant.recovery.mean().item(), 1 - (1 / 12 + 1 / 4) / (1 / 12), rtol=0.03, atol=0)
    guess = level(lambda condition, noise: placed(noise, 1), lambda outputs: torch.rand(len(outputs), 3, generator=rng))
    drawn = measure([guess], seed=2)
    assert_close(drawn.recovery.mean().item(), -1.0, rtol=0, atol=0.05)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_a_q_that_inverts_the_generator_recovers_all_noise(level: Callable[..., LevelGAN], scale: float) -> None:
    found = measure([level(lambda condition, noise: placed(noise, scale), lambda outputs: outputs[:, :3] / scale)])
    assert_close(found.recovery, torch.ones(CONDITIONS), rtol=0, atol=1e-5)
    expected = 3 * scale**2 / 12 / WITHIN
    assert_close(found.variance.mean().item(), expected, rtol=0.03, atol=0)
    assert found.variance.std() < 0.4 * expected  # of 20 noises per condition


def test_a_q_that_recovers_one_entry_of_three_recovers_a_third(level: Callable[..., LevelGAN]) -> None:
    def q(outputs: Tensor) -> Tensor:
        return torch.cat([outputs[:, :1], torch.full((len(outputs), 2), 0.5)], dim=1)

    found = measure([level(lambda condition, noise: placed(noise, 1), q)])
    assert_close(found.recovery.mean().item(), 1 / 3, rtol=0, atol=0.02)


def test_the_same_measure_applies_to_gaussian_noise(level: Callable[..., LevelGAN]) -> None:
    noise = {"distribution": "gaussian", "size": 3}
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3] / 2, noise=noise)
    found = measure([built])
    assert_close(found.recovery.mean().item(), 0.75, rtol=0, atol=0.02)
    assert_close(found.variance.mean().item(), 3 / WITHIN, rtol=0.05, atol=0)


def test_each_condition_has_its_own_value(level: Callable[..., LevelGAN]) -> None:
    """The generator uses its noise only for class 0, and Q recovers it there."""
    found = measure(
        [level(lambda condition, noise: placed(noise * condition[:, :1], 1), lambda outputs: outputs[:, :3])]
    )
    used = torch.arange(CONDITIONS) % 4 == 0
    assert found.variance[used].min() > 0.01
    assert found.variance[~used].max() == 0
    assert_close(found.recovery[used], torch.ones(int(used.sum())), rtol=0, atol=1e-5)
    assert found.recovery[~used].max() < 0


def test_the_classes_alternate_and_each_condition_has_its_own_noises(level: Callable[..., LevelGAN]) -> None:
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3])
    measure([built])
    condition, noise = built.generator.shown
    assert_close(condition.argmax(dim=1), (torch.arange(CONDITIONS) % 4).repeat_interleave(NOISES))
    assert_close(condition.sum(dim=1), torch.ones(CONDITIONS * NOISES))
    assert len(noise.unique(dim=0)) == CONDITIONS * NOISES


def test_a_first_level_without_a_condition_is_compared_with_the_variance_of_all_images(
    level: Callable[..., LevelGAN],
) -> None:
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3], condition="none")
    found = measure([built])
    assert_close(found.variance.mean().item(), 3 / 12 / ROWS.var(dim=0).sum().item(), rtol=0.03, atol=0)
    condition, _ = built.generator.shown
    assert condition.shape == (CONDITIONS * NOISES, 0)


def test_a_lower_level_gets_one_output_of_the_level_above_with_many_noises(
    level: Callable[..., LevelGAN], level_spec: Callable[..., LevelSpec]
) -> None:
    """And it is compared with the variance within a class, although it gets no labels."""
    upper = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3])
    lower = LevelGAN(level_spec("pixels", "fc"))
    lower.generator = Given(lambda condition, noise: noise[:, :1, None, None].expand(-1, 1, 8, 8))
    lower.discriminator = Given(lambda outputs: told(outputs[:, 0, :3, 0]))
    pixels = torch.tensor([0, 255, 0, 51, 255]).to(torch.uint8).view(5, 1, 1, 1).expand(5, 1, 8, 8)
    real = {"fc": Representation("fc", ROWS), "pixels": Representation("pixels", pixels)}
    found = level_variations([upper, lower], real, LABELS, 4, torch.Generator().manual_seed(1))
    assert list(found) == ["fc", "pixels"]
    above, (condition, noise) = placed(upper.generator.shown[1], 1), lower.generator.shown
    assert max(len(given) for given, _ in lower.generator.calls) < CONDITIONS * NOISES  # never all in memory
    assert_close(condition, above[::NOISES].repeat_interleave(NOISES, dim=0), rtol=0, atol=0)
    assert len(noise.unique(dim=0)) == CONDITIONS * NOISES
    expected = (64 / 12) / (64 * (0.5 + 0.02) / 2)
    assert_close(found["pixels"].variance.mean().item(), expected, rtol=0.05, atol=0)
    assert_close(found["fc"].recovery, torch.ones(CONDITIONS), rtol=0, atol=1e-5)


@pytest.mark.parametrize("top", ["labels", "none"])
def test_levels_are_measured_reproducibly_and_are_not_changed(
    levels: Callable[..., list[LevelGAN]], rng: torch.Generator, top: str
) -> None:
    chain = levels(3, top=top)
    before = [{name: value.clone() for name, value in built.state_dict().items()} for built in chain]
    real = {
        name: Representation(name, torch.rand(5, *shape, generator=rng))
        for name, shape in {"fc": (12,), "block1": (4, 4, 4), "pixels": (1, 8, 8)}.items()
    }
    found = []
    for state, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(state)
        found.append(level_variations(chain, real, LABELS, 4, torch.Generator().manual_seed(seed)))
    assert list(found[0]) == ["fc", "block1", "pixels"]
    for name, variation in found[0].items():
        assert variation.variance.shape == variation.recovery.shape == (CONDITIONS,)
        assert variation.variance.mean() > 0
        assert variation.recovery.max() <= 1
        assert_close(vars(found[1][name]), vars(variation), rtol=0, atol=0)
        assert not torch.equal(found[2][name].variance, variation.variance)
    for built, values in zip(chain, before, strict=True):
        assert_close(built.state_dict(), values, rtol=0, atol=0)  # the statistics of batch norms too
