"""The evaluation of one generator, whichever it is."""

from gan_pipelines.pipelines.evaluation.pipeline import (
    create_drawing,
    create_pipeline,
    create_sampling,
    create_scoring,
    in_namespace,
)

__all__ = ["create_drawing", "create_pipeline", "create_sampling", "create_scoring", "in_namespace"]
