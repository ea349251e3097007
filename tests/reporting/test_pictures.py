"""Grids show what they claim to show."""

import numpy as np
import torch
from torch.testing import assert_close

from gan_pipelines.data.images import LabelledImages, to_bytes
from gan_pipelines.models import LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.encoder import Encoder
from gan_pipelines.models.plan import plan_classifier, plan_levels
from gan_pipelines.parameters import Experiment
from gan_pipelines.reporting.pictures import noise_variations, picture_grid, sample_grid


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


def test_a_sample_grid_has_a_row_a_class_in_order_and_blanks_where_a_class_is_short() -> None:
    labels = torch.tensor([1, 0, 1, 1, 0])
    grey = torch.tensor([110, 10, 120, 130, 20], dtype=torch.uint8)
    data = LabelledImages(grey.view(5, 1, 1, 1).expand(5, 1, 28, 28).contiguous(), labels, ("a", "b"))
    picture = np.asarray(sample_grid(data, columns=3))
    np.testing.assert_allclose(cells(picture, 2, 3), [[10, 20, 0], [110, 120, 130]])


def test_small_pictures_are_enlarged_without_smoothing() -> None:
    pixels = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).view(1, 1, 2, 2)
    picture = np.asarray(picture_grid(pixels, columns=1))
    assert picture.shape == (56, 56, 3)  # one picture has no rim
    assert set(np.unique(picture)) == {0, 255}


def test_noise_variations_change_the_lowest_noise_alone(smoke_experiment: Experiment) -> None:
    plan = plan_classifier(smoke_experiment.classifier, (1, 28, 28), tuple("0123456789"), "digest", "classifier")
    levels = [LevelGAN(spec) for spec in plan_levels(smoke_experiment.sgan, Encoder(plan.spec)).values()]
    stack: StackedGenerator = assemble_stack(levels, plan.spec.classes)
    columns = 4
    picture = noise_variations(stack, torch.Generator().manual_seed(3), columns)
    rng = torch.Generator().manual_seed(3)
    noise = stack.sample_noise(10, rng)
    lower = stack.latents["pixels"].sample(columns, rng)
    labels = torch.arange(10).repeat_interleave(columns)
    wanted = stack(labels, {"fc3": noise["fc3"].repeat_interleave(columns, dim=0), "pixels": lower.repeat(10, 1)})
    assert_close(
        torch.from_numpy(np.array(picture)).int(),
        torch.from_numpy(np.array(picture_grid(to_bytes(wanted["pixels"]), columns))).int(),
        atol=1,  # two orders of summation may round a pixel differently
        rtol=0,
    )
