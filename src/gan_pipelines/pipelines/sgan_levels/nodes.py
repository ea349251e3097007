"""Train one level alone."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder, LevelGAN
from gan_pipelines.models.plan import plan_levels
from gan_pipelines.parameters import RunParameters, SGANParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.level import fit_level


def train_level(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    target: LabelledImages | Representation,
    condition: LabelledImages | Representation,
    checkpoints: CheckpointFolder,
    initial: LevelGAN | None = None,
) -> tuple[LevelGAN, pd.DataFrame]:
    """Train G_i, D_i and Q_i on real pairs of a representation and the one above it.

    Args:
        run: seed, device, threads.
        sgan: all levels; all are checked, the target's is trained.
        encoder: gives E_i.
        train_images: whose classes a D_i that is aware of them learns.
        target: what the level generates; images stand for their pixels.
        condition: what it generates from; images stand for their labels, or for nothing if the condition is `none`.
        checkpoints: where the training keeps its checkpoints.
        initial: the level whose weights it starts from, if that was asked for.

    Returns:
        The trained level and the history of its losses.
    """
    lower = target.pixels() if isinstance(target, LabelledImages) else target
    above = sgan.levels[lower.name].condition
    upper = condition.conditions(above) if isinstance(condition, LabelledImages) else condition
    spec = plan_levels(sgan, encoder, encoder.digest())[lower.name]
    with stage_run(lower.name) as observer:
        labels = train_images.labels
        level, history = fit_level(run, spec, encoder, lower, upper, observer, checkpoints, labels, initial)
    return level, pd.DataFrame(history).assign(stage=lower.name)
