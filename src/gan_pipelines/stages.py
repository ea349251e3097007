"""Stages of a stack that several pipelines run as nodes: train a level, train all of them, put together."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.origin import require_same_origin
from gan_pipelines.models.plan import plan_levels
from gan_pipelines.parameters import ExperimentError, RunParameters, SGANParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level


def train_level(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    target: LabelledImages | Representation,
    condition: LabelledImages | Representation,
    checkpoints: CheckpointFolder,
    title: str | None = None,
) -> tuple[LevelGAN, pd.DataFrame]:
    """Train G_i, D_i and Q_i on real pairs of a representation and the one above it.

    Args:
        run: seed, device, threads.
        sgan: all levels; all are checked, the target's is trained.
        encoder: gives E_i.
        target: what the level generates; images stand for their pixels.
        condition: what it generates from; images stand for their labels, or for nothing where it is `none`.
        checkpoints: where the training keeps some.
        title: of its record and its history; its target where there is none.

    Returns:
        The trained level and the history of its losses.
    """
    lower = target.pixels() if isinstance(target, LabelledImages) else target
    above = sgan.levels[lower.name].condition
    upper = condition.conditions(above) if isinstance(condition, LabelledImages) else condition
    images = next((x for x in (target, condition) if isinstance(x, LabelledImages)), None)
    require_same_origin(encoder, images, [lower, upper])
    spec = plan_levels(sgan, encoder, encoder.digest())[lower.name]
    with stage_run(title or lower.name) as observer:
        level, history = fit_level(run, spec, encoder, lower, upper, observer, checkpoints)
    return level, pd.DataFrame(history).assign(stage=title or lower.name)


def train_joint_levels(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    *parts: LevelGAN | Representation,
    title: str = "joint",
) -> list[LevelGAN | pd.DataFrame]:
    """Train the levels end to end.

    Args:
        run: seed, device, threads.
        sgan: where the weights start, length, rates, upstream weight.
        encoder: gives every E_i.
        train_images: real pixels and labels.
        checkpoints: where the training keeps some.
        parts: the levels from the top down to the pixels, and the real representations between.
        title: of its record and its history.

    Returns:
        The jointly trained levels in their order, and the history of their losses.
    """
    levels = [part for part in parts if isinstance(part, LevelGAN)]
    encoded = [part for part in parts if isinstance(part, Representation)]
    require_same_origin(encoder, train_images, encoded, levels)
    for level in levels:
        _require_same_parameters(level, sgan)
    targets = {part.name: part for part in [*encoded, train_images.pixels()]}
    with stage_run(title) as observer:
        top = train_images.conditions(levels[0].spec.parameters.condition)
        trained, history = fit_joint(run, sgan.joint, levels, encoder, targets, top, observer, checkpoints)
    return [*trained, pd.DataFrame(history).assign(stage=title)]


def assemble_levels(encoder: Encoder, *levels: LevelGAN) -> StackedGenerator:
    """Trained levels as one stack, of what it takes to sample.

    Args:
        encoder: knows the classes.
        levels: from the top down to the pixels.
    """
    require_same_origin(encoder, levels=levels)
    return assemble_stack(levels, encoder.spec.classes)


def _require_same_parameters(level: LevelGAN, sgan: SGANParameters) -> None:
    """A level brings its networks and its losses along; YAML that has changed since would be recorded, yet not used."""
    name, trained = level.spec.target, level.spec.parameters.model_dump()
    asked = sgan.levels[name].model_dump()
    trained["training"], asked["training"] = (bool(x["training"]["ema_decay"]) for x in (trained, asked))
    changed = [field for field in asked if trained[field] != asked[field]]
    if changed:
        field = "training.ema_decay" if changed[0] == "training" else changed[0]
        raise ExperimentError(
            f"sgan.levels.{name}.{field}: differs from what level_{name} was trained with. "
            f"Train the level again (kedro run --namespaces={name}), or keep its parameters as they were."
        )
