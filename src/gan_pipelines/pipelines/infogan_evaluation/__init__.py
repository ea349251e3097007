"""The pipeline `infogan_evaluation`."""

from gan_pipelines.pipelines.infogan_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
