"""The pipeline `sweep_report`."""

from gan_pipelines.pipelines.sweep_report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
