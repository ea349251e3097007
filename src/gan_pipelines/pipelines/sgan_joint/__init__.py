"""The pipeline `sgan_joint`."""

from gan_pipelines.pipelines.sgan_joint.pipeline import create_assembly, create_pipeline, create_training

__all__ = ["create_assembly", "create_pipeline", "create_training"]
