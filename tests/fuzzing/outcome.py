"""What every generated case must do: be accepted, or be refused in one paragraph."""

import resource
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hypothesis import currently_in_test_context, event, settings
from kedro.io import DatasetError

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.training.divergence import TrainingDiverged

Result = TypeVar("Result")
LONGEST_MESSAGE = 5_000
MOST_SECONDS, MOST_KIBIBYTES = 30, 2**20
"""What a case may take, although it may ask for anything: of the processor's time, and of memory."""


def cases(share: float) -> settings:
    """A share of all cases that the active profile asks for."""
    return settings(max_examples=round(share * settings().max_examples))


def accepted(attempt: Callable[[], Result], *named: str) -> Result | None:
    """The result of an attempt; None if it was refused.

    Args:
        attempt: must not raise anything but the project's own errors, which are printed without a traceback.
        named: of which a refusal must name at least one.
    """
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        result = attempt()
    except (ExperimentError, DatasetError, TrainingDiverged) as error:
        message = str(error)
        assert message, "the refusal says nothing"
        strange = {letter for letter in message if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")}
        assert not strange, f"the refusal is not one printable paragraph: {message!r}"
        assert len(message) <= LONGEST_MESSAGE, f"the refusal is long: {message[:200]}"
        assert any(name in message for name in named), f"the refusal names none of {named}: {message}"
        result = None
    seconds, more = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert seconds < MOST_SECONDS, f"it took {seconds:.0f} s"
    assert more < MOST_KIBIBYTES, f"it took {more / 2**20:.1f} GiB"
    if currently_in_test_context():
        event("refused" if result is None else "accepted")
    return result


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Nothing is written below the folder, and nothing is removed."""

    def content() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}

    before = content()
    yield
    assert content() == before
