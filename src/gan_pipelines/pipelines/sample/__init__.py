"""The pipeline `sample`."""

from gan_pipelines.pipelines.sample.pipeline import create_pipeline

__all__ = ["create_pipeline"]
