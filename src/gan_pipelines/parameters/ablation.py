"""The rows of SGAN's table 1: which losses, and which training, matter how much."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from gan_pipelines.parameters.base import Natural, Rate, Schema
from gan_pipelines.parameters.classifier import LABELS, PIXELS, UNCONDITIONAL
from gan_pipelines.parameters.run import RunParameters
from gan_pipelines.parameters.sgan import JointParameters, LevelParameters, SGANParameters
from gan_pipelines.parameters.training import TrainingParameters

SINGLE_LEVEL_TERMS: dict[str, tuple[str, ...]] = {
    "adv": (),
    "adv_ent": ("entropy",),
    "adv_cond": ("conditional",),
    "adv_cond_ent": ("conditional", "entropy"),
}
"""Rows of the bottom level alone, and the losses that are on besides the adversarial one."""

INDEPENDENT, JOINT, NO_ENTROPY = "independent", "joint", "no_entropy"
ROWS = (*SINGLE_LEVEL_TERMS, INDEPENDENT, JOINT, NO_ENTROPY)
"""All rows; after those of the bottom level the whole stack: without joint training, with it, and with it but without
the entropy loss, a row that the paper does not have."""
JOINTLY_TRAINED = (JOINT, NO_ENTROPY)
ROW_SETTINGS = "ablation_rows"
"""The parameter block with the settings of each row, derived from the other blocks."""


class AblationParameters(Schema):
    """How often, and for how long, each row is trained.

    Attributes:
        seeds: each row is trained once with each; they replace `run.seed`.
        updates_fraction: share of the experiment's updates that each level gets, the same in every row.
    """

    seeds: Annotated[tuple[Natural, ...], Field(min_length=1)]
    updates_fraction: Annotated[Rate, Field(le=1)] = 1.0

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: must differ from each other; found {list(self.seeds)}")
        return self


def row_settings(run: RunParameters, sgan: SGANParameters, ablation: AblationParameters) -> dict[str, Schema]:
    """The blocks `run` and `sgan` of each row and seed, by their place, such as `adv.seed_0.run`."""
    found: dict[str, Schema] = {}
    for row in ROWS:
        stack = row_stack(row, sgan, ablation.updates_fraction)
        for seed in ablation.seeds:
            place = f"{row}.{seed_name(seed)}"
            found |= {f"{place}.run": run.with_seed(seed), f"{place}.sgan": stack}
    return found


def seed_name(seed: int) -> str:
    """Such as `seed_0`."""
    return f"seed_{seed}"


def row_stack(row: str, sgan: SGANParameters, updates_fraction: float = 1.0) -> SGANParameters:
    """The stack that a row trains: the whole one, or the pixels alone with some losses off.

    Each level of every row gets as many updates: those of its own training and those of the joint one, either of both
    or all of them alone. A joint training from scratch uses no weights of levels that were trained alone, so those get
    a single update. No row starts from another training: rows differ in their losses from the first update on. None is
    watched: all end with their last weights.
    """
    from_scratch = sgan.joint.initialise == "scratch"
    initialise = "independent" if sgan.joint.initial_levels else sgan.joint.initialise
    training = _shortened(sgan.joint.training, updates_fraction)
    joint = sgan.joint.model_copy(update={"training": training, "initialise": initialise, "watch": None})
    levels = {name: level.model_dump() for name, level in sgan.levels.items()}
    for name, level in levels.items():
        training = _shortened(sgan.levels[name].training, updates_fraction)
        steps = 0 if from_scratch else training.steps
        steps = max(1, steps) if row in JOINTLY_TRAINED else steps + joint.training.steps
        level["initialise"] = "scratch"
        level["training"] = training.model_copy(update={"steps": steps}).model_dump()
        if row == NO_ENTROPY:
            level["loss_weights"]["entropy"] = 0.0
    if row in SINGLE_LEVEL_TERMS:
        return _bottom_level(levels[PIXELS], next(iter(sgan.levels.values())), SINGLE_LEVEL_TERMS[row], joint)
    return SGANParameters.model_validate({"levels": levels, "joint": joint})


def _shortened(training: TrainingParameters, fraction: float) -> TrainingParameters:
    return training.model_copy(update={"steps": max(1, round(fraction * training.steps))})


def _bottom_level(
    level: dict[str, Any], first: LevelParameters, terms: Sequence[str], joint: JointParameters
) -> SGANParameters:
    """The pixels alone, with some losses off.

    Their condition is labels, as that of the stack's first level, so its weight of the conditional loss and its noise
    on the condition are taken: those of the pixels belong to a distance between features, not to a cross-entropy.
    Without the conditional loss they get no labels either; a D that is aware of classes then has a single logit.
    """
    level["loss_weights"]["conditional"] = first.loss_weights.conditional
    level["loss_weights"] |= {term: 0.0 for term in ("conditional", "entropy") if term not in terms}
    level["condition_noise"] = first.condition_noise
    if "conditional" in terms:
        level["condition"] = LABELS
    else:
        level["condition"] = UNCONDITIONAL
        level["generator"]["condition"] = ()
        discriminator = level["discriminator"]
        if discriminator["classes"]:
            discriminator |= {"adversarial": discriminator["classes"], "classes": ()}
    joint = joint.model_copy(update={"discriminators": {}})
    return SGANParameters.model_validate({"levels": {PIXELS: level}, "joint": joint})
