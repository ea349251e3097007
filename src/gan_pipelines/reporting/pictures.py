"""Figures of generated and real pictures.

Samples stand in the order in which they were drawn, never selected, unless the figure says how.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.metrics.neighbours import nearest_pictures
from gan_pipelines.models.sampler import Asked, Sampler
from gan_pipelines.reporting.panels import Panel, draw_panels

Pictures = UInt8[Tensor, "count channels height width"]

REAL_SHARE = 3
"""Beside so many columns of samples stands one of real images."""


def sample_grid(
    samples: LabelledImages, columns: int, title: str, caption: str = "", real: LabelledImages | None = None
) -> Image.Image:
    """One row per class with its first `columns` pictures, beside real images; those of a single class fill a square.

    Args:
        samples: of several classes, or of one.
        columns: samples per row.
        title: what is shown.
        caption: of what, and how many.
        real: whose first images stand beside the samples, class by class if both have the same classes.
    """
    panels = [Panel(_class_rows(samples, columns), _named("samples", real), _row_names(samples))]
    said = [caption]
    if real is not None:
        panels.append(Panel(_real_rows(samples, real, len(panels[0].rows), columns), "real images"))
        said.append(f"Right: the first of {_rows_of(samples, real)}.")
    if len({len(row) for row in panels[0].rows}) > 1:
        said.append("A row that is shorter has no more samples.")
    return draw_panels(panels, title, " ".join(said), across=2)


def nearest_images(
    samples: LabelledImages,
    train_images: LabelledImages,
    columns: int,
    title: str,
    caption: str = "",
    real: LabelledImages | None = None,
) -> Image.Image:
    """One row per class: samples, each with the training image nearest to it in pixels on its right (SGAN, figure 3).

    Args:
        samples: the first of each class are shown.
        train_images: whatever a generator could have memorised.
        columns: pictures per row, of which half are samples.
        title: what is shown.
        caption: of what, and how many.
        real: images that are no training images, for which the same is shown.
    """
    pairs = max(columns // 2, 1)
    rows = _class_rows(samples, pairs, of_single=pairs * columns)
    others = [] if real is None else _real_rows(samples, real, len(rows), pairs)
    beside, distances = _beside_nearest([*rows, *others], train_images)
    panels = [Panel(beside[: len(rows)], _named("samples", real), _row_names(samples), below=distances[: len(rows)])]
    said = [
        caption,
        "Right of each picture: the training image nearest to it, and their distance, in pixels of 0 to 1.",
    ]
    if real is not None:
        panels.append(Panel(beside[len(rows) :], "held-out images", below=distances[len(rows) :]))
        said.append(f"Held-out images: the first of {_rows_of(samples, real)}.")
        said.append("A sample that is much closer to its neighbour than held-out images are to theirs may be a copy.")
    return draw_panels(panels, title, " ".join(said), across=2)


def _beside_nearest(
    rows: Sequence[Pictures], train_images: LabelledImages
) -> tuple[Sequence[Pictures], Sequence[Sequence[str]]]:
    """Rows in which each picture is followed by its nearest training image, and the distances as texts below them."""
    found = nearest_pictures(torch.cat(list(rows)), train_images.images)
    sizes = [len(row) for row in rows]
    beside, below = [], []
    for row, indices, distances in zip(rows, found.indices.split(sizes), found.distances.split(sizes), strict=True):
        beside.append(torch.stack([row, train_images.images[indices]], dim=1).flatten(0, 1))
        below.append([text for distance in (distances / 255).tolist() for text in ("", f"{distance:.1f}")])
    return beside, below


def least_confident(
    samples: LabelledImages,
    logits: Float[Tensor, "count classes"],
    real: LabelledImages,
    real_logits: Float[Tensor, "reals classes"],
    columns: int,
    title: str,
    caption: str,
) -> Image.Image:
    """One row per class: the samples in which the judge sees it least, beside the real images in which it does so.

    Args:
        samples: of requested classes; of other samples, those in which the judge is sure of no class are shown.
        logits: of the judge for them.
        real: the real images.
        real_logits: of the judge for them.
        columns: samples per row.
        title: what is shown.
        caption: of what, and how many.
    """
    labelled = samples.classes == real.classes
    sure, of_real = _confidence(samples.labels, logits, labelled), _confidence(real.labels, real_logits, True)
    panel = _lowest(samples, logits, sure, columns, "samples", real.classes)
    shown = max(columns // REAL_SHARE, 1)
    if labelled:
        beside = _lowest(real, real_logits, of_real, shown, "real images", real.classes)
    else:
        whole = LabelledImages(real.images, torch.zeros_like(real.labels), ("real",))
        beside = _lowest(whole, real_logits, of_real, shown, "real images", real.classes, rows=len(panel.rows))
    asked = "the requested class, or the true one" if labelled else "that class, or the true one of a real image"
    caption += "" if labelled else " The rows of real images have nothing to do with those on the left."
    said = f"{caption} Below: the class that the judge sees, and its probability of {asked}."
    if len(real.classes) == 1:
        said += " With a single class the judge has nothing to distinguish, and is sure of everything."
    panels = [panel, Panel(beside.rows, beside.title, below=beside.below)]
    return draw_panels(panels, title, said, across=2)


def _confidence(labels: Tensor, logits: Float[Tensor, "count classes"], labelled: bool) -> Float[Tensor, "count"]:
    shares = logits.softmax(dim=1)
    return shares.gather(1, labels[:, None]).squeeze(1) if labelled else shares.max(dim=1).values


def _lowest(
    pictures: LabelledImages,
    logits: Float[Tensor, "count classes"],
    sure: Float[Tensor, "count"],
    columns: int,
    title: str,
    classes: Sequence[str],
    rows: int | None = None,
) -> Panel:
    """The pictures of each class with the lowest confidence, ascending; of a single class, in `rows` rows."""
    chosen = []
    for label in range(len(pictures.classes)):
        of_class = (pictures.labels == label).nonzero().squeeze(1)
        chosen.append(of_class[sure[of_class].argsort(stable=True)])
    if len(chosen) == 1:
        chosen = list(chosen[0][: columns * (rows or columns)].split(columns))
    chosen = [row[:columns] for row in chosen]
    seen = [[classes[place] for place in logits[row].argmax(dim=1).tolist()] for row in chosen]
    below = [
        [f"{name}\n{share:.2f}" for name, share in zip(names, sure[row].tolist(), strict=True)]
        for names, row in zip(seen, chosen, strict=True)
    ]
    return Panel([pictures.images[row] for row in chosen], title, _row_names(pictures), below=below)


def interpolations(sampler: Sampler, start: Asked, end: Asked, columns: int, title: str, caption: str) -> Image.Image:
    """One row per pair of pictures: the first, then those on the way to the second, through noise and codes.

    Args:
        sampler: draws them.
        start: the pictures on the left; their labels, categories and codes that were asked for hold for whole rows.
        end: those on the right.
        columns: pictures per row, at least 2.
        title: what is shown.
        caption: of what, and how many.
    """
    left, right = sampler.draw(start), sampler.draw(end)
    shares = torch.linspace(0, 1, columns).tolist()
    steps = [sampler.interpolate(left, right, share) for share in shares]
    pictures = torch.stack([sampler.generate(latents, start.labels) for latents in steps], dim=1)
    names = [sampler.classes[label] for label in start.labels] if sampler.classes else ()
    panel = Panel(list(pictures), row_names=names, column_names=[f"{share:.2f}" for share in shares])
    said = "Above: how far on the way, in equal steps through noise and codes; labels and what was set stay the same."
    return draw_panels([panel], title, f"{caption} {said}")


def ablation_grids(samples: Mapping[str, LabelledImages], columns: int, across: int, caption: str) -> Image.Image:
    """One panel per variant, with its name as title: the first samples, one row per class if they have labels.

    Args:
        samples: by variant.
        columns: pictures per row of a panel.
        across: panels per line.
        caption: of what, and how many.
    """
    panels = [Panel(_class_rows(found, columns), row, _row_names(found)) for row, found in samples.items()]
    return draw_panels(panels, "Samples of each row of SGAN's table 1, and real images", caption, across)


def _class_rows(pictures: LabelledImages, columns: int, of_single: int | None = None) -> list[Pictures]:
    """The first pictures of each class; of a single class so many that they fill a square."""
    if len(pictures.classes) == 1:
        return list(pictures.images[: of_single or columns**2].split(columns))
    return [pictures.images[pictures.labels == label][:columns] for label in range(len(pictures.classes))]


def _real_rows(samples: LabelledImages, real: LabelledImages, rows: int, columns: int) -> list[Pictures]:
    """Real images for a panel beside one of so many rows and columns."""
    shown = max(columns // REAL_SHARE, 1)
    if samples.classes == real.classes and len(real.classes) > 1:
        return _class_rows(real, shown)
    wanted = min(rows * shown, len(real))
    index = torch.arange(wanted) * len(real) // wanted  # files may be sorted by class
    return list(real.images[index].split(shown))


def _rows_of(samples: LabelledImages, real: LabelledImages) -> str:
    if samples.classes == real.classes and len(real.classes) > 1:
        return "each class"
    return "equal parts of their file; their rows have nothing to do with those on the left"


def _row_names(pictures: LabelledImages) -> Sequence[str]:
    """The classes, or nothing if there is only one."""
    return pictures.classes if len(pictures.classes) > 1 else ()


def _named(title: str, real: LabelledImages | None) -> str:
    """Panels have a title if there are several."""
    return title if real is not None else ""
