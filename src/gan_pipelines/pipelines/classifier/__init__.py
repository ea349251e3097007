"""The pipeline `classifier`."""

from gan_pipelines.pipelines.classifier.pipeline import create_encoding, create_pipeline

__all__ = ["create_encoding", "create_pipeline"]
