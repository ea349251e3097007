"""The pipeline `data_preparation`."""

from gan_pipelines.pipelines.data_preparation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
