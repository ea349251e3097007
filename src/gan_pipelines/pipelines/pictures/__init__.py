"""The pipeline `pictures`."""

from gan_pipelines.pipelines.pictures.nodes import find_folder
from gan_pipelines.pipelines.pictures.pipeline import create_pipeline

__all__ = ["create_pipeline", "find_folder"]
