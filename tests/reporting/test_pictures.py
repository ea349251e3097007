"""Grids show the right pictures in the right places, and say what they are."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.reporting.pictures import ablation_grids, least_confident, nearest_images, sample_grid

Find = Callable[[Image.Image, torch.Tensor, int], list[tuple[int, int]]]
Said = Callable[[Image.Image], str]
CLASSES = ("a", "b")


def random_images(count: int, classes: tuple[str, ...] = CLASSES, seed: int = 3) -> LabelledImages:
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 28, 28), generator=rng, dtype=torch.uint8)
    return LabelledImages(images, torch.arange(count) % len(classes), classes)


def places(shown: Find, figure: Image.Image, pictures: torch.Tensor) -> list[tuple[int, int]]:
    """In units of rows and columns from the first picture, which must each be shown once."""
    found = [shown(figure, picture, 2) for picture in pictures]
    assert [len(each) for each in found] == [1] * len(pictures)
    top, left = found[0][0]
    return [((y - top) // 58, (x - left) // 58) for ((y, x),) in found]


def test_a_sample_grid_has_a_row_per_class_beside_real_images(shown: Find, said: Said) -> None:
    samples, real = random_images(9), random_images(9, seed=4)
    figure = sample_grid(samples, 3, "joint_stack: samples", "N = 9 pictures, drawn with seed 0.", real)
    wanted = samples.images[[0, 2, 4, 1, 3, 5]]
    assert places(shown, figure, wanted) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert not shown(figure, samples.images[6], 2)
    left, right = shown(figure, samples.images[4], 2)[0], shown(figure, real.images[0], 2)[0]
    assert left[0] == right[0]
    assert right[1] > left[1] + 58
    assert shown(figure, real.images[1], 2)[0][0] == left[0] + 58
    text = said(figure)
    for part in ("joint_stack: samples", "N = 9 pictures", "seed 0", "samples a b", "real images", "each class"):
        assert part in text
    assert "shorter" not in text


def test_a_class_with_fewer_samples_has_a_shorter_row_and_the_reason_beside_it(said: Said) -> None:
    assert "A row that is shorter has no more samples." in said(sample_grid(random_images(5), 3, "A title"))


def test_real_images_of_other_classes_are_spread_over_their_file(shown: Find, said: Said) -> None:
    samples, real = random_images(40, ("category 0", "category 1")), random_images(30, seed=4)
    figure = sample_grid(samples, 6, "A title", "", real)
    assert places(shown, figure, real.images[[0, 7, 15, 22]]) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "nothing to do with those on the left" in said(figure)


def test_samples_of_a_single_class_fill_a_square(shown: Find) -> None:
    samples = random_images(30, ("sample",))
    figure = sample_grid(samples, 3, "A title", real=random_images(9, seed=4))
    assert places(shown, figure, samples.images[:9]) == [(row, column) for row in range(3) for column in range(3)]
    assert not shown(figure, samples.images[9], 2)


def test_nearest_images_of_a_single_class_fill_a_square(shown: Find) -> None:
    train = random_images(30, ("picture",))
    samples = LabelledImages(255 - random_images(30, seed=4).images, torch.zeros(30).long(), ("picture",))
    found = places(shown, nearest_images(samples, train, 4, "A title"), samples.images[:8])
    assert [column for _, column in found] == [0, 2] * 4
    assert len({row for row, _ in found}) == 4


def test_nearest_images_stand_to_the_right_of_samples_with_their_distance(shown: Find, said: Said) -> None:
    """Each sample is a training image, a little brighter in one inner pixel, in another order."""
    train = random_images(40)
    origin = torch.tensor([7, 30, 2, 11, 9])
    pixels = train.images[origin].clone()
    pixels[:, 0, 14, 14] = (pixels[:, 0, 14, 14].int() + 51).remainder(256).byte()
    samples = LabelledImages(pixels, torch.tensor([1, 0, 0, 1, 1]), CLASSES)
    figure = nearest_images(samples, train, 6, "A title", "N = 5.", train.subset(torch.arange(8, 12)))
    for place, picture in enumerate(samples.images):
        (top, left), beside = shown(figure, picture, 2)[0], shown(figure, train.images[origin[place]], 2)
        assert (top, left + 58) in beside
    text = said(figure)
    steps = (pixels.int() - train.images[origin].int()).abs().amax(dim=(1, 2, 3)) / 255
    assert all(f"{step:.1f}" in text for step in steps.tolist())
    assert "0.0" in text.split("held-out images")[-1]  # these are training images
    assert "may be a copy" in text


@pytest.fixture
def judged() -> tuple[LabelledImages, torch.Tensor]:
    """Ten samples of two classes; the judge sees less and less of their class."""
    samples = random_images(10)
    logits = torch.stack([torch.zeros(10), torch.linspace(-2, 4, 10)], dim=1)
    logits[1::2] = logits[1::2].flip(1)
    return samples, logits


def test_the_least_confident_samples_come_first_with_what_the_judge_sees(
    shown: Find, said: Said, judged: tuple[LabelledImages, torch.Tensor]
) -> None:
    samples, logits = judged
    real = random_images(6, seed=4)
    of_real = torch.tensor([[3.0, 0.0], [0.0, 3.0]]).repeat(3, 1)
    figure = least_confident(samples, logits, real, of_real, 3, "A title", "N = 10.")
    strips = [shown(figure, picture, 2)[0] for picture in samples.images[[8, 6, 4, 9, 7, 5]]]
    assert [left - strips[0][1] for _, left in strips] == [0, 58, 116] * 2
    assert strips[3][0] > strips[0][0] + 58  # with room for the text below
    shares = logits.softmax(dim=1)
    assert f"b {shares[8, 0]:.2f}" in said(figure)
    assert f"a {shares[9, 1]:.2f}" in said(figure)
    assert "a 0.95" in said(figure)
    assert "probability of the requested class" in said(figure)


def test_of_samples_without_requested_classes_those_are_shown_of_which_the_judge_is_not_sure(
    shown: Find, said: Said, judged: tuple[LabelledImages, torch.Tensor]
) -> None:
    samples, logits = judged
    samples = LabelledImages(samples.images, torch.zeros(10).long(), ("sample",))
    figure = least_confident(samples, logits, random_images(6), torch.eye(2).repeat(3, 1), 3, "A title", "N = 10.")
    first, last = (int(logits.softmax(1).amax(1).argsort()[place]) for place in (0, -1))
    corners = [shown(figure, picture, 2) for picture in samples.images]
    assert min(found[0] for found in corners if found) == corners[first][0]
    assert not corners[last]
    assert "requested" not in said(figure)


def test_a_judge_of_one_class_is_explained(said: Said) -> None:
    one = random_images(4, ("only",))
    figure = least_confident(one, torch.zeros(4, 1), one, torch.zeros(4, 1), 2, "A title", "N = 4.")
    assert "nothing to distinguish" in said(figure)


def test_the_ablation_has_a_titled_panel_per_row(shown: Find, said: Said) -> None:
    samples = {name: random_images(8, seed=seed) for seed, name in enumerate(("adv", "joint", "real"))}
    figure = ablation_grids(samples, 3, 2, "N = 8, seed 0.")
    corners = [shown(figure, found.images[0], 2)[0] for found in samples.values()]
    assert corners[0][0] == corners[1][0] < corners[2][0]
    assert corners[0][1] == corners[2][1] < corners[1][1]
    for part in ("adv a b", "joint a b", "real a b", "N = 8, seed 0."):
        assert part in said(figure)
