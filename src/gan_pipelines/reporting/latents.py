"""Figures of what the latents of a generator do: one noise, or one code, moves while all others stay as they are."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from gan_pipelines.data.images import to_bytes
from gan_pipelines.models import InfoGAN, StackedGenerator
from gan_pipelines.parameters import CategoricalCode, ContinuousCode
from gan_pipelines.reporting.panels import Panel, draw_panels

TRAVERSALS = 5
"""For how many random settings of everything else each continuous code is moved."""
LITTLE = 0.5
"""Below this share of what real images vary, the pictures of a row look more alike than they should."""
OUTSIDE = "*"
"""Marks values of a code that training never drew."""
SHARES = {"slant_share": "slant", "stroke_width_share": "stroke width", "size_share": "size"}


@torch.no_grad()
def noise_panel(stack: StackedGenerator, level: str, rng: torch.Generator, columns: int, title: str = "") -> Panel:
    """One row per class: many noises of one level, while those of the other levels stay as they are (SGAN, figure 4).

    Args:
        stack: on the CPU, in evaluation mode.
        level: whose noise moves.
        rng: draws the noise; with labels, the noises that move are the same in every row.
        columns: noises per row.
        title: of the panel.
    """
    rows = len(stack.spec.classes)
    held = {name: values.repeat_interleave(columns, dim=0) for name, values in stack.sample_noise(rows, rng).items()}
    # without labels, rows with the same noises at the top would be the same
    moving = stack.latents[level].sample(columns if stack.spec.conditional else rows * columns, rng)
    noise = held | {level: moving.repeat(rows * columns // len(moving), 1)}
    pictures = to_bytes(list(stack(torch.arange(rows).repeat_interleave(columns), noise).values())[-1])
    return Panel(list(pictures.split(columns)), title, stack.spec.classes if stack.spec.conditional else ())


def noise_variations(
    stack: StackedGenerator,
    rng: torch.Generator,
    columns: int,
    title: str,
    caption: str,
    scores: pd.DataFrame | None = None,
) -> Image.Image:
    """One panel per level of a stack, in which its noise alone moves.

    Args:
        stack: on the CPU, in evaluation mode.
        rng: draws the noise.
        columns: noises per row.
        title: what is shown.
        caption: of what.
        scores: how each level uses its noise, measured on other pictures of the same stack.
    """
    levels = [level.target for level in stack.spec.levels]
    measured = {} if scores is None else {(row["score"], row["space"]): row for row in scores.to_dict("records")}
    titles = [f"noise of {level}{_noise_scores(measured, level)}" for level in levels]
    panels = [noise_panel(stack, level, rng, columns, name) for level, name in zip(levels, titles, strict=True)]
    said = f"{caption} In each panel, {columns} noises of one level from left to right; those of the others stay."
    if measured:
        within = "within a class" if stack.spec.conditional else "of all images"
        said += f" Variance: of the level's output over its noise, in units of the real variance {within}."
    return draw_panels(panels, title, said)


def _noise_scores(measured: Mapping[tuple[str, str], Mapping[Hashable, Any]], level: str) -> str:
    """Variance over the noise and share of it that Q reads, with their intervals, and why rows may look alike."""
    if ("noise_variance", level) not in measured:
        return ""
    variance, recovery = (measured[score, level] for score in ("noise_variance", "noise_recovery"))
    expected = variance["expected"]
    bound = "" if expected == 1 else "at most "  # a regression estimates it from above
    said = f": variance {_interval(variance)}, of real images {bound}{expected:.2f}; Q reads {_interval(recovery)}"
    alike = variance["value"] < LITTLE * (1 if pd.isna(expected) else expected)
    return f"{said}. The level uses its noise little, so the pictures of a row look alike" if alike else said


def _interval(row: Mapping[Hashable, Any]) -> str:
    return f"{row['value']:.2f}" + ("" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]")


def category_panels(
    gan: InfoGAN, rng: torch.Generator, columns: int, scores: pd.DataFrame | None = None
) -> list[Panel]:
    """One panel per categorical code, one row per category; everything else is random and the same in each row.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes.
        columns: random settings per row.
        scores: of the codes.
    """
    panels = []
    for name, code in gan.spec.parameters.single_codes.items():
        if isinstance(code, CategoricalCode):
            rows = _varied(gan, name, columns, columns, rng).transpose(0, 1)
            names = [f"{name} = {value}" for value in range(code.classes)]
            panels.append(Panel(list(rows), f"{name}{_category_scores(scores, name)}", names))
    return panels


def traversal_panels(
    gan: InfoGAN, rng: torch.Generator, columns: int, scores: pd.DataFrame | None = None
) -> list[Panel]:
    """One panel per continuous code; each row moves it along its traversal, and everything else is fixed.

    Args:
        gan: in evaluation mode.
        rng: draws noise and the other codes of each row.
        columns: points of a traversal.
        scores: of the codes.
    """
    panels = []
    for name, code in gan.spec.parameters.single_codes.items():
        if isinstance(code, ContinuousCode):
            values = torch.linspace(*code.traversal, columns).tolist()
            heads = [f"{value:.2g}{'' if code.low <= value <= code.high else OUTSIDE}" for value in values]
            start, end = code.traversal
            trained = f"{name} from {start:g} to {end:g}, trained on {code.low:g} to {code.high:g}"
            rows = list(_varied(gan, name, columns, TRAVERSALS, rng))
            panels.append(Panel(rows, f"{trained}{_traversal_scores(scores, name)}", column_names=heads))
    return panels


def category_rows(
    gan: InfoGAN, rng: torch.Generator, columns: int, caption: str, scores: pd.DataFrame | None = None
) -> Image.Image:
    """The panels of the categorical codes with what they mean."""
    said = f"{caption} Each row: one category; each column: the same noise and other codes."
    panels = category_panels(gan, rng, columns, scores)
    return _draw_codes(panels, "categorical", "What the categories of the InfoGAN generate", said)


def traversal_rows(
    gan: InfoGAN, rng: torch.Generator, columns: int, caption: str, scores: pd.DataFrame | None = None
) -> Image.Image:
    """The panels of the continuous codes with what they mean."""
    said = f"{caption} Each row: one code from left to right, with all else fixed. {explain_outside(gan)}"
    panels = traversal_panels(gan, rng, columns, scores)
    return _draw_codes(panels, "continuous", "What the continuous codes of the InfoGAN change", said)


def _draw_codes(panels: list[Panel], kind: str, title: str, caption: str) -> Image.Image:
    return draw_panels(panels, title, caption) if panels else draw_panels([], f"This InfoGAN has no {kind} code.")


def explain_outside(gan: InfoGAN) -> str:
    """What the mark at a value means, if there is any."""
    codes = [code for code in gan.spec.parameters.single_codes.values() if isinstance(code, ContinuousCode)]
    if all((code.low, code.high) == code.traversal for code in codes):
        return ""
    return f"{OUTSIDE}: outside the range that training drew from, where pictures may fall apart."


def _category_scores(scores: pd.DataFrame | None, code: str) -> str:
    found = _of_code(scores, code)
    said = []
    if "information_nats" in found:
        ceiling = f" of at most {found['prior_entropy_nats']:.2f}" if "prior_entropy_nats" in found else ""
        said.append(f"L_I {found['information_nats']:.2f}{ceiling} nats")
    if "classification_error" in found:
        said.append(f"error on real test images {found['classification_error']:.3f}")
    return f": {', '.join(said)}" if said else ""


def _traversal_scores(scores: pd.DataFrame | None, code: str) -> str:
    found = _of_code(scores, code)
    if "information_nats" not in found:
        return ""
    shares = [f"{name} {found[score]:.0%}" for score, name in SHARES.items() if score in found]
    explained = f"; explains of the variance of {', '.join(shares)}" if shares else ""
    return f": L_I {found['information_nats']:.2f} nats{explained}"


def _of_code(scores: pd.DataFrame | None, code: str) -> Mapping[str, float]:
    """The scores of one code that were measured, by name."""
    if scores is None:
        return {}
    rows = scores[(scores["space"] == code) & scores["value"].notna()]
    return dict(zip(rows["score"], rows["value"], strict=True))


def _varied(gan: InfoGAN, code: str, points: int, bases: int, rng: torch.Generator) -> Tensor:
    """Pictures as (bases, points, channels, height, width)."""
    pictures = gan.pictures(*gan.vary(code, gan.code_values(code, points), bases, rng))
    varied: Tensor = to_bytes(pictures).unflatten(0, (bases, -1))
    return varied
