"""What a figure of pictures shows, and what it says."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from gan_pipelines.reporting.panels import to_image


@pytest.fixture
def said() -> Callable[[Figure], str]:
    """Everything that is written in a figure, from above and from the left, in one line."""
    return lambda figure: " ".join(text.get_text() for text in figure.texts)


@pytest.fixture
def shown() -> Callable[[Figure, torch.Tensor, int], list[tuple[int, int]]]:
    """Where in a figure, row and column in pixels, a picture stands that is enlarged by so much; none chosen."""

    def find(figure: Figure, picture: torch.Tensor, factor: int) -> list[tuple[int, int]]:
        sheet = np.asarray(to_image(figure))
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
