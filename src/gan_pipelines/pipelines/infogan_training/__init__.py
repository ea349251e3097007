"""The pipeline `infogan_training`."""

from gan_pipelines.pipelines.infogan_training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
