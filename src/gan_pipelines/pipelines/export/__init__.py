"""The pipeline `export`."""

from gan_pipelines.pipelines.export.pipeline import create_pipeline

__all__ = ["create_pipeline"]
