"""The pipeline `judge`."""

from gan_pipelines.pipelines.judge.pipeline import create_pipeline

__all__ = ["create_pipeline"]
