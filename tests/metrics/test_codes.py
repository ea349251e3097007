"""What codes mean, of InfoGANs that are linear maps, so that every score has its closed form."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics import codes
from gan_pipelines.metrics.codes import BASES, information_on_samples, moved_pictures, score_codes
from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.metrics.intervals import normal_interval, variance_freedom
from gan_pipelines.metrics.scores import Score
from gan_pipelines.metrics.variation import chance_variance, explained_share, measure_pictures
from gan_pipelines.models import Encoder, EncoderSpec, InfoGAN, InfoGANSpec

NOISE, CATEGORY, STYLE_1, STYLE_2, WIDTH = slice(0, 3), slice(3, 7), 7, 8, 9
"""Where noise and codes stand in the latent."""
MEANS = {"style_1": 4, "style_2": 6, "width": 8}
"""Where Q's head has the mean of each continuous code."""
STD = 0.05
NAMES = ["category", "style_1", "style_2", "width"]
SHARES = ("slant_share", "stroke_width_share", "size_share")
OF_CLASSES = ("classification_error", "normalised_mutual_information", "purity")
OF_DISTORTIONS = ("distortion_agreement", "invariant_information")

Build = Callable[..., InfoGAN]
OfCode = dict[str, Score]


def quarter(number: int, size: int = 8) -> Tensor:
    """1 in a quarter of the picture, as the synthetic images have it."""
    half, picture = size // 2, torch.zeros(size, size)
    down, right = half * (number // 2), half * (number % 2)
    picture[down : down + half, right : right + half] = 1
    return picture.flatten()


@pytest.fixture
def linear(infogan_spec: Callable[..., InfoGANSpec]) -> Build:
    """An InfoGAN in which each category lights its quarter, everything else its pixel, and Q inverts that exactly.

    The generator may ignore entries of the latent.
    """

    def build(ignored: tuple[int, ...] = (), channels: int = 1, **spec: object) -> InfoGAN:
        discriminator = {
            "trunk": [{"layer": "linear", "features": 10}],
            "adversarial": [{"layer": "linear", "features": "target"}],
            "codes": [{"layer": "linear", "features": "target"}],
        }
        generator = [{"layer": "project", "channels": channels}]
        gan = InfoGAN(
            infogan_spec(image_shape=(channels, 8, 8), generator=generator, discriminator=discriminator, **spec)
        )
        weight = torch.zeros(64, 10)
        weight[:, CATEGORY] = 0.4 * torch.stack([quarter(number) for number in range(4)], dim=1)
        for pixel, entry in {9: 0, 13: 1, 23: 2, 42: STYLE_1, 20: STYLE_2, 56: WIDTH}.items():
            weight[pixel, entry] = 0.05
        weight, bias = weight.repeat(channels, 1), torch.full((64 * channels,), 0.3)
        inverse = torch.linalg.pinv(weight)
        weight[:, list(ignored)] = 0
        head = torch.zeros(9, 10)
        head[:4, CATEGORY] = 100 * torch.eye(4)
        for name, entry in {"style_1": STYLE_1, "style_2": STYLE_2, "width": WIDTH}.items():
            head[MEANS[name], entry] = 1
        head_bias = torch.zeros(9)
        head_bias[[5, 7]] = math.log(STD)
        with torch.no_grad():
            for layer, values in {
                gan.generator[0]: (weight, bias),
                gan.discriminator.trunk[1]: (inverse, -inverse @ bias),
                gan.discriminator.codes[0]: (head, head_bias),
            }.items():
                layer.weight.copy_(values[0])
                layer.bias.copy_(values[1])
        return gan.requires_grad_(False).eval()

    return build


@pytest.fixture
def judge() -> Callable[..., Encoder]:
    """A judge that sees which quarter is brightest; of one class, it always sees that."""

    def build(classes: int = 4, channels: int = 1) -> Encoder:
        spec = EncoderSpec.model_validate(
            {
                "blocks": {
                    "features": [{"layer": "linear", "features": 4}],
                    "labels": [{"layer": "linear", "features": "target"}],
                },
                "initialisation": {},
                "image_shape": (channels, 8, 8),
                "classes": [f"class {number}" for number in range(classes)],
                "data_digest": "synthetic",
            }
        )  # fmt: skip
        encoder = Encoder(spec)
        with torch.no_grad():
            features, labels = encoder.blocks["features"][1], encoder.blocks["labels"][0]
            features.weight.copy_(torch.stack([quarter(number) for number in range(4)]).repeat(1, channels))
            features.bias.zero_()
            labels.weight.copy_(torch.eye(4)[:classes])
            labels.bias.zero_()
        return encoder.freeze()

    return build


@pytest.fixture
def scored(judge: Callable[..., Encoder], images: LabelledImages) -> Callable[..., dict[str, OfCode]]:
    def score(gan: InfoGAN, seed: int = 1, data: LabelledImages = images, samples: int = 1000) -> dict[str, OfCode]:
        reader = judge(channels=gan.spec.image_shape[0])
        return by_code(score_codes(gan, gan, reader, "features", data, samples, torch.Generator().manual_seed(seed)))

    return score


def by_code(scores: list[Score]) -> dict[str, OfCode]:
    """By code, in which a score is measured, and name."""
    found: dict[str, OfCode] = {}
    for score in scores:
        of_code = found.setdefault(score.space, {})
        assert score.score not in of_code
        of_code[score.score] = score
    return found


def values(found: dict[str, OfCode], score: str) -> dict[str, float]:
    """Of one score, by code."""
    return {name: of_code[score].value for name, of_code in found.items() if score in of_code}


def add(gan: InfoGAN, head: int, entry: int, times: float, constant: float = 0.0) -> None:
    """Let a value of Q's head have that much of an entry of the latent besides."""
    with torch.no_grad():
        gan.discriminator.codes[0].weight[head, entry] += times
        gan.discriminator.codes[0].bias[head] += constant


def test_a_q_that_inverts_the_generator_has_the_information_of_its_closed_forms(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    found = values(scored(linear()), "information_nats")
    exact = math.log(2) - math.log(STD * math.sqrt(2 * math.pi))
    expected = {"category": math.log(4), "style_1": exact, "style_2": exact, "width": math.log(2 / math.tau**0.5)}
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_constant_q_has_the_information_of_its_constant(linear: Build) -> None:
    gan = linear()
    with torch.no_grad():
        gan.discriminator.codes[0].weight.zero_()
        gan.discriminator.codes[0].bias.zero_()
    rows = by_code([*information_on_samples(gan, 20_000, torch.Generator().manual_seed(1))])
    found = values(rows, "information_nats")
    gaussian = math.log(2 / math.tau**0.5)
    second_moments = {"style_1": 1 / 3, "style_2": 1 / 3, "width": 4 / 3}
    expected = {name: gaussian - moment / 2 for name, moment in second_moments.items()}
    assert found == pytest.approx({"category": 0.0, **expected}, abs=0.02)


def test_the_information_is_measured_on_the_requested_number_of_samples(linear: Build) -> None:
    gan = linear(ignored=(STYLE_1,))
    few, many = (by_code([*information_on_samples(gan, count, torch.Generator().manual_seed(1))]) for count in (2, 400))
    rng = torch.Generator().manual_seed(1)
    for count, found in ((2, few), (400, many)):
        rng.manual_seed(1)
        gan.noise.sample(count, rng)
        drawn = gan.codes.sample(count, rng)[:, STYLE_1 - 3]  # of which Q reads nothing: it says 0
        expected = math.log(2) + torch.distributions.Normal(0.0, STD).log_prob(drawn).mean().item()
        assert_close(found["style_1"]["information_nats"].value, expected, rtol=1e-3, atol=1e-3)
        assert found["style_1"]["information_nats"].samples == count


def test_only_a_category_has_a_ceiling_and_is_matched_to_classes(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    found = scored(linear())
    assert list(found) == NAMES
    assert found["category"]["prior_entropy_nats"].value == pytest.approx(math.log(4), rel=1e-9)
    assert [found["category"][name].value for name in OF_CLASSES] == pytest.approx([0, 1, 1])
    for name in NAMES[1:]:
        assert not {"prior_entropy_nats", *OF_CLASSES} & set(found[name])


def test_categories_are_inferred_from_real_pictures_under_any_numbering(
    linear: Build, scored: Callable[..., dict[str, OfCode]], images: LabelledImages
) -> None:
    gan = linear()
    with torch.no_grad():  # another numbering
        head = gan.discriminator.codes[0].weight
        head[:4] = head[[2, 0, 3, 1]]
    assert scored(gan)["category"]["classification_error"].value == 0
    with torch.no_grad():  # one category takes two quarters
        head[0] = head[0] + head[1]
        head[1] = -1
    found = scored(gan)["category"]
    assert 0.25 <= found["classification_error"].value < 0.5
    assert found["purity"].value == pytest.approx(0.75)
    assert 0.5 < found["normalised_mutual_information"].value < 0.95
    shuffled = LabelledImages(images.images, images.labels.roll(1), images.classes)
    assert scored(linear(), data=shuffled)["category"]["purity"].value == 1  # another assignment of the same groups


def test_a_moved_code_takes_every_category_or_the_centres_of_equal_parts_of_its_range(
    linear: Build,
) -> None:
    gan = linear()
    for name, (place, low, high) in {"style_2": (STYLE_2, -1, 1), "width": (WIDTH, 0, 2)}.items():
        pictures = moved_pictures(gan, name, torch.Generator().manual_seed(1))
        latent = gan.discriminator.trunk(pictures).unflatten(0, (200, 11))
        middles = low + (high - low) * (2 * torch.arange(11) + 1) / 22
        assert_close(latent[:, :, place], middles.expand(200, 11), rtol=0, atol=1e-3)
        others = [entry for entry in range(10) if entry != place]
        assert_close(latent[:, :, others], latent[:, :1, others].expand(200, 11, 9), rtol=0, atol=1e-3)
    pictures = moved_pictures(gan, "category", torch.Generator().manual_seed(1))
    latent = gan.discriminator.trunk(pictures).unflatten(0, (200, 4))
    assert_close(latent[:, :, CATEGORY], torch.eye(4).expand(200, 4, 4), rtol=0, atol=1e-3)


def test_the_diversity_within_a_category_is_relative_to_that_within_a_real_class(
    linear: Build, scored: Callable[..., dict[str, OfCode]], images: LabelledImages
) -> None:
    """The judge sees the sum of each quarter, of which the width alone moves one by U[0, 0.1)."""
    found = scored(linear(ignored=(0, 1, 2, STYLE_1, STYLE_2)))
    sums = torch.stack([(images.images.flatten(1) / 255 * quarter(number)).sum(dim=1) for number in range(4)], dim=1)
    real = torch.stack([sums[images.labels == label].var(dim=0).sum() for label in range(4)]).mean()
    assert found["category"]["within_category_diversity"].value == pytest.approx((0.1**2 / 12 / real).item(), rel=0.15)
    assert list(values(found, "within_category_diversity")) == ["category"]


def test_categories_of_one_picture_each_have_no_diversity_although_q_infers_them_perfectly(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    found = scored(linear(ignored=tuple({*range(10)} - {*range(3, 7)})))["category"]
    assert found["within_category_diversity"].value == pytest.approx(0, abs=1e-9)
    assert found["information_nats"].value == pytest.approx(math.log(4), abs=1e-4)


def test_codes_that_q_separates_do_not_leak(linear: Build, scored: Callable[..., dict[str, OfCode]]) -> None:
    leakage = values(scored(linear()), "leakage")
    assert leakage == pytest.approx(dict.fromkeys(NAMES, 0.0), abs=1e-6)


def test_a_continuous_code_leaks_as_far_as_another_inferred_code_moves_with_it(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    """The middles of 11 equal parts of a range have 1 - 1 / 121 of its variance."""
    gan = linear()
    add(gan, MEANS["style_2"], STYLE_1, 0.5)
    add(gan, MEANS["width"], STYLE_1, 0.1)  # the lesser of the two
    add(gan, MEANS["style_1"], WIDTH, -0.25)
    leakage = values(scored(gan), "leakage")
    expected = {"category": 0.0, "style_1": (1 - 1 / 121) * 0.5**2, "style_2": 0.0, "width": (1 - 1 / 121) * 0.25**2}
    assert leakage == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_code_leaks_as_often_as_it_changes_the_inferred_category(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    """Above 1.1, at 5 of 11 points from 0 to 2, every picture is read as category 0, and below it as another."""
    gan = linear()
    add(gan, 0, WIDTH, 1e4, constant=-1.1e4)
    add(gan, 1, WIDTH, 0, constant=1)  # always the same other one, where the code's own category is 0
    found = scored(gan)
    assert found["width"]["leakage"].value == pytest.approx(5 / 11)
    assert found["style_1"]["leakage"].value == pytest.approx(0, abs=1e-6)


def test_a_category_leaks_into_a_continuous_code(linear: Build, scored: Callable[..., dict[str, OfCode]]) -> None:
    gan = linear()
    add(gan, MEANS["style_1"], 3, 0.8)  # the first category
    found = scored(gan)
    assert found["category"]["leakage"].value == pytest.approx(0.8**2 * 3 / 16 / (1 / 3), rel=1e-3)
    assert found["style_1"]["leakage"].value == pytest.approx(0, abs=1e-6)


def test_a_single_code_cannot_leak(linear: Build, judge: Callable[..., Encoder], images: LabelledImages) -> None:
    gan = InfoGAN(linear().spec.model_copy(update={"parameters": only(linear().spec, "category")})).eval()
    found = by_code(score_codes(gan, gan, judge(), "features", images, 20, torch.Generator().manual_seed(1)))
    assert list(found) == ["category"]
    assert "leakage" not in found["category"]


def only(spec: InfoGANSpec, code: str) -> object:
    """The parameters of an InfoGAN with that code alone."""
    parameters = spec.parameters.model_dump()
    return type(spec.parameters).model_validate(parameters | {"codes": {code: parameters["codes"][code]}})


def test_a_code_that_the_generator_ignores_explains_nothing_and_changes_nothing(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    found = scored(linear(ignored=(STYLE_1,)))["style_1"]
    assert [found[share].value for share in SHARES] == pytest.approx([0, 0, 0], abs=1e-9)
    assert found["class_changes"].value == 0
    assert found["leakage"].value == pytest.approx(0, abs=1e-6)
    assert found["information_nats"].value < 0


def test_a_code_that_alone_makes_the_picture_explains_all(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    found = scored(linear(ignored=tuple({*range(10)} - {WIDTH})))
    assert [found["width"][share].value for share in SHARES] == pytest.approx([1, 1, 1], abs=1e-6)
    for name in ("category", "style_1", "style_2"):
        assert [found[name][share].value for share in SHARES] == pytest.approx([0, 0, 0], abs=1e-9)


def test_codes_that_act_with_others_explain_a_part(linear: Build, scored: Callable[..., dict[str, OfCode]]) -> None:
    found = scored(linear())
    for name in ("style_1", "width"):
        assert 0 < found[name]["size_share"].value < 0.9
    assert sum(found[name]["size_share"].value for name in NAMES) < 1.1  # first-order indices add up to at most 1


def test_the_judge_sees_the_class_change_with_the_category_but_not_with_the_style(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    changes = values(scored(linear()), "class_changes")
    assert changes == pytest.approx({"category": 0.75, "style_1": 0, "style_2": 0, "width": 0})


def test_pictures_of_one_class_have_no_scores_of_classes(
    linear: Build, judge: Callable[..., Encoder], images: LabelledImages
) -> None:
    data = LabelledImages(images.images, torch.zeros(64, dtype=torch.int64), ("only",))
    found = by_code(
        score_codes(linear(), linear(), judge(classes=1), "features", data, 20, torch.Generator().manual_seed(1))
    )
    for scores in found.values():
        assert set(scores) - {"prior_entropy_nats", *OF_DISTORTIONS} == {*SHARES, "information_nats", "leakage"}
    assert {*OF_DISTORTIONS} <= set(found["category"])
    assert found["category"]["prior_entropy_nats"].value == pytest.approx(math.log(4))


def test_coloured_pictures_have_no_scores_of_strokes(
    linear: Build, scored: Callable[..., dict[str, OfCode]], images: LabelledImages
) -> None:
    coloured = LabelledImages(images.images.repeat(1, 3, 1, 1), images.labels, images.classes)
    found = scored(linear(channels=3), data=coloured)
    for scores in found.values():
        assert not {*SHARES} & set(scores)
        assert {"class_changes", "information_nats", "leakage"} <= set(scores)
    assert found["category"]["classification_error"].value == 0


def test_black_pictures_have_no_shares(linear: Build, scored: Callable[..., dict[str, OfCode]]) -> None:
    gan = linear()
    with torch.no_grad():
        gan.generator[0].weight.zero_()
        gan.generator[0].bias.zero_()
    for scores in scored(gan).values():
        assert not {*SHARES} & set(scores)
        assert all(math.isfinite(score.value) for score in scores.values())


def test_the_scores_depend_only_on_the_given_generator(linear: Build, scored: Callable[..., dict[str, OfCode]]) -> None:
    gan, found = linear(ignored=(0,)), []
    for state, seed in ((1, 3), (2, 3), (2, 4)):
        torch.manual_seed(state)
        found.append(scored(gan, seed))
    assert found[0] == found[1] != found[2]


def test_every_score_is_defined_and_says_how_many_pictures_it_is_of(
    linear: Build, scored: Callable[..., dict[str, OfCode]], images: LabelledImages
) -> None:
    found = scored(linear(), samples=300)
    for name, of_code in found.items():
        pictures = BASES * (4 if name == "category" else 11)
        for score in of_code.values():
            expected = dict.fromkeys((*OF_CLASSES, *OF_DISTORTIONS), len(images))
            expected |= {"information_nats": 300, "prior_entropy_nats": 300}
            assert score.score in SCORES
            assert score.samples == expected.get(score.score, pictures)


def test_the_interval_of_the_information_is_that_of_a_mean_over_pictures(linear: Build) -> None:
    """If Q always says N(0, 1), a picture of a code c has a constant minus c^2 / 2; of c in [-1, 1], c^2 has 4 / 45."""
    gan = linear()
    with torch.no_grad():
        gan.discriminator.codes[0].weight.zero_()
        gan.discriminator.codes[0].bias.zero_()
    found = by_code([*information_on_samples(gan, 5000, torch.Generator().manual_seed(1))])
    for name, variance in {"category": 0.0, "style_1": 4 / 45, "width": 16 * 4 / 45}.items():
        score, half = found[name]["information_nats"], 1.96 * math.sqrt(variance / 4 / 5000)
        sides = score.value - score.low, score.high - score.value
        assert sides == pytest.approx((half, half), rel=0.03, abs=1e-6)


def test_the_interval_of_a_share_is_that_of_a_jackknife_over_bases(linear: Build) -> None:
    pictures = moved_pictures(linear(), "width", torch.Generator().manual_seed(1))
    found = {score.score: score for score in codes._strokes("width", pictures)}
    assert set(found) == {*SHARES}
    measured = measure_pictures(pictures)["size"].unflatten(0, (BASES, 11))
    left_out = [explained_share(torch.cat([measured[:base], measured[base + 1 :]])) for base in range(BASES)]
    deviation = math.sqrt(BASES - 1) * torch.tensor(left_out).double().std(correction=0).item()
    size = found["size_share"]
    assert chance_variance(measured) < deviation**2 / 2
    expected = normal_interval(size.value, deviation**2, freedom=variance_freedom(torch.tensor(left_out)))
    assert (size.low, size.high) == pytest.approx(expected, abs=1e-4)
    assert 0.005 < deviation < 0.1


def test_the_interval_of_a_share_has_the_width_of_repeated_draws(linear: Build) -> None:
    gan, shares, halves = linear(), [], []
    for seed in range(12):
        pictures = moved_pictures(gan, "width", torch.Generator().manual_seed(seed))
        share = next(score for score in codes._strokes("width", pictures) if score.score == "size_share")
        shares.append(share.value)
        halves.append((share.high - share.low) / 2)
    assert 0.6 < sum(halves) / 12 / (1.96 * torch.tensor(shares).std().item()) < 1.5


def test_the_interval_of_the_diversity_within_a_category_holds_its_closed_form(
    linear: Build, judge: Callable[..., Encoder], images: LabelledImages
) -> None:
    sums = torch.stack([(images.images.flatten(1) / 255 * quarter(number)).sum(dim=1) for number in range(4)], dim=1)
    real = torch.stack([sums[images.labels == label].var(dim=0).sum() for label in range(4)]).mean()
    gan, held = linear(ignored=(0, 1, 2, STYLE_1, STYLE_2)), 0
    for seed in range(40):
        pictures = moved_pictures(gan, "category", torch.Generator().manual_seed(seed))
        _, found = codes._seen_by_judge("category", judge(), "features", pictures, images, of_categories=True)
        assert found.uncertainty is not None
        ends = normal_interval(found.value, found.uncertainty.samples)  # the real images stay the same
        held += ends[0] < (0.1**2 / 12 / real).item() < ends[1]
        assert ends[0] > found.low
        assert ends[1] < found.high
        assert found.expected == 1
    assert 0.87 < held / 40 < 1


def test_the_interval_of_leakage_is_that_of_a_mean_over_bases(
    linear: Build, scored: Callable[..., dict[str, OfCode]]
) -> None:
    """At 2 of 11 points the inferred category is the first one, which about a quarter of the bases have anyway."""
    gan = linear()
    add(gan, 0, WIDTH, 60)  # against 100 for the base's own category: above 5 / 3, of a width from 0 to 2
    found = scored(gan)["width"]["leakage"]
    moving = found.value / (2 / 11)
    half = 1.96 * 2 / 11 * math.sqrt(moving * (1 - moving) / (BASES - 1))
    assert 0.65 < moving < 0.85
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=2e-4)  # Student's


def test_real_pictures_are_read_with_their_statistics_and_generated_ones_with_theirs(
    linear: Build, judge: Callable[..., Encoder], images: LabelledImages
) -> None:
    """A standing copy whose Q is blind has no information, but does not change how real pictures are classified."""
    gan = linear()
    standing = deepcopy(gan)
    with torch.no_grad():
        standing.discriminator.codes[0].weight.zero_()
    found, blind = (
        by_code(score_codes(gan, other, judge(), "features", images, 200, torch.Generator().manual_seed(1)))["category"]
        for other in (gan, standing)
    )
    assert (
        [found[name].value for name in OF_CLASSES]
        == [blind[name].value for name in OF_CLASSES]
        == pytest.approx([0, 1, 1])
    )
    assert found["information_nats"].value == pytest.approx(math.log(4), abs=1e-3)
    assert blind["information_nats"].value == pytest.approx(0, abs=1e-3)
