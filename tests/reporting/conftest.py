"""What a figure of pictures shows, and what it says."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from gan_pipelines.reporting.panels import DESCRIPTION


@pytest.fixture
def said() -> Callable[[Image.Image], str]:
    """Everything that is written on a figure, panel by panel, in one line."""
    return lambda figure: figure.info[DESCRIPTION]


@pytest.fixture
def shown() -> Callable[[Image.Image, torch.Tensor, int], list[tuple[int, int]]]:
    """Where in a figure, row and column in pixels, a picture stands that is enlarged by so much; none chosen."""

    def find(figure: Image.Image, picture: torch.Tensor, factor: int) -> list[tuple[int, int]]:
        sheet = np.asarray(figure)
        wanted = np.kron(picture.permute(1, 2, 0).numpy(), np.ones((factor, factor, 1), dtype=np.uint8))
        wanted = np.broadcast_to(wanted, (*wanted.shape[:2], 3))
        height, width = wanted.shape[:2]
        corners = np.argwhere((sheet[: 1 - height, : 1 - width] == wanted[0, 0]).all(axis=2))
        found = []
        for y, x in corners.tolist():
            if (sheet[y, x : x + width] == wanted[0]).all() and (sheet[y : y + height, x : x + width] == wanted).all():
                found.append((y, x))
        return found

    return find
