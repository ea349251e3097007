"""The pipeline `compare`."""

from gan_pipelines.pipelines.compare.pipeline import READS_THE_RECORD, create_pipeline

__all__ = ["READS_THE_RECORD", "create_pipeline"]
