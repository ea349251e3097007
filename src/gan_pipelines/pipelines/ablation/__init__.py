"""The pipeline `ablation`."""

from gan_pipelines.pipelines.ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
