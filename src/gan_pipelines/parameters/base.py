"""What every schema shares: unknown fields are refused, values are frozen once read."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class Schema(BaseModel):
    """A frozen block of YAML; an unknown or ill-typed field is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _refuse_booleans(value: Any) -> Any:
    """YAML's `true` would otherwise be read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("a number is needed here, not true or false")
    return value


Count = Annotated[int, BeforeValidator(_refuse_booleans), Field(gt=0)]
"""A whole number of at least 1."""

Weight = Annotated[float, BeforeValidator(_refuse_booleans), Field(ge=0, allow_inf_nan=False)]
"""A finite weight of at least 0."""

Rate = Annotated[float, BeforeValidator(_refuse_booleans), Field(gt=0, allow_inf_nan=False)]
"""A finite number above 0."""

Fraction = Annotated[float, BeforeValidator(_refuse_booleans), Field(gt=0, lt=1)]
"""A number strictly between 0 and 1."""

Decay = Annotated[float, BeforeValidator(_refuse_booleans), Field(ge=0, lt=1)]
"""An averaging decay in [0, 1); 0 switches the averaging off."""


class ExperimentError(ValueError):
    """Input that was refused before any work started; the message is one paragraph."""


def explain(error: ValidationError, prefix: str = "") -> str:
    """Turn a pydantic error into one paragraph: each field, what was found, what is allowed.

    Args:
        error: what pydantic raised.
        prefix: dotted path under which the failing schema stands in the YAML.
    """
    sentences = []
    for problem in error.errors():
        path = ".".join(str(part) for part in (prefix, *problem["loc"]) if str(part))
        found = problem["input"]
        shown = f" (found {found!r})" if isinstance(found, str | int | float | bool | None) else ""
        sentences.append(f"{path or 'parameters'}: {problem['msg'].removeprefix('Value error, ')}{shown}")
    return "Invalid parameters: " + "; ".join(sentences) + "."
