"""The pipeline `data_preparation`."""

from gan_pipelines.pipelines.data_preparation.pipeline import PICTURE_TABLE, create_pipeline

__all__ = ["PICTURE_TABLE", "create_pipeline"]
