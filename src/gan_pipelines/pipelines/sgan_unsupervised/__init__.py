"""The pipeline `sgan_unsupervised`."""

from gan_pipelines.pipelines.sgan_unsupervised.pipeline import create_evaluation, create_pipeline, create_training

__all__ = ["create_evaluation", "create_pipeline", "create_training"]
