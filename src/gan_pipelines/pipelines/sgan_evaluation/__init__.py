"""The pipeline `sgan_evaluation`."""

from gan_pipelines.pipelines.sgan_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
