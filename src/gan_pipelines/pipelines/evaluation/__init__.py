"""The pipeline `evaluation`."""

from gan_pipelines.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
