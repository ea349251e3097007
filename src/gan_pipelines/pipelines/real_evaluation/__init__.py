"""The real images, as every generator is compared with them."""

from gan_pipelines.pipelines.real_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
