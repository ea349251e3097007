"""Only what should move moves, and the figure says what, how far and how much of it is meant."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models import InfoGAN, InfoGANSpec, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.reporting.latents import (
    category_panels,
    category_rows,
    explain_outside,
    noise_panel,
    noise_variations,
    traversal_panels,
    traversal_rows,
)
from gan_pipelines.reporting.panels import Panel

Said = Callable[[Image.Image], str]
CATEGORY, STYLE = {"distribution": "categorical", "classes": 4}, {"distribution": "uniform"}
COLUMNS = 4


@pytest.fixture
def stack(levels: Callable[..., list[LevelGAN]]) -> StackedGenerator:
    """An untrained stack of three levels."""
    return assemble_stack(levels(3), ("a", "b", "c", "d")).eval()


def assert_alike(found: Panel, expected: torch.Tensor) -> None:
    """Batches of another size may round a pixel differently."""
    assert_close(torch.stack(list(found.rows)).int(), to_bytes(expected).int(), atol=1, rtol=0)


@pytest.mark.parametrize("moving", [0, 1, 2])
def test_the_noise_of_one_level_moves_and_that_of_the_others_stays(stack: StackedGenerator, moving: int) -> None:
    level = stack.spec.levels[moving].target
    panel = noise_panel(stack, level, torch.Generator().manual_seed(3), COLUMNS, "a title")
    rng = torch.Generator().manual_seed(3)
    held = stack.sample_noise(4, rng)
    moved = stack.latents[level].sample(COLUMNS, rng)
    rows = []
    for label in range(4):
        noise = {name: values[label : label + 1].expand(COLUMNS, -1) for name, values in held.items()}
        rows.append(stack(torch.full((COLUMNS,), label), noise | {level: moved})["pixels"])
    assert_alike(panel, torch.stack(rows))
    assert (panel.title, list(panel.row_names)) == ("a title", ["a", "b", "c", "d"])


def test_without_labels_every_noise_is_another_one(levels: Callable[..., list[LevelGAN]]) -> None:
    stack = assemble_stack(levels(2, top="none"), ("a", "b", "c", "d")).eval()
    panel = noise_panel(stack, stack.spec.levels[0].target, torch.Generator().manual_seed(3), COLUMNS)
    assert len(torch.cat(list(panel.rows)).unique(dim=0)) == 4 * COLUMNS
    assert not panel.row_names


def test_every_level_has_a_panel_with_its_numbers_and_the_reason_why_rows_look_alike(
    stack: StackedGenerator, said: Said
) -> None:
    first, second, third = (level.target for level in stack.spec.levels)
    rows = [
        ("noise_variance", first, 0.847, 0.833, 0.861, 1.0),
        ("noise_recovery", first, 0.821, 0.819, 0.823, None),
        ("noise_variance", second, 0.1, None, None, 0.3),
        ("noise_recovery", second, 0.2, None, None, None),
    ]
    scores = pd.DataFrame(rows, columns=["score", "space", "value", "low", "high", "expected"])
    figure = noise_variations(stack, torch.Generator(), COLUMNS, "A title", "Seed 0.", scores)
    text = said(figure)
    assert f"noise of {first}: variance 0.85 [0.83, 0.86], of real images 1.00; Q reads 0.82 [0.82, 0.82]" in text
    assert f"noise of {second}: variance 0.10, of real images at most 0.30; Q reads 0.20. The level uses" in text
    assert text.count("look alike") == 1
    assert f"noise of {third}" in text
    assert "Seed 0." in text
    assert f"{COLUMNS} noises of one level" in text
    assert text.count("a b c d") == 3


@pytest.mark.parametrize("classes", [(4,), (4, 2)], ids=["one code", "two codes"])
def test_each_row_is_a_category_with_everything_else_the_same(
    infogan_spec: Callable[..., InfoGANSpec], classes: tuple[int, ...]
) -> None:
    codes = {f"c{count}": {**CATEGORY, "classes": count} for count in classes} | {"style": STYLE}
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    panels = category_panels(gan, torch.Generator().manual_seed(3), columns=6)
    rng, place = torch.Generator().manual_seed(3), 0
    for count, panel in zip(classes, panels, strict=True):
        noise, drawn = gan.noise.sample(6, rng), gan.codes.sample(6, rng)
        rows = []
        for category in torch.eye(count):
            drawn[:, place : place + count] = category
            rows.append(gan.pictures(noise, drawn))
        assert_alike(panel, torch.stack(rows))
        assert list(panel.row_names) == [f"c{count} = {value}" for value in range(count)]
        place += count


def test_each_row_moves_one_code_along_its_traversal_and_nothing_else(
    infogan_spec: Callable[..., InfoGANSpec],
) -> None:
    codes = {"far": {**STYLE, "traversal": [-4, 4]}, "category": CATEGORY, "near": {**STYLE, "count": 2}}
    gan = InfoGAN(infogan_spec(codes=codes)).eval()
    panels = traversal_panels(gan, torch.Generator().manual_seed(3), columns=5)
    rng = torch.Generator().manual_seed(3)
    for panel, place, end, name in zip(panels, (0, 5, 6), (4, 2, 2), ("far", "near_1", "near_2"), strict=True):
        noise, drawn = gan.noise.sample(5, rng), gan.codes.sample(5, rng)
        points = []
        for value in torch.linspace(-end, end, 5):
            drawn[:, place] = value
            points.append(gan.pictures(noise, drawn))
        assert_alike(panel, torch.stack(points, dim=1))
        assert panel.title == f"{name} from {-end} to {end}, trained on -1 to 1"
        outside = ["-4*", "-2*", "0", "2*", "4*"] if end == 4 else ["-2*", "-1", "0", "1", "2*"]
        assert list(panel.column_names) == outside


def test_values_are_marked_only_where_some_lie_outside(infogan_spec: Callable[..., InfoGANSpec], said: Said) -> None:
    wide, narrow = (
        InfoGAN(infogan_spec(codes={"style": {**STYLE, "traversal": [-end, end]}})).eval() for end in (2, 1)
    )
    assert "*: outside the range" in said(traversal_rows(wide, torch.Generator(), 5, "Seed 0."))
    assert explain_outside(narrow) == ""
    assert "*" not in said(traversal_rows(narrow, torch.Generator(), 5, "Seed 0."))


def test_codes_are_shown_with_what_was_measured_of_them(infogan_spec: Callable[..., InfoGANSpec], said: Said) -> None:
    gan = InfoGAN(infogan_spec(codes={"category": CATEGORY, "style": STYLE})).eval()
    rows = [
        ("information_nats", "category", 1.25),
        ("prior_entropy_nats", "category", 1.386),
        ("classification_error", "category", 0.152),
        ("information_nats", "style", 1.18),
        ("slant_share", "style", 0.573),
        ("size_share", "style", None),
    ]
    scores = pd.DataFrame(rows, columns=["score", "space", "value"])
    assert "category: L_I 1.25 of at most 1.39 nats, error on real test images 0.152" in said(
        category_rows(gan, torch.Generator(), 9, "Seed 0.", scores)
    )
    (panel,) = traversal_panels(gan, torch.Generator(), 5, scores)
    assert panel.title.endswith("trained on -1 to 1: L_I 1.18 nats; explains of the variance of slant 57%")


def test_coloured_pictures_keep_their_colours(infogan_spec: Callable[..., InfoGANSpec]) -> None:
    gan = InfoGAN(infogan_spec(image_shape=(3, 8, 8))).eval()
    for panel in (*category_panels(gan, torch.Generator(), 6), *traversal_panels(gan, torch.Generator(), 6)):
        red, green, blue = torch.cat(list(panel.rows)).int().unbind(dim=1)
        assert (red - green).abs().max() > 0
        assert (green - blue).abs().max() > 0


@pytest.mark.parametrize(
    ("draw", "codes", "missing"),
    [(category_rows, {"style": STYLE}, "categorical"), (traversal_rows, {"category": CATEGORY}, "continuous")],
)
def test_a_missing_kind_of_code_is_replaced_by_a_sentence(
    infogan_spec: Callable[..., InfoGANSpec],
    said: Said,
    draw: Callable[..., Image.Image],
    codes: dict[str, object],
    missing: str,
) -> None:
    figure = draw(InfoGAN(infogan_spec(codes=codes)).eval(), torch.Generator(), 6, "Seed 0.")
    assert said(figure) == f"This InfoGAN has no {missing} code."
