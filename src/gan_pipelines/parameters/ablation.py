"""Which losses, and which training, matter how much: the rows of SGAN's table 1, each with several seeds."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Natural, Schema
from gan_pipelines.parameters.data import RunParameters
from gan_pipelines.parameters.sgan import LABELS, PIXELS, UNCONDITIONAL, SGANParameters

SINGLE_LEVEL_TERMS: dict[str, tuple[str, ...]] = {
    "adv": (),
    "adv_ent": ("entropy",),
    "adv_cond": ("conditional",),
    "adv_cond_ent": ("conditional", "entropy"),
}
"""Rows of the bottom level alone, and the losses that are on besides the adversarial one."""

ROWS = (*SINGLE_LEVEL_TERMS, "independent", "joint")
"""All rows: then the whole stack without joint training, and with it."""


class AblationParameters(Schema):
    """How often every row is trained.

    Attributes:
        seeds: one training of each row a seed; they take the place of `run.seed`.
    """

    seeds: Annotated[tuple[Natural, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: must differ from each other; found {list(self.seeds)}")
        return self


class Branch(Schema):
    """One row with one seed: the settings that its trainings see in place of the experiment's.

    Attributes:
        row: one of `ROWS`.
        run: the experiment's, with the branch's seed.
        sgan: the experiment's, or the bottom level alone with some losses off.
    """

    row: str
    run: RunParameters
    sgan: SGANParameters

    @property
    def name(self) -> str:
        """Such as `adv_cond_seed_0`."""
        return branch_name(self.row, self.run.seed)

    def title(self, level: str | None = None) -> str:
        """What its trainings are called, such as `adv_cond seed 0`; with a level `independent fc3 seed 0`."""
        return " ".join(filter(None, [self.row, level, f"seed {self.run.seed}"]))


def branch_name(row: str, seed: int) -> str:
    """Such as `adv_cond_seed_0`."""
    return f"{row}_seed_{seed}"


def branch_names(seeds: Sequence[int]) -> list[str]:
    """Every branch, row by row in the order of `ROWS`."""
    return [branch_name(row, seed) for row in ROWS for seed in seeds]


def plan_branches(run: RunParameters, sgan: SGANParameters, ablation: AblationParameters) -> list[Branch]:
    """The settings of every branch, in the order of `branch_names`."""
    return [
        Branch(row=row, run=run.model_copy(update={"seed": seed}), sgan=_settings(row, sgan))
        for row in ROWS
        for seed in ablation.seeds
    ]


def _settings(row: str, sgan: SGANParameters) -> SGANParameters:
    """The whole stack, or the networks of the pixels alone; without the conditional loss they get no labels either."""
    if row not in SINGLE_LEVEL_TERMS:
        return sgan
    terms = SINGLE_LEVEL_TERMS[row]
    level: dict[str, Any] = sgan.levels[PIXELS].model_dump()
    level["loss_weights"] |= {term: 0.0 for term in ("conditional", "entropy") if term not in terms}
    if "conditional" in terms:
        level["condition"] = LABELS
    else:
        level["condition"] = UNCONDITIONAL
        level["generator"]["condition"] = ()
    return SGANParameters.model_validate({"levels": {PIXELS: level}, "joint": sgan.joint})
