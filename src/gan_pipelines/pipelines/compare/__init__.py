"""The pipeline `compare`."""

from gan_pipelines.pipelines.compare.pipeline import create_pipeline

__all__ = ["create_pipeline"]
