"""SGAN (Huang et al. 2017): encoder, independent levels, joint training, evaluation of both stacks."""

from collections.abc import Collection, Sequence

from kedro.pipeline import Pipeline

from gan_pipelines.pipelines import classifier, evaluation, sgan_evaluation, sgan_joint, sgan_levels


def create_pipeline(
    levels: Sequence[str], labelled: bool, initial: Collection[str] = (), watched: bool = False
) -> Pipeline:
    """Everything from prepared images and a judge to the scores of both stacks.

    Args:
        levels: names of the levels, from the top down to the pixels.
        labelled: whether the stack generates from labels.
        initial: datasets from which trainings take their first weights.
        watched: whether the stack is scored while it trains.
    """
    return (
        classifier.create_pipeline(levels, initial)
        + sgan_levels.create_pipeline(levels, initial)
        + sgan_joint.create_pipeline(levels, initial, watched)
        + create_evaluation(levels, labelled)
    )


def create_evaluation(levels: Sequence[str], labelled: bool) -> Pipeline:
    """Evaluate the independent and the joint stack."""
    return (
        evaluation.create_pipeline("independent_stack", labelled)
        + evaluation.create_pipeline("joint_stack", labelled)
        + sgan_evaluation.create_pipeline(levels)
    )
