"""How different pictures of one class are, and how each level of a stack uses its noise."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gan_pipelines.data.images import Representation
from gan_pipelines.metrics import LabelledFeatures, level_variations
from gan_pipelines.metrics.bootstrap import resample
from gan_pipelines.metrics.diversity import CONDITIONS, NOISES, LevelVariation, real_variance, within_class_diversity
from gan_pipelines.models import LevelGAN, LevelSpec
from gan_pipelines.models.level import DiscriminatorOutput

CLASSES = 4
Read = Callable[..., LabelledFeatures]


@pytest.fixture
def features(rng: torch.Generator) -> Tensor:
    return torch.randn(400, 6, generator=rng)


def test_pictures_are_as_diverse_as_themselves(reading: Read, features: Tensor) -> None:
    found = within_class_diversity(reading(features), reading(features))
    assert_close(found, torch.ones(1).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_features_spread_by_a_factor_are_as_diverse_as_its_square(
    reading: Read, features: Tensor, scale: float
) -> None:
    found = within_class_diversity(reading(scale * features + 7), reading(features)).item()
    assert_close(found, scale**2, rtol=1e-4, atol=0)


def test_one_picture_a_class_has_no_diversity_however_different_the_classes_are(
    reading: Read, features: Tensor
) -> None:
    collapsed = 10 * torch.eye(CLASSES, 6)[torch.arange(400) % CLASSES]
    assert_close(within_class_diversity(reading(collapsed), reading(features)).item(), 0.0, rtol=0, atol=1e-12)


def test_diversity_is_the_mean_over_the_classes_of_the_ratio_of_total_variances(reading: Read) -> None:
    labels = torch.tensor([0, 0, 1, 1])
    theirs = reading(torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0], [0.0, 4.0]]), labels)  # variances 2 and 8
    ours = reading(torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [4.0, 4.0]]), labels)  # variances 1/2 and 16
    assert_close(within_class_diversity(ours, theirs).item(), (0.25 + 2) / 2)


def test_classes_with_a_single_picture_on_either_side_are_left_out(reading: Read) -> None:
    theirs = reading(torch.tensor([[0.0], [2.0], [5.0], [9.0], [1.0]]), torch.tensor([0, 0, 1, 1, 2]))
    ours = reading(torch.tensor([[0.0], [1.0], [5.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 2, 2]))
    assert_close(within_class_diversity(ours, theirs).item(), 0.25)


def test_diversity_without_a_class_to_compare_is_refused(reading: Read) -> None:
    with pytest.raises(ValueError, match="at least two samples and two real images"):
        within_class_diversity(reading(torch.zeros(2, 1), torch.tensor([0, 1])), reading(torch.zeros(4, 1)))


def test_features_far_from_0_are_as_diverse_as_near_it(reading: Read, features: Tensor) -> None:
    near = within_class_diversity(reading(2 * features), reading(features)).item()
    far = within_class_diversity(reading(2 * features + 1000), reading(features + 1000)).item()
    assert_close(far, near, rtol=1e-3, atol=0)


@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)], ids=["both", "ours", "theirs"])
def test_the_diversity_of_counts_is_that_of_the_pictures_they_draw(
    reading: Read, features: Tensor, rng: torch.Generator, sides: tuple[bool, bool]
) -> None:
    ours, theirs = reading(features[:150] * torch.tensor([1.0, 2, 3, 1, 2, 3])), reading(features[150:])
    drawn = [
        torch.randint(len(side), (5, len(side)), generator=rng)
        if resampled
        else torch.arange(len(side)).expand(5, len(side))
        for side, resampled in zip((ours, theirs), sides, strict=True)
    ]
    counts = [
        torch.stack([row.bincount(minlength=rows.shape[1]) for row in rows]).float() if resampled else None
        for rows, resampled in zip(drawn, sides, strict=True)
    ]
    expected = [
        within_class_diversity(chosen(ours, row), chosen(theirs, other)).item()
        for row, other in zip(*drawn, strict=True)
    ]
    assert_close(within_class_diversity(ours, theirs, *counts).tolist(), expected, rtol=1e-9, atol=0)


def chosen(side: LabelledFeatures, rows: Tensor) -> LabelledFeatures:
    return LabelledFeatures(side.features[rows], side.logits[rows], side.labels[rows])


def test_a_resample_that_draws_no_two_different_pictures_of_a_class_leaves_it_out(
    reading: Read, features: Tensor
) -> None:
    """With 0, 1, or twice the same there is no variance to compare, and none to divide by."""
    labels = torch.cat([torch.arange(40) % 3, torch.tensor([3, 3])])
    rows = features[:42] + 0.1
    counts = torch.ones(4, 42)
    counts[:, 40:] = torch.tensor([[1.0, 1], [0, 0], [1, 0], [0, 2]])
    without = within_class_diversity(reading(2 * rows[:40], labels[:40]), reading(rows[:40], labels[:40])).item()
    for both in ((counts, None), (None, counts)):
        found = within_class_diversity(reading(2 * rows, labels), reading(rows, labels), *both)
        assert_close(found, torch.tensor([4.0, without, without, without]).double(), rtol=1e-5, atol=0)


def test_a_rare_class_does_not_spoil_the_resamples(reading: Read, features: Tensor, rng: torch.Generator) -> None:
    labels = torch.cat([torch.arange(397) % 3, torch.tensor([3, 3, 3])])
    side = reading(features, labels)
    found = within_class_diversity(side, side, resample(400, 300, rng), resample(400, 300, rng))
    assert torch.isfinite(found).all()
    assert found.min() > 0.5
    assert 0.9 < found.median() < 1.1


class Given(nn.Module):
    """A network that is a function written out, and remembers what it was shown."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function, self.shown = function, list[tuple[Tensor, ...]]()

    def forward(self, *values: Tensor) -> object:
        self.shown.append(values)
        return self.function(*values)


def placed(noise: Tensor, scale: float) -> Tensor:
    """The three entries of the noise, at the head of an `fc`."""
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


def watch(levels: Sequence[LevelGAN], rows: Tensor = ROWS, seed: int = 1) -> LevelVariation:
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
    found = watch([level(lambda condition, noise: condition.repeat(1, 3), lambda outputs: 0 * outputs[:, :3] + 0.5)])
    assert_close(found.variance, torch.zeros(CONDITIONS).double(), rtol=0, atol=1e-12)
    assert abs(found.recovery.mean()) < 0.01  # the mean of U[0, 1) explains nothing


def test_a_q_that_guesses_explains_less_than_nothing(level: Callable[..., LevelGAN], rng: torch.Generator) -> None:
    constant = watch([level(lambda condition, noise: placed(noise, 1), lambda outputs: 0 * outputs[:, :3])])
    assert_close(constant.recovery.mean().item(), 1 - (1 / 12 + 1 / 4) / (1 / 12), rtol=0.03, atol=0)
    guess = level(lambda condition, noise: placed(noise, 1), lambda outputs: torch.rand(len(outputs), 3, generator=rng))
    drawn = watch([guess], seed=2)
    assert_close(drawn.recovery.mean().item(), -1.0, rtol=0, atol=0.05)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_a_q_that_inverts_the_generator_recovers_all_and_the_variance_is_that_of_its_noise(
    level: Callable[..., LevelGAN], scale: float
) -> None:
    found = watch([level(lambda condition, noise: placed(noise, scale), lambda outputs: outputs[:, :3] / scale)])
    assert_close(found.recovery, torch.ones(CONDITIONS), rtol=0, atol=1e-5)
    expected = 3 * scale**2 / 12 / WITHIN
    assert_close(found.variance.mean().item(), expected, rtol=0.03, atol=0)
    assert found.variance.std() < 0.4 * expected  # of 20 noises a condition


def test_a_q_that_reads_one_entry_of_three_recovers_a_third(level: Callable[..., LevelGAN]) -> None:
    def q(outputs: Tensor) -> Tensor:
        return torch.cat([outputs[:, :1], torch.full((len(outputs), 2), 0.5)], dim=1)

    found = watch([level(lambda condition, noise: placed(noise, 1), q)])
    assert_close(found.recovery.mean().item(), 1 / 3, rtol=0, atol=0.02)


def test_gaussian_noise_is_recovered_by_the_same_measure(level: Callable[..., LevelGAN]) -> None:
    noise = {"distribution": "gaussian", "size": 3}
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3] / 2, noise=noise)
    found = watch([built])
    assert_close(found.recovery.mean().item(), 0.75, rtol=0, atol=0.02)
    assert_close(found.variance.mean().item(), 3 / WITHIN, rtol=0.05, atol=0)


def test_each_condition_has_a_value_of_its_own(level: Callable[..., LevelGAN]) -> None:
    """A generator that uses its noise for class 0 alone, and then Q reads it."""
    found = watch([level(lambda condition, noise: placed(noise * condition[:, :1], 1), lambda outputs: outputs[:, :3])])
    used = torch.arange(CONDITIONS) % 4 == 0
    assert found.variance[used].min() > 0.01
    assert found.variance[~used].max() == 0
    assert_close(found.recovery[used], torch.ones(int(used.sum())), rtol=0, atol=1e-5)
    assert found.recovery[~used].max() < 0


def test_the_classes_are_asked_for_in_turns_each_with_its_own_noises(level: Callable[..., LevelGAN]) -> None:
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3])
    watch([built])
    ((condition, noise),) = built.generator.shown
    assert_close(condition.argmax(dim=1), (torch.arange(CONDITIONS) % 4).repeat_interleave(NOISES))
    assert_close(condition.sum(dim=1), torch.ones(CONDITIONS * NOISES))
    assert len(noise.unique(dim=0)) == CONDITIONS * NOISES


def test_a_first_level_without_a_condition_is_measured_against_the_variance_of_all(
    level: Callable[..., LevelGAN],
) -> None:
    built = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3], condition="none")
    found = watch([built])
    assert_close(found.variance.mean().item(), 3 / 12 / ROWS.var(dim=0).sum().item(), rtol=0.03, atol=0)
    ((condition, _),) = built.generator.shown
    assert condition.shape == (CONDITIONS * NOISES, 0)


def test_a_level_below_sees_one_output_of_the_level_above_with_many_noises(
    level: Callable[..., LevelGAN], level_spec: Callable[..., LevelSpec]
) -> None:
    """And it is measured against the variance within a class, though it is given no labels."""
    upper = level(lambda condition, noise: placed(noise, 1), lambda outputs: outputs[:, :3])
    lower = LevelGAN(level_spec("pixels", "fc"))
    lower.generator = Given(lambda condition, noise: noise[:, :1, None, None].expand(-1, 1, 8, 8))
    lower.discriminator = Given(lambda outputs: told(outputs[:, 0, :3, 0]))
    pixels = torch.tensor([0, 255, 0, 51, 255]).to(torch.uint8).view(5, 1, 1, 1).expand(5, 1, 8, 8)
    real = {"fc": Representation("fc", ROWS), "pixels": Representation("pixels", pixels)}
    found = level_variations([upper, lower], real, LABELS, 4, torch.Generator().manual_seed(1))
    assert list(found) == ["fc", "pixels"]
    above, (condition, noise) = placed(upper.generator.shown[0][1], 1), lower.generator.shown[0]
    assert_close(condition, above[::NOISES].repeat_interleave(NOISES, dim=0), rtol=0, atol=0)
    assert len(noise.unique(dim=0)) == CONDITIONS * NOISES
    expected = (64 / 12) / (64 * (0.5 + 0.02) / 2)
    assert_close(found["pixels"].variance.mean().item(), expected, rtol=0.05, atol=0)
    assert_close(found["fc"].recovery, torch.ones(CONDITIONS), rtol=0, atol=1e-5)


@pytest.mark.parametrize("top", ["labels", "none"])
def test_real_levels_are_watched_reproducibly_and_left_as_they_are(
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
