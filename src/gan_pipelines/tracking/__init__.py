"""MLflow: what is recorded and under which names, and how the record is read."""

from gan_pipelines.tracking.groups import differences, not_averaged, same_but_for_seed
from gan_pipelines.tracking.metrics import ablation_metrics, score_metrics, stage_metrics
from gan_pipelines.tracking.records import find_runs, read_histories, read_parameters, read_pictures, read_scores
from gan_pipelines.tracking.registry import CHAMPION
from gan_pipelines.tracking.runs import (
    active_run,
    active_run_id,
    finish_run,
    join_run,
    log_artifact,
    log_dataset,
    log_parameters,
    log_scores,
    log_tags,
    log_text,
    start_run,
    tagged,
)
from gan_pipelines.tracking.stages import Follower, followed, running_node, stage_run
from gan_pipelines.tracking.store import PAGE_PORT, Settings, find_store

__all__ = [
    "CHAMPION",
    "PAGE_PORT",
    "Follower",
    "Settings",
    "ablation_metrics",
    "active_run",
    "active_run_id",
    "differences",
    "find_runs",
    "find_store",
    "finish_run",
    "followed",
    "join_run",
    "log_artifact",
    "log_dataset",
    "log_parameters",
    "log_scores",
    "log_tags",
    "log_text",
    "not_averaged",
    "read_histories",
    "read_parameters",
    "read_pictures",
    "read_scores",
    "running_node",
    "same_but_for_seed",
    "score_metrics",
    "stage_metrics",
    "stage_run",
    "start_run",
    "tagged",
]
