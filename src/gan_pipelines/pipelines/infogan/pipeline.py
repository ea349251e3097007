"""InfoGAN (Chen et al. 2016): training, evaluation, what its codes mean."""

from collections.abc import Collection

from kedro.pipeline import Pipeline

from gan_pipelines.pipelines import evaluation, infogan_evaluation, infogan_training


def create_pipeline(initial: Collection[str] = (), watched: bool = False) -> Pipeline:
    """Everything from prepared images and a judge to scores of samples and codes.

    Args:
        initial: datasets from which trainings take their first weights.
        watched: whether the InfoGAN is scored while it trains.
    """
    return infogan_training.create_pipeline(initial, watched) + create_evaluation()


def create_evaluation() -> Pipeline:
    """Evaluate the InfoGAN; its samples have no labels."""
    return evaluation.create_pipeline("infogan", labelled=False) + infogan_evaluation.create_pipeline()
