"""The pipeline `classifier`."""

from gan_pipelines.pipelines.classifier.pipeline import create_pipeline

__all__ = ["create_pipeline"]
