"""The pipeline `sgan`: all that a stacked GAN needs, from the encoder to its scores."""

from gan_pipelines.pipelines.sgan.pipeline import create_evaluation, create_pipeline

__all__ = ["create_evaluation", "create_pipeline"]
