"""Train the InfoGAN."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import InfoGAN
from gan_pipelines.models.plan import plan_infogan
from gan_pipelines.parameters import InfoGANParameters, RunParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.infogan import fit_infogan


def train_infogan(
    run: RunParameters,
    infogan: InfoGANParameters,
    train_images: LabelledImages,
    checkpoints: CheckpointFolder,
    initial: InfoGAN | None = None,
) -> tuple[InfoGAN, pd.DataFrame]:
    """Train G, D and Q on pictures; the labels are not read.

    Args:
        run: seed, device, threads.
        infogan: latent, networks, weights, length.
        train_images: real pictures.
        checkpoints: where the training keeps some.
        initial: the InfoGAN whose weights it starts from, if that was asked for.

    Returns:
        The trained InfoGAN, the history of its losses and of L_I.
    """
    spec = plan_infogan(infogan, train_images.image_shape, train_images.digest())
    with stage_run("infogan") as observer:
        trained, history = fit_infogan(run, spec, train_images.pixels(), observer, checkpoints, initial)
    return trained, pd.DataFrame(history).assign(stage="infogan")
