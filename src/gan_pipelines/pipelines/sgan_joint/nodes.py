"""Put the trained levels together, and train them end to end."""

import pandas as pd

from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.models import Encoder, LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.parameters import RunParameters, SGANParameters
from gan_pipelines.tracking import stage_run
from gan_pipelines.training.joint import fit_joint


def assemble_independent_stack(encoder: Encoder, *levels: LevelGAN) -> StackedGenerator:
    """The independently trained levels as one stack, kept for comparison.

    Args:
        encoder: knows the classes.
        levels: from the labels down to the pixels.
    """
    return assemble_stack(levels, encoder.spec.classes)


def train_joint_stack(
    run: RunParameters,
    sgan: SGANParameters,
    encoder: Encoder,
    train_images: LabelledImages,
    *parts: LevelGAN | Representation,
) -> tuple[StackedGenerator, pd.DataFrame]:
    """Train the stack end to end.

    Args:
        run: seed, device, threads.
        sgan: where the weights start, length, rates, upstream weight.
        encoder: gives every E_i.
        train_images: real pixels and labels.
        parts: the levels from the labels down to the pixels, and the real representations between.

    Returns:
        The stack and the history of its losses.
    """
    levels = [part for part in parts if isinstance(part, LevelGAN)]
    encoded = [part for part in parts if isinstance(part, Representation)]
    targets = {part.name: part for part in [*encoded, train_images.pixels()]}
    with stage_run("joint") as observer:
        trained, history = fit_joint(run, sgan.joint, levels, encoder, targets, train_images.one_hot_labels(), observer)
    return assemble_stack(trained, train_images.classes), pd.DataFrame(history).assign(stage="joint")
