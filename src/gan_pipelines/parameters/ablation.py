"""The rows of SGAN's table 1: which losses, and which training, matter how much."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Natural, Schema
from gan_pipelines.parameters.classifier import LABELS, PIXELS, UNCONDITIONAL
from gan_pipelines.parameters.run import RunParameters
from gan_pipelines.parameters.sgan import SGANParameters

SINGLE_LEVEL_TERMS: dict[str, tuple[str, ...]] = {
    "adv": (),
    "adv_ent": ("entropy",),
    "adv_cond": ("conditional",),
    "adv_cond_ent": ("conditional", "entropy"),
}
"""Rows of the bottom level alone, and the losses that are on besides the adversarial one."""

INDEPENDENT, JOINT = "independent", "joint"
ROWS = (*SINGLE_LEVEL_TERMS, INDEPENDENT, JOINT)
"""All rows; the last two are the whole stack, without and with joint training."""


class AblationParameters(Schema):
    """How often each row is trained.

    Attributes:
        seeds: each row is trained once with each; they replace `run.seed`.
    """

    seeds: Annotated[tuple[Natural, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: must differ from each other; found {list(self.seeds)}")
        return self


def row_settings(run: RunParameters, sgan: SGANParameters, ablation: AblationParameters) -> dict[str, Any]:
    """The blocks `run` and `sgan` of each row and seed, as `{row: {seed_<k>: {run, sgan}}}` of plain data."""
    return {
        row: {
            seed_name(seed): {
                "run": run.with_seed(seed).model_dump(mode="json"),
                "sgan": row_stack(row, sgan).model_dump(mode="json"),
            }
            for seed in ablation.seeds
        }
        for row in ROWS
    }


def seed_name(seed: int) -> str:
    """Such as `seed_0`."""
    return f"seed_{seed}"


def row_stack(row: str, sgan: SGANParameters) -> SGANParameters:
    """The stack that a row trains: the whole one, or the pixels alone with some losses off.

    Without the conditional loss the pixels get no labels either; a D that is aware of classes then has a single logit.
    """
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
        discriminator = level["discriminator"]
        if discriminator["classes"]:
            discriminator |= {"adversarial": discriminator["classes"], "classes": ()}
    joint = sgan.joint.model_copy(update={"discriminators": {}})
    return SGANParameters.model_validate({"levels": {PIXELS: level}, "joint": joint})
