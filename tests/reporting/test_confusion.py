"""Confusion matrices show shares, and numbers as long as they can be read."""

import math

import pytest
import torch

from gan_pipelines.reporting.confusion import Seen, confusion_matrices


def seen(title: str, rows: tuple[str, ...], labels: list[int], classes: list[int], of: int) -> Seen:
    return Seen(title, rows, torch.tensor(labels), torch.eye(of)[classes])


def test_a_confusion_matrix_has_the_shares_of_what_is_seen_in_each_row() -> None:
    samples = seen("samples", ("category 0", "category 1", "category 2"), [0, 0, 0, 0, 1], [0, 0, 0, 1, 1], 2)
    real = seen("real images", ("a", "b"), [0, 1, 1], [0, 1, 1], 2)
    figure = confusion_matrices([samples, real], ("a", "b"), "A title", "Seed 0.")
    left, right = figure.data
    assert [list(row) for row in left.z[:2]] == [[0.75, 0.25], [0.0, 1.0]]
    assert all(math.isnan(share) for share in left.z[2])  # no picture
    assert [list(row) for row in right.z] == [[1.0, 0.0], [0.0, 1.0]]
    assert [list(row) for row in left.text] == [["75", "25"], ["", "100"], ["", ""]]
    assert (list(left.x), list(left.y)) == (["a", "b"], ["category 0", "category 1", "category 2"])
    *titles, caption = [note.text for note in figure.layout.annotations]
    assert titles == ["samples, N = 5", "real images, N = 3"]
    for part in ("<b>A title</b>", "Seed 0.", "white row has no pictures"):
        assert part in caption.replace("<br>", " ")


@pytest.mark.parametrize(("classes", "numbers"), [(20, True), (21, False)])
def test_matrices_of_many_classes_have_no_numbers(classes: int, numbers: bool) -> None:
    names = tuple(f"class {number}" for number in range(classes))
    found = seen("samples", names, list(range(classes)), list(range(classes)), classes)
    (heat,) = confusion_matrices([found], names, "", "").data
    assert any(text for row in heat.text for text in row) is numbers
