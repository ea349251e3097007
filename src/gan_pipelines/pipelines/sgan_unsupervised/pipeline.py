"""A stack that never saw a label: an InfoGAN gives the encoder, and its categories are the classes.

Levels, joint training and evaluation are those of the stack that learns from labels; their datasets stand behind
`unsupervised_`, beside the others. Labels enter when categories are matched to classes, for the scores.
"""

from collections.abc import Collection, Sequence

from kedro.pipeline import Pipeline

from gan_pipelines.parameters import INITIAL
from gan_pipelines.parameters.unsupervised import UNSUPERVISED_STACK
from gan_pipelines.pipelines import (
    classifier,
    evaluation,
    infogan_encoder,
    infogan_training,
    sgan_evaluation,
    sgan_joint,
    sgan_levels,
)
from gan_pipelines.pipelines.infogan_encoder import UNSUPERVISED

STACKS = ("independent_stack", "joint_stack")
SHARED = frozenset({"history_judge", "history_second_judge", "history_infogan"})
"""Datasets of what is trained once for all stacks; those of initial models are what the YAML names."""


def create_pipeline(levels: Sequence[str], labelled: bool, initial: Collection[str] = ()) -> Pipeline:
    """Everything from prepared images and a judge to the scores of both stacks.

    Args:
        levels: names of the levels, from the top down to the pixels.
        labelled: whether the stack generates from categories.
        initial: datasets from which trainings take their first weights.
    """
    trainings = infogan_training.create_pipeline(initial) + create_training(levels, initial)
    return trainings + create_evaluation(levels, labelled)


def create_training(levels: Sequence[str], initial: Collection[str] = ()) -> Pipeline:
    """Everything from a trained InfoGAN to both stacks.

    Args:
        levels: names of the levels, from the top down to the pixels.
        initial: datasets from which trainings take their first weights.
    """
    parts = (
        classifier.create_encoding(levels)
        + sgan_levels.create_pipeline(levels, initial)
        + sgan_joint.create_pipeline(levels, initial)
    )
    return infogan_encoder.create_pipeline() + _beside(parts)


def create_evaluation(levels: Sequence[str], labelled: bool) -> Pipeline:
    """Match categories and classes; evaluate the independent and the joint stack."""
    matching = dataset("matching")
    parts = [evaluation.create_pipeline(dataset(stack), labelled, matching) for stack in STACKS]
    return (
        infogan_encoder.create_matching()
        + Pipeline(parts)
        + _beside(sgan_evaluation.create_pipeline(levels, "infogan"))
    )


def _beside(pipeline: Pipeline) -> Pipeline:
    """The same pipeline in the namespace of this one, with its own datasets and its own stack."""
    own = {"params:sgan": f"params:{UNSUPERVISED_STACK}"}
    return Pipeline(
        pipeline,
        namespace=UNSUPERVISED,
        inputs={name: dataset(name) for name in pipeline.inputs() if not name.startswith("params:")},
        outputs={name: dataset(name) for name in pipeline.all_outputs()},
        parameters={name: own.get(name, name) for name in pipeline.inputs() if name.startswith("params:")},
    )


def dataset(name: str) -> str:
    """Such as `unsupervised_joint_stack`; checkpoints have a folder of their own, and what is shared keeps its name."""
    if name in SHARED or name.startswith(INITIAL):
        return name
    return f"{UNSUPERVISED}.checkpoints" if name == "checkpoints" else f"{UNSUPERVISED}_{name}"
