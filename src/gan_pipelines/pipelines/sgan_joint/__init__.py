"""The pipeline `sgan_joint`."""

from gan_pipelines.pipelines.sgan_joint.pipeline import create_pipeline

__all__ = ["create_pipeline"]
