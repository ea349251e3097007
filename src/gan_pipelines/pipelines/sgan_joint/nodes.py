"""Train all levels end to end; put levels together as a stack."""

from collections.abc import Sequence

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.metrics import QuickScores
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.parameters import EvaluationParameters, ExperimentError, RunParameters, SGANParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.joint import fit_joint


def train_joint_levels(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    *parts: LevelGAN | Representation,
) -> list[LevelGAN | pd.DataFrame]:
    """Train the levels end to end.

    Args:
        run: seed, device, threads.
        sgan: where the weights start, length, rates, upstream weight.
        encoder: gives every E_i.
        train_images: real pixels and labels.
        checkpoints: where the training keeps its checkpoints.
        parts: the levels from the top down to the pixels, independent or named by `initialise`, and the real
            representations between.

    Returns:
        The jointly trained levels in their order, and the history of their losses.
    """
    return _train(run, sgan, encoder, train_images, checkpoints, parts)


def train_watched_joint_levels(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    evaluation: EvaluationParameters,
    judge: Encoder,
    validation_images: LabelledImages,
    *parts: LevelGAN | Representation,
) -> list[LevelGAN | pd.DataFrame]:
    """The same training, while the judge compares samples of the stack with validation images.

    Args:
        run: as above.
        sgan: besides, when the stack is scored, and which weights are kept.
        encoder: as above.
        train_images: as above.
        checkpoints: as above.
        evaluation: names the judge's representation.
        judge: was trained on the training images.
        validation_images: no training has used them.
        parts: as above.
    """
    labelled = train_images.classes == validation_images.classes  # otherwise the labels are categories
    scoring = QuickScores(judge, evaluation.features, validation_images, labelled)
    return _train(run, sgan, encoder, train_images, checkpoints, parts, scoring)


def _train(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    parts: Sequence[LevelGAN | Representation],
    scoring: QuickScores | None = None,
) -> list[LevelGAN | pd.DataFrame]:
    levels = [part for part in parts if isinstance(part, LevelGAN)]
    encoded = [part for part in parts if isinstance(part, Representation)]
    for level in levels:
        _require_same_parameters(level, sgan)
    targets = {part.name: part for part in [*encoded, train_images.pixels()]}
    with stage_run("joint") as observer:
        top = train_images.conditions(levels[0].spec.parameters.condition)
        trained, history = fit_joint(run, sgan.joint, levels, encoder, targets, top, observer, checkpoints, scoring)
    return [*trained, pd.DataFrame(history).assign(stage="joint")]


def assemble_levels(encoder: Encoder, *levels: LevelGAN) -> StackedGenerator:
    """The sampling generators of trained levels as one stack.

    Args:
        encoder: knows the classes.
        levels: from the top down to the pixels.
    """
    return assemble_stack(levels, encoder.spec.classes)


def _require_same_parameters(level: LevelGAN, sgan: SGANParameters) -> None:
    """A level brings its own networks and losses; YAML that has changed since would be recorded but not used."""
    name, found = level.spec.target, level.spec.parameters
    trained, asked = (parameters.model_dump(exclude={"initialise"}) for parameters in (found, sgan.levels[name]))
    if name in sgan.joint.initial_levels and found.discriminator == sgan.joint.discriminators.get(name):
        asked["discriminator"] = trained["discriminator"]  # it was trained jointly before
    trained["training"], asked["training"] = (bool(x["training"]["ema_decay"]) for x in (trained, asked))
    changed = [field for field in asked if trained[field] != asked[field]]
    if changed:
        field = "training.ema_decay" if changed[0] == "training" else changed[0]
        if name in sgan.joint.initial_levels:
            raise ExperimentError(
                f"sgan.levels.{name}.{field}: differs from that of the level that sgan.joint.initialise.from.{name} "
                f"names, {sgan.joint.initial_levels[name]}. Choose another one, or keep its parameters as they were."
            )
        raise ExperimentError(
            f"sgan.levels.{name}.{field}: differs from what level_{name} was trained with. "
            f"Train the level again (kedro run --namespaces={name}), or keep its parameters as they were."
        )
