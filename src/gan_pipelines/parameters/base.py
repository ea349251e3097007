"""What every schema shares: unknown fields are refused, values are frozen once read."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator


class Schema(BaseModel):
    """A frozen block of YAML; an unknown or ill-typed field is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    renamed_fields: ClassVar[Mapping[str, str]] = {}
    """Fields of earlier versions, and what to write instead."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed(cls, values: Any) -> Any:
        for old, new in cls.renamed_fields.items():
            if isinstance(values, Mapping) and old in values:
                raise ValueError(f"{old}: was renamed; write {new}")
        return values


def _refuse_booleans(value: Any) -> Any:
    """YAML's `true` would otherwise be read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("a number is needed here, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_booleans), Field(allow_inf_nan=False)]
"""A finite number."""

Weight = Annotated[Number, Field(ge=0)]
"""A finite number of at least 0."""

Rate = Annotated[Number, Field(gt=0)]
"""A finite number above 0."""

Fraction = Annotated[Number, Field(gt=0, lt=1)]
"""A number strictly between 0 and 1."""

Decay = Annotated[Number, Field(ge=0, lt=1)]
"""A decay in [0, 1); of averaged weights, 0 switches the averaging off."""

GREATEST_SIZE, GREATEST_WINDOW = 1_000_000, 1_000

Natural = Annotated[int, BeforeValidator(_refuse_booleans), Field(ge=0, le=2**63 - 1)]
"""A whole number of at least 0, of at most 63 bits."""

Count = Annotated[int, BeforeValidator(_refuse_booleans), Field(gt=0, le=1_000_000_000)]
"""A whole number from 1 to 1,000,000,000."""

Window = Annotated[Count, Field(le=GREATEST_WINDOW)]
"""An extent in pixels, or a number of things side by side, from 1 to 1,000."""

Margin = Annotated[Natural, Field(le=GREATEST_WINDOW)]
"""An extent in pixels from 0 to 1,000."""

Width = Annotated[Count, Field(le=GREATEST_SIZE)]
"""A number of features, channels, entries or classes, from 1 to a million."""


def _without_removed(entries: Any) -> Any:
    return {k: v for k, v in entries.items() if v is not None} if isinstance(entries, Mapping) else entries


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]
"""A name of a representation: letters, digits and underscores, at most 100."""

LONGEST_PATH = 1_000

FilePath = Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)]
"""A path of a file or folder, of at most 1,000 characters."""

WithoutRemoved = BeforeValidator(_without_removed)
"""Of a mapping of named entries: those that an experiment sets to `null` are removed."""


FOUND_CHARACTERS = 80
"""More of a bad value, or of the name of a field, is not shown."""


class ExperimentError(ValueError):
    """Input that was refused before any work started; the message is one paragraph.

    Args:
        message: what was found, and what is allowed; names that are part of it may hold anything.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(map(_visible, message)))


class ClusterLost(ExperimentError):
    """The machines on which it ran are gone, for which the experiment is not to blame."""


def _visible(letter: str) -> str:
    """A letter as it is, or its escape sequence if it would move a terminal's cursor or could not be encoded."""
    breaks = unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
    return letter.encode("unicode_escape", "surrogatepass").decode() if breaks else letter


def shortened(text: str, most: int = FOUND_CHARACTERS) -> str:
    """The beginning of a text that has more characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def in_short(complaint: object, most: int = LONGEST_PATH) -> str:
    """What another package complains of, in one paragraph, without the whole of a long word that it quotes.

    Args:
        complaint: its error, or the message of it.
        most: characters of a word that are shown; by default as many as a path may have.
    """
    return " ".join(shortened(word, most) for word in str(complaint).split())


def explain(error: ValidationError, raw: Any, prefix: str = "") -> str:
    """Turn a pydantic error into one paragraph: each field as it stands in the YAML, what was found, what is allowed.

    Args:
        error: what pydantic raised.
        raw: what was validated.
        prefix: dotted path under which it stands in the YAML.
    """
    sentences = []
    for problem in error.errors():
        named = problem["type"] in ("missing", "extra_forbidden")
        path = [prefix, *_path_in_yaml(problem["loc"], raw, named)]
        message = in_short(problem["msg"].removeprefix("Value error, "), FOUND_CHARACTERS)
        inner = re.match(r"([a-z]\w*(?:\.\w+)*): ", message)  # a check across fields names the field itself
        if inner:
            path, message = [*path, inner[1]], message[inner.end() :]
        shown = f" (found {shortened(repr(problem['input']))})"
        sentences.append(f"{'.'.join(filter(None, path))}: {message}{'' if inner else shown}")
    return "Invalid parameters: " + "; ".join(sentences) + "."


def _path_in_yaml(location: Sequence[int | str], raw: Any, names_its_end: bool) -> list[str]:
    """The location without what stands in no YAML: pydantic puts the name of a union's chosen member into it.

    Args:
        location: where pydantic saw the problem.
        raw: what was validated.
        names_its_end: whether the end is a field although it may be absent.
    """
    path, here = [], raw
    for depth, part in enumerate(location):
        if isinstance(here, Mapping):
            known = part in here
        else:
            known = isinstance(part, int) and isinstance(here, Sequence) and part < len(here)
        if known:
            here = here[part]
        if known or (names_its_end and depth == len(location) - 1):
            path.append(shortened(str(part)))
    return path


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as pairs of a dotted key and a text; values that are no text become compact JSON."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
