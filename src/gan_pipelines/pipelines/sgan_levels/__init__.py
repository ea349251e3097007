"""The pipeline `sgan_levels`."""

from gan_pipelines.pipelines.sgan_levels.pipeline import create_level, create_pipeline

__all__ = ["create_level", "create_pipeline"]
