"""What every generated case must do: be accepted, or be refused in one paragraph."""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hypothesis import event, settings
from kedro.io import DatasetError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.training.divergence import TrainingDiverged

Result = TypeVar("Result")
LONGEST_MESSAGE = 5_000


def cases(share: float) -> settings:
    """A share of all cases that the active profile asks for."""
    return settings(max_examples=round(share * settings().max_examples))


def accepted(attempt: Callable[[], Result], *named: str) -> Result | None:
    """The result of an attempt; None if it was refused.

    Args:
        attempt: must not raise anything but the project's own errors, which are printed without a traceback.
        named: of which a refusal must name at least one.
    """
    try:
        result = attempt()
    except (ExperimentError, DatasetError, TrainingDiverged) as error:
        message = str(error)
        assert message, "the refusal says nothing"
        strange = {letter for letter in message if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")}
        assert not strange, f"the refusal is not one printable paragraph: {message!r}"
        assert len(message) <= LONGEST_MESSAGE, f"the refusal is long: {message[:200]}"
        assert any(name in message for name in named), f"the refusal names none of {named}: {message}"
        event("refused")
        return None
    event("accepted")
    return result


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing is written below the folder, and nothing is removed."""

    def content() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}

    before = content()
    yield
    assert content() == before
