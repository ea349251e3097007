"""An encoder that no label has taught, made of an InfoGAN."""

from gan_pipelines.pipelines.infogan_encoder.nodes import UNSUPERVISED
from gan_pipelines.pipelines.infogan_encoder.pipeline import create_matching, create_pipeline

__all__ = ["UNSUPERVISED", "create_matching", "create_pipeline"]
