"""The evaluation of one generator, whichever it is."""

from gan_pipelines.pipelines.evaluation.pipeline import create_pipeline, create_scoring, create_yardstick

__all__ = ["create_pipeline", "create_scoring", "create_yardstick"]
