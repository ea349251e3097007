"""The pipeline `pictures`."""

from gan_pipelines.pipelines.pictures.pipeline import create_pipeline

__all__ = ["create_pipeline"]
