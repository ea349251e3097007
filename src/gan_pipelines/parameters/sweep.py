"""What a sweep tries, and by which score."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from gan_pipelines.parameters.base import (
    LONGEST_PATH,
    Count,
    Name,
    Natural,
    Number,
    Rate,
    Schema,
    Window,
    WithoutRemoved,
)

Value = (
    StrictBool
    | Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | StrictStr
    | None
)
"""A single value of an experiment."""


class Interval(Schema):
    """Values between two ends, both included."""

    low: Any
    high: Any

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"high: must be above low, {self.low}; found {self.high}")
        return self

    @property
    def extremes(self) -> tuple[Value, ...]:
        """The values that the schemas of an experiment must allow for all of them to be allowed."""
        return self.low, self.high


class UniformRange(Interval):
    """Numbers, each as likely as the others."""

    distribution: Literal["uniform"]
    low: Number
    high: Number


class LogUniformRange(Interval):
    """Positive numbers, each order of magnitude as likely as the others."""

    distribution: Literal["log_uniform"]
    low: Rate
    high: Rate


class IntegerRange(Interval):
    """Whole numbers.

    Attributes:
        step: between two of them, from `low` on; a divisor of `high` - `low`.
    """

    distribution: Literal["integers"]
    low: Annotated[Natural, Field(le=1_000_000_000)]
    high: Count
    step: Count = 1

    @model_validator(mode="after")
    def _check_step(self) -> Self:
        if (self.high - self.low) % self.step:
            raise ValueError(f"step: must divide high - low, {self.high - self.low}; found {self.step}")
        return self


class Choices(Schema):
    """A few values, in no order."""

    distribution: Literal["choices"]
    values: Annotated[tuple[Value, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if len(set(self.values)) < len(self.values):  # 1, 1.0 and true are one value
            raise ValueError(f"values: must differ from each other; found {list(self.values)}")
        return self

    @property
    def extremes(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values


Range = Annotated[UniformRange | LogUniformRange | IntegerRange | Choices, Field(discriminator="distribution")]
Place = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$", max_length=LONGEST_PATH)]
"""A parameter by its place in the YAML, such as `infogan.training.learning_rate`."""


class Pruning(Schema):
    """A trial is broken off if its generator scores worse while it trains than those of earlier trials did.

    Attributes:
        pruner: optuna's; `median` breaks a trial off whose best Frechet distance so far is above the median of what the
            scored trials had at that step.
        startup_trials: so many trials must have a score before one is broken off.
        warmup_steps: of a training, in which none is.
    """

    pruner: Literal["median"]
    startup_trials: Count = 5
    warmup_steps: Natural = 0


class SweepParameters(Schema):
    """Trainings of an experiment with other values.

    Attributes:
        parameters: the values to try, by the place of each parameter in the YAML.
        score: what decides, as `<generator>/<score>.<space>`, such as `infogan/frechet_distance_infinity.judge`; it is
            measured against validation images.
        shared: pipelines that run once, before all trials.
        pipelines: what each trial runs; they make the score.
        seeds: each trial trains once with each; they replace `run.seed`, and the mean of the scores decides.
        trials: how many.
        best: so many of them become experiments.
        pruning: whether trials that are behind are broken off, by the watch curve of their first seed.
    """

    parameters: Annotated[dict[Place, Range], WithoutRemoved] = Field(default_factory=dict)
    score: str = "infogan/frechet_distance_infinity.judge"
    shared: tuple[Name, ...] = ("data_preparation", "judge", "real_evaluation")
    pipelines: Annotated[tuple[Name, ...], Field(min_length=1)] = ("infogan_training", "infogan_evaluation")
    seeds: Annotated[tuple[Natural, ...], Field(min_length=1)] = (0,)
    trials: Count = 20
    best: Window = 1
    pruning: Annotated[Pruning | None, Field(exclude_if=lambda found: found is None)] = None

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: must differ from each other; found {list(self.seeds)}")
        return self
