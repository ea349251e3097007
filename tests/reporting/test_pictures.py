"""Grids show the right pictures in the right cells."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_bytes
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.encoder import Encoder
from gan_pipelines.models.plan import plan_classifier, plan_levels
from gan_pipelines.parameters import Experiment, SGANParameters
from gan_pipelines.reporting.pictures import (
    category_rows,
    nearest_images,
    noise_variations,
    picture_grid,
    sample_grid,
    traversal_rows,
    upper_noise_variations,
)


def below_right(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The grid of that many pixels, without title and names."""
    return picture.crop((picture.width - size[0], picture.height - size[1], *picture.size))


def cells(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The mean grey of each cell of a grid."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    means = [
        [
            picture[r * height + 8 : (r + 1) * height - 8, c * width + 8 : (c + 1) * width - 8].mean()
            for c in range(columns)
        ]
        for r in range(rows)
    ]
    return np.array(means)


def test_a_sample_grid_has_a_row_per_class_in_order_and_blanks_for_missing_pictures() -> None:
    labels = torch.tensor([1, 0, 1, 1, 0])
    grey = torch.tensor([110, 10, 120, 130, 20], dtype=torch.uint8)
    data = LabelledImages(grey.view(5, 1, 1, 1).expand(5, 1, 28, 28).contiguous(), labels, ("a", "b"))
    picture = np.asarray(below_right(sample_grid(data, columns=3), (3 * 58 + 2, 2 * 58 + 2)))
    np.testing.assert_allclose(cells(picture, 2, 3), [[10, 20, 0], [110, 120, 130]])


def test_small_pictures_are_enlarged_without_smoothing() -> None:
    pixels = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).view(1, 1, 2, 2)
    picture = np.asarray(picture_grid(pixels, columns=1))
    assert picture.shape == (56, 56, 3)  # a single picture has no border
    assert set(np.unique(picture)) == {0, 255}


@pytest.fixture
def stack(smoke_experiment: Experiment) -> StackedGenerator:
    """An untrained stack of ten classes."""
    plan = plan_classifier(smoke_experiment.classifier, (1, 28, 28), tuple("0123456789"), "digest", "classifier")
    levels = [LevelGAN(spec) for spec in plan_levels(smoke_experiment.sgan, Encoder(plan.spec)).values()]
    return assemble_stack(levels, plan.spec.classes)


def test_upper_noise_variations_change_everything_but_the_lowest_noise(stack: StackedGenerator) -> None:
    columns = 4
    picture = upper_noise_variations(stack, torch.Generator().manual_seed(3), columns)
    rng = torch.Generator().manual_seed(3)
    upper, lowest = (stack.latents[name].sample(columns, rng) for name in ("fc3", "pixels"))
    labels = torch.arange(10).repeat_interleave(columns)
    wanted = stack(labels, {"fc3": upper.repeat(10, 1), "pixels": lowest[:1].repeat(10 * columns, 1)})
    expected = picture_grid(to_bytes(wanted["pixels"]), columns)
    found = below_right(picture, expected.size)
    np.testing.assert_allclose(np.array(found).astype(int), np.array(expected).astype(int), atol=1)


def test_without_labels_every_upper_noise_is_another_one(smoke_experiment: Experiment) -> None:
    plan = plan_classifier(smoke_experiment.classifier, (1, 28, 28), tuple("0123456789"), "digest", "classifier")
    raw = smoke_experiment.sgan.model_dump()
    raw["levels"]["fc3"] |= {"condition": "none", "generator": {**raw["levels"]["fc3"]["generator"], "condition": ()}}
    specs = plan_levels(SGANParameters.model_validate(raw), Encoder(plan.spec)).values()
    stack = assemble_stack([LevelGAN(spec) for spec in specs], plan.spec.classes)
    sheet = upper_noise_variations(stack, torch.Generator().manual_seed(3), 4)
    picture = np.array(below_right(sheet, (4 * 58 + 2, 10 * 58 + 2)))
    height, width = picture.shape[0] // 10, picture.shape[1] // 4
    found = {
        picture[r * height + 2 : (r + 1) * height, c * width + 2 : (c + 1) * width].tobytes()
        for r in range(10)
        for c in range(4)
    }
    assert len(found) == 40


def test_nearest_images_of_a_single_class_fill_a_square(rng: torch.Generator) -> None:
    images = torch.randint(0, 256, (30, 1, 28, 28), generator=rng, dtype=torch.uint8)
    data = LabelledImages(images, torch.zeros(30).long(), ("picture",))
    expected = picture_grid(images[:8].repeat_interleave(2, dim=0), 4)
    found = below_right(nearest_images(data, data, 4), expected.size)
    np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_nearest_images_stand_to_the_right_of_samples_of_their_class(rng: torch.Generator) -> None:
    """Each sample is a training image with a little noise, in another order; one class has fewer samples."""
    train = LabelledImages(
        torch.randint(0, 256, (40, 1, 28, 28), generator=rng, dtype=torch.uint8), torch.arange(40) % 2, ("a", "b")
    )
    origin = torch.tensor([7, 30, 2, 11, 9])
    noise = torch.randint(0, 20, (5, 1, 28, 28), generator=rng, dtype=torch.uint8)
    samples = LabelledImages(train.images[origin].clamp(max=235) + noise, torch.tensor([1, 0, 0, 1, 1]), ("a", "b"))
    picture = nearest_images(samples, train, 6)
    blank = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    rows = [
        torch.stack([samples.images[place], train.images[origin[place]]], dim=1).flatten(0, 1)
        for place in (torch.tensor([1, 2]), torch.tensor([0, 3, 4]))
    ]
    expected = picture_grid(torch.cat([rows[0], blank, rows[1]]), 6)
    np.testing.assert_array_equal(np.array(below_right(picture, expected.size)), np.array(expected))


def test_noise_variations_change_only_the_lowest_noise(stack: StackedGenerator) -> None:
    columns = 4
    picture = noise_variations(stack, torch.Generator().manual_seed(3), columns)
    rng = torch.Generator().manual_seed(3)
    noise = stack.sample_noise(10, rng)
    lower = stack.latents["pixels"].sample(columns, rng)
    labels = torch.arange(10).repeat_interleave(columns)
    wanted = stack(labels, {"fc3": noise["fc3"].repeat_interleave(columns, dim=0), "pixels": lower.repeat(10, 1)})
    expected = picture_grid(to_bytes(wanted["pixels"]), columns)
    found = below_right(picture, expected.size)
    # another order of summation may round a pixel differently
    assert_close(as_tensor(found), as_tensor(expected), atol=1, rtol=0)


CATEGORY, STYLE = {"distribution": "categorical", "classes": 4}, {"distribution": "uniform"}


def as_tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).int()


def assert_alike(found: Image.Image, blocks: list[torch.Tensor], columns: int) -> None:
    """The pictures of each block (rows, columns, channels, height, width), and between two blocks a black row."""
    black = torch.zeros_like(blocks[0][:1])
    rows = torch.cat([row for block in blocks for row in (block, black)][:-1])
    expected = picture_grid(to_bytes(rows.flatten(0, 1)), columns)
    grid = below_right(found, expected.size)
    # batches of another size may round a pixel differently
    assert_close(as_tensor(grid), as_tensor(expected), atol=1, rtol=0)


@pytest.mark.parametrize("classes", [(4,), (4, 2)], ids=["one code", "two codes"])
def test_each_row_is_a_category_with_everything_else_the_same(
    infogan_spec: Callable[..., InfoGANSpec], classes: tuple[int, ...]
) -> None:
    codes = {f"c{count}": {**CATEGORY, "classes": count} for count in classes} | {"style": STYLE}
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    found = category_rows(gan, torch.Generator().manual_seed(3), columns=6)
    rng, blocks, place = torch.Generator().manual_seed(3), [], 0
    for count in classes:
        noise, drawn = gan.noise.sample(6, rng), gan.codes.sample(6, rng)
        rows = []
        for category in torch.eye(count):
            drawn[:, place : place + count] = category
            rows.append(gan.pictures(noise, drawn))
        blocks.append(torch.stack(rows))
        place += count
    assert_alike(found, blocks, columns=6)
    assert len(blocks[0].flatten(0, 1).unique(dim=0)) == 4 * 6


def test_each_row_moves_one_code_along_its_traversal_and_nothing_else(
    infogan_spec: Callable[..., InfoGANSpec],
) -> None:
    codes = {"far": {**STYLE, "traversal": [-4, 4]}, "category": CATEGORY, "near": {**STYLE, "count": 2}}
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    found = traversal_rows(gan, torch.Generator().manual_seed(3), columns=7)
    rng, blocks = torch.Generator().manual_seed(3), []
    for place, end in ((0, 4), (5, 2), (6, 2)):
        noise, drawn = gan.noise.sample(5, rng), gan.codes.sample(5, rng)
        points = []
        for value in torch.linspace(-end, end, 7):
            drawn[:, place] = value
            points.append(gan.pictures(noise, drawn))
        blocks.append(torch.stack(points, dim=1))
    assert_alike(found, blocks, columns=7)


def test_coloured_pictures_keep_their_colours_in_rows(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    gan = InfoGAN(infogan_spec(image_shape=(3, 8, 8))).eval()
    for draw, rows in ((category_rows, 4), (traversal_rows, 3 * 5 + 2)):
        size = (6 * 63 + 7, rows * 63 + 7)  # enlarged seven times, to 56, seven pixels between
        picture = below_right(draw(gan, torch.Generator().manual_seed(3), columns=6), size)
        red, green, blue = np.moveaxis(np.array(picture)[8:50, 8:50].astype(int), 2, 0)
        assert abs(red - green).max() > 0
        assert abs(green - blue).max() > 0


@pytest.mark.parametrize(
    ("draw", "codes"), [(category_rows, {"style": STYLE}), (traversal_rows, {"category": CATEGORY})]
)
def test_a_missing_kind_of_code_is_replaced_by_a_sentence(
    infogan_spec: Callable[..., InfoGANSpec], draw: Callable[..., Image.Image], codes: dict[str, object]
) -> None:
    picture = draw(InfoGAN(infogan_spec(codes=codes)).eval(), torch.Generator().manual_seed(3), columns=6)
    assert picture.size[1] < 40
    assert 0.02 < (np.array(picture) < 128).mean() < 0.3  # letters on white
