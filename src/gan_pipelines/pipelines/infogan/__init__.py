"""The pipeline `infogan`: training and evaluation of an InfoGAN."""

from gan_pipelines.pipelines.infogan.pipeline import create_evaluation, create_pipeline

__all__ = ["create_evaluation", "create_pipeline"]
