"""Trials that are behind others are broken off: optuna's pruner looks at the watch curve of their training."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from gan_pipelines.parameters import Experiment, ExperimentError
from gan_pipelines.tracking import Follower
from gan_pipelines.training.watch import DISTANCE, WATCHED

SEQUENTIAL: partial[Any] = partial(SequentialRunner)
"""Makes Kedro's default runner."""
STAGES: Mapping[str, tuple[str, str]] = {
    "infogan": ("infogan", "infogan.watch"),
    "joint_stack": ("joint", "sgan.joint.watch"),
}
"""The training of each generator that can be watched, and the parameter that says so."""


class BrokenOff(BaseException):
    """A trial is behind others. No Exception, so that its run ends as one that was told to stop, not as failed."""


def check_pruning(score: str, pipeline: Pipeline, experiment: Experiment, runner: partial[Any]) -> None:
    """Check that trials have a watch curve, and that their trainings run where they can be broken off.

    Args:
        score: of the sweep.
        pipeline: what each trial runs.
        experiment: of the trials.
        runner: makes what runs the nodes.

    Raises:
        ExperimentError: they have not, or do not.
    """
    generator = score.partition("/")[0]
    stage, watch = STAGES.get(generator, ("", ""))
    if f"history_{stage}" not in pipeline.all_outputs():
        raise ExperimentError(
            f"sweep.pruning: looks at the watch curve of what `sweep.score` scores; found no training of {generator} "
            f"in `sweep.pipelines` that can be watched. Those of {' and '.join(STAGES)} can."
        )
    if watch not in experiment.watched:
        raise ExperimentError(f"sweep.pruning: looks at the watch curve of {generator}; found no {watch}. Write one.")
    elsewhere = {
        f"run.workers = {experiment.run.workers}": experiment.run.workers > 1,
        f"--runner={runner.func.__name__}": runner.func is not SequentialRunner,
    }
    if found := next((option for option, chosen in elsewhere.items() if chosen), None):
        raise ExperimentError(
            f"sweep.pruning: breaks off trainings in the process of the sweep alone; found {found}. Leave one of both "
            f"out."
        )


def follow(trial: Any, score: str, direction: str) -> Follower:
    """Tell optuna the watch curve of a trial.

    Args:
        trial: an `optuna.Trial`.
        score: of the sweep.
        direction: in which it gets better, `minimize` or `maximize`.

    Returns:
        What follows the trainings of a run; it raises BrokenOff once the trial is behind.
    """
    stage, _ = STAGES[score.partition("/")[0]]
    name = f"{WATCHED}{DISTANCE}"
    sign = 1 if direction == "minimize" else -1  # a distance is better if less, and optuna knows one direction

    def look(training: str, step: int, metrics: Mapping[str, float]) -> None:
        if training != stage or name not in metrics:
            return
        trial.report(sign * metrics[name], step)
        if trial.should_prune():
            raise BrokenOff(f"Broken off at step {step} of {stage}, where its Frechet distance was {metrics[name]:.4g}")

    return look
