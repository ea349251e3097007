"""What changes in pictures, and in codes inferred from them, while one code moves and everything else is constant."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

LEAST_INK = 1.0
"""In bright pixels; a picture with less ink counts as black, so faint noise of a generator is ignored."""

LEAST_SPREAD = 1e-9
"""In squared pixels; ink with less vertical spread is on a single row, up to rounding."""


def measure_pictures(pictures: Float[Tensor, "count 1 height width"]) -> dict[str, Float[Tensor, "count"]]:
    """Slant, stroke width and size of bright strokes on black; outside a picture there is no ink.

    `slant` is mu_11 / mu_02, x to the right and y upwards: the tangent of the strokes' angle against the vertical,
    positive if they lean to the right at the top, like /. Slanting upright strokes by t adds t to the measure, but a
    shape such as 7 has a slant of its own, so only slants within a class compare.

    `stroke_width` is 2 x ink / length of the contour, in pixels. In theory it is w for a closed ring of width w, and
    w l / (w + l) for a straight stroke of length l with blunt ends. From 2.5 pixels on, anti-aliased rings are within
    1 % of that, and straight strokes 18 pixels long within 5 %, at any angle. Strokes of 2 pixels come out 5 % too wide
    (at worst 12 %), of 1.5 pixels 14 % (35 %), of 1 pixel 43 % (100 %), because their light is spread over more pixels.

    `size` is the root mean square distance of the ink from its centre, sqrt(mu_20 + mu_02), in pixels.

    Args:
        pictures: in [0, 1], on the CPU.

    Returns:
        The three measures by name. All are NaN for a picture with less ink than one bright pixel, and the slant is NaN
        if the ink is on a single row.
    """
    ink = pictures.double().squeeze(1)
    total = ink.sum(dim=(1, 2))
    total = torch.where(total >= LEAST_INK, total, math.nan)
    columns, rows = ink.sum(dim=1), ink.sum(dim=2)  # (count, width), (count, height)
    x, y = torch.arange(columns.shape[1]), -torch.arange(rows.shape[1])  # image rows grow downwards
    x = x - (columns * x).sum(dim=1, keepdim=True) / total[:, None]  # (count, width)
    y = y - (rows * y).sum(dim=1, keepdim=True) / total[:, None]  # (count, height)
    mu_20, mu_02 = (columns * x**2).sum(dim=1) / total, (rows * y**2).sum(dim=1) / total
    mu_11 = torch.einsum("nhw,nh,nw->n", ink, y, x) / total
    return {
        "slant": torch.where(mu_02 > LEAST_SPREAD, mu_11 / mu_02, math.nan),
        "stroke_width": 2 * total / contour_length(ink),
        "size": (mu_20 + mu_02).sqrt(),
    }


def contour_length(ink: Float[Tensor, "count height width"]) -> Float[Tensor, "count"]:
    """Length of the border between bright and black in pixels: the total variation, sum of |gradient|.

    The gradient is taken at the corners between four pixels, where each derivative is the mean of two differences.
    One-sided differences would depend on the direction in which a stroke leans; differences over two pixels, as in
    Sobel's filter, would miss part of a thin stroke.
    """
    framed = functional.pad(ink, (1, 1, 1, 1))
    right, down = framed.diff(dim=2), framed.diff(dim=1)
    return torch.hypot((right[:, 1:] + right[:, :-1]) / 2, (down[:, :, 1:] + down[:, :, :-1]) / 2).sum(dim=(1, 2))


def explained_share(values: Float[Tensor, "bases points"]) -> float:
    """Share of the variance that one code explains by itself: its first-order Sobol index (Sobol 1993), in [0, 1].

    Var_points(E_bases[v]) / (Var_points(E_bases[v]) + E_points[Var_bases(v)]). The variance of the means over B bases
    is larger than that of the expectations, because the means still vary with the bases: for a code without effect, by
    about 1 / B of the total variance. As in a two-way analysis of variance, this excess is estimated from the residuals
    and subtracted, which makes both parts of the ratio unbiased; negative results count as 0.

    Args:
        values: a measure of the picture, with one row per random setting of everything else and one column per value
            of the code, the same values in all rows. Rows that contain NaN are left out.

    Returns:
        The share; NaN if fewer than two rows are left, or if all values are equal.
    """
    kept = _complete(values)
    return math.nan if len(kept) < 2 or kept.min() == kept.max() else max(_share(kept).item(), 0.0)


def left_out_shares(values: Float[Tensor, "bases points"]) -> Float[Tensor, "kept"]:
    """The explained share with one base left out at a time, of those without NaN; NaN of fewer than three.

    Unlike the share itself, it may be negative: values cut off at 0 would seem to vary less than they do.
    """
    kept = _complete(values)
    if len(kept) < 3:
        return torch.full((len(kept),), math.nan)
    others = (~torch.eye(len(kept), dtype=torch.bool)).nonzero()[:, 1].view(len(kept), -1)
    return _share(kept[others])


def chance_variance(values: Float[Tensor, "bases points"]) -> float:
    """Variance of the explained share of a code without effect, before it is cut off at 0.

    The means over B bases then are normal, around a common value, with 1 / B of the covariance C of the points, and the
    mean of P squares has the variance 2 tr(C^2) / (P B)^2.
    """
    kept = _complete(values)
    points, bases = kept.shape[1], len(kept)
    covariance = (kept - kept.mean(dim=1, keepdim=True)).T.cov()
    total = kept.var(dim=0).mean()
    return (2 * covariance.square().sum() / (points * bases * total) ** 2).item()


def _complete(values: Float[Tensor, "bases points"]) -> Float[Tensor, "kept points"]:
    return values[~values.isnan().any(dim=1)].double()


def _share(values: Float[Tensor, "... bases points"]) -> Float[Tensor, "..."]:
    centred = values - values.mean(dim=-1, keepdim=True)
    excess = centred.var(dim=-2).mean(dim=-1) / values.shape[-2]
    explained = values.mean(dim=-2).var(dim=-1, correction=0) - excess
    return explained / (explained + values.var(dim=-2).mean(dim=-1))


def category_changes(categories: Int64[Tensor, "bases points"]) -> Float[Tensor, "bases"]:
    """Share of points outside the most frequent category of their base; 0 if the category does not change.

    Args:
        categories: what is seen in the picture, with one row per random setting of everything else and one column per
            value of the code.
    """
    most_frequent = categories.mode(dim=1, keepdim=True).values
    return (categories != most_frequent).double().mean(dim=1)


def drift(means: Float[Tensor, "bases points"], low: float, high: float) -> Float[Tensor, "bases"]:
    """How far an inferred continuous code moves along another code: its variance, divided by that of the prior.

    0: it does not move; 1: it moves as if it were drawn from the prior at each point.

    Args:
        means: mean of Q(c|x), with one row per random setting of everything else and one column per value of the other
            code.
        low: lower end of the code's uniform prior.
        high: upper end.
    """
    return means.double().var(dim=1, correction=0) / ((high - low) ** 2 / 12)
