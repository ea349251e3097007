"""Labelled images, stored as uint8, and the one place where they become floats."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gan_pipelines.parameters import LABELS, PIXELS, UNCONDITIONAL, ExperimentError


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes.

    Attributes:
        images: values 0..255.
        labels: class indices, 0 .. len(classes) - 1.
        classes: names of the classes.
        made_from: of samples, the digest of each thing that made them; no part of the digest of the images.
        seed: of samples, that with which they were drawn; likewise.

    Raises:
        ExperimentError: type, shape, count or range of the images or labels is wrong.
    """

    images: UInt8[Tensor, "count channels height width"]
    labels: Int64[Tensor, "count"]
    classes: tuple[str, ...]
    made_from: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if self.images.dtype != torch.uint8:
            raise ExperimentError(f"images: must be uint8 (0..255); found {self.images.dtype}.")
        if len(shape) != 4 or shape[1] not in (1, 3) or 0 in shape:
            raise ExperimentError(
                f"images: must have the shape (count, 1 or 3 channels, height, width) with at least one image; "
                f"found {shape}."
            )
        if self.labels.dtype != torch.int64 or tuple(self.labels.shape) != shape[:1]:
            raise ExperimentError(
                f"labels: must be {shape[0]} int64 class indices, one per image; "
                f"found {tuple(self.labels.shape)} of {self.labels.dtype}."
            )
        values = self.labels.numpy()  # not torch: its threads must not start before a parallel runner forks
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= len(self.classes):
            raise ExperimentError(
                f"labels: must lie in 0..{len(self.classes) - 1}, one per class; found values from {low} to {high}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def pixels(self) -> "Representation":
        """h_0: the images themselves."""
        return Representation(PIXELS, self.images)

    def one_hot_labels(self) -> "Representation":
        """h_N: the labels as one-hot vectors, the condition of the first generator."""
        return Representation(LABELS, one_hot(self.labels, len(self.classes)))

    def conditions(self, name: str) -> "Representation":
        """The condition of the first level of a stack, by name: `labels` or `none`."""
        return self.one_hot_labels() if name == LABELS else Representation(UNCONDITIONAL, no_condition(self.labels))

    def subset(self, index: Int64[Tensor, "chosen"]) -> "LabelledImages":
        """The images at the given indices."""
        return LabelledImages(self.images[index], self.labels[index], self.classes)

    def image_digests(self) -> list[bytes]:
        """A digest of the pixels of each image: equal images have equal digests."""
        rows = self.images.flatten(1).contiguous().numpy()
        return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]

    def digest(self) -> str:
        """SHA-256 over shape, images, labels and class names."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """Computed once, although checks, stamps and nodes all ask for it; images never change."""
        digest = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        digest.update(self.images.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True)
class Representation:
    """One representation h_i of all training images, in their order.

    Attributes:
        name: such as `fc3`; `pixels` and `labels` come from the images themselves, `none` is the empty condition.
        values: one row per image; uint8 for pixels, float otherwise.
        encoder_digest: digest of the encoder that computed it; empty if none did.
    """

    name: str
    values: Shaped[Tensor, "count *shape"]
    encoder_digest: str = ""

    def to(self, device: torch.device) -> "Representation":
        """The same representation on a device."""
        return replace(self, values=self.values.to(device))

    def batch(self, index: Int64[Tensor, "batch"]) -> Float[Tensor, "batch *shape"]:
        """The values at the given indices as networks take them: floats, pixels in [0, 1]."""
        values = self.values[index]
        return to_unit_range(values) if values.dtype == torch.uint8 else values


def one_hot(labels: Int64[Tensor, "batch"], classes: int) -> Float[Tensor, "batch classes"]:
    """Labels as one-hot float vectors, the condition of a generator."""
    return functional.one_hot(labels, classes).float()


def no_condition(labels: Int64[Tensor, "batch"]) -> Float[Tensor, "batch 0"]:
    """One empty condition per label, for a generator that starts from noise alone."""
    return labels.new_empty((len(labels), 0), dtype=torch.float32)


def to_unit_range(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Scale 0..255 to [0, 1], the range of pixels in every network."""
    return images.float() / 255


def to_bytes(images: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Scale [0, 1] to 0..255, rounded to the nearest; the inverse of `to_unit_range`."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)


def to_picture(pixels: UInt8[Tensor, "channels height width"]) -> Image.Image:
    """One picture, grey or in colour."""
    return Image.fromarray((pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).numpy())


def stratified_indices(labels: Int64[Tensor, "count"], wanted: int, rng: torch.Generator) -> Int64[Tensor, "wanted"]:
    """Draw indices in random order, each class in proportion to its share of `labels` (largest remainder).

    Args:
        labels: class of every example.
        wanted: number of indices.
        rng: draws them.

    Raises:
        ValueError: more are wanted than there are.
    """
    if wanted > len(labels):
        raise ValueError(f"cannot choose {wanted} of {len(labels)}")
    chosen = []
    for label, share in enumerate(_class_shares(torch.bincount(labels), wanted).tolist()):
        of_class = (labels == label).nonzero().squeeze(1)
        chosen.append(of_class[torch.randperm(len(of_class), generator=rng)[:share]])
    index = torch.cat(chosen)
    return index[torch.randperm(len(index), generator=rng)]


def labels_in_proportion(like: Int64[Tensor, "count"], wanted: int) -> Int64[Tensor, "wanted"]:
    """Labels in the proportions of others, and evenly interleaved: 0, 1, .., 9, 0, 1, .. if all are equally frequent.

    Any number of labels from the start has nearly the same proportions (the method of Sainte-Lague).

    Args:
        like: labels whose proportions are kept.
        wanted: number of labels.
    """
    counts = torch.bincount(like).double()
    seats = torch.arange(wanted)[:, None] + 0.5  # the k-th image of a class is due at (k + 1/2) / share
    due = (seats / counts).flatten()  # (wanted x classes,), infinite for a class without images
    return due.argsort(stable=True)[:wanted] % len(counts)


def split_by_class(
    images: LabelledImages, fraction: float, rng: torch.Generator, field: str
) -> tuple[LabelledImages, LabelledImages]:
    """Set aside a fraction of the images, of each class in proportion to its share.

    Args:
        images: all images.
        fraction: of them, to be set aside.
        rng: draws them.
        field: where the fraction stands in the YAML.

    Returns:
        The images that are left, and those set aside, both in their old order.

    Raises:
        ExperimentError: a class would be absent from one of the two; names the smallest fraction that works.
    """
    wanted, counts = round(fraction * len(images)), images.labels.bincount(minlength=len(images.classes))
    if (lacking := ~_in_both(counts, wanted)).any():
        name = images.classes[int(lacking.int().argmax())]
        smallest = _smallest_fraction(counts)
        raise ExperimentError(
            f"{field}: {fraction} of {len(images)} images sets aside all or none of the class {name!r}; allowed: a "
            f"fraction that leaves every class in both sets; "
            + (f"here the smallest is {smallest}." if smallest else "here there is none, so add images.")
        )
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[stratified_indices(images.labels, wanted, rng)] = True
    return images.subset((~chosen).nonzero().squeeze(1)), images.subset(chosen.nonzero().squeeze(1))


def _class_shares(counts: Int64[Tensor, "classes"], wanted: int) -> Int64[Tensor, "classes"]:
    """How many of each class make up so many in proportion to the counts (largest remainder)."""
    exact = counts.double() * wanted / counts.sum()
    shares = exact.floor().long()
    rest = torch.argsort(exact - shares, descending=True, stable=True)[: wanted - int(shares.sum())]
    shares[rest] += 1
    return shares


def _in_both(counts: Int64[Tensor, "classes"], wanted: int) -> Bool[Tensor, "classes"]:
    """Whether each class has images among so many that are set aside, and among the others."""
    shares = _class_shares(counts, wanted)
    return (shares > 0) & (shares < counts)


def _smallest_fraction(counts: Int64[Tensor, "classes"]) -> float | None:
    """The smallest fraction, in few digits, that leaves every class in both sets; None if a class has no two images."""
    total = int(counts.sum())
    works = (wanted for wanted in range(len(counts), total) if _in_both(counts, wanted).all())
    if counts.min() < 2 or (wanted := next(works, None)) is None:
        return None
    rounded = (round(wanted / total, digits) for digits in range(1, 17))
    return next(fraction for fraction in rounded if round(fraction * total) == wanted)
