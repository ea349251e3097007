"""The trials of a sweep so far, which optuna keeps in a journal beside the data, and which values come next."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from kedro.io import AbstractDataset, DatasetError

from gan_pipelines.parameters import Choices, ExperimentError, IntegerRange, LogUniformRange, SweepParameters
from gan_pipelines.parameters.base import in_short
from gan_pipelines.parameters.packages import require_packages
from gan_pipelines.parameters.sweep import Range
from gan_pipelines.reporting.sweep import NOTE, SCORES, VERSIONS

STUDY = "sweep"
"""The name of the study in the journal, which has no other."""
DEFINITION, SHARED_VERSION = "definition", "shared_version"
"""What a study remembers: all that its trials have in common, and the version of the files that they start from."""


def require_optuna() -> None:
    """Refuse to go on without the extra `sweep`; see `require_packages`."""
    require_packages("kedro sweep", ["optuna"], "optuna>=5,<6")


class StudyDataset(AbstractDataset[Any, Any]):
    """The study in a journal; trials are added by `kedro sweep`, not by nodes.

    Args:
        filepath: the journal, relative to the project.
        metadata: for kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata
        self.path = Path(filepath)

    def load(self) -> Any:
        """The study, as an `optuna.Study`.

        Raises:
            ExperimentError: optuna is not installed.
            DatasetError: there is no journal, or it cannot be read.
        """
        require_optuna()
        if not self.path.is_file():
            raise DatasetError(f"{self.path}: there is no sweep of this experiment yet; `kedro sweep` makes one.")
        return _read(self.path)

    def save(self, data: Any) -> None:
        """Refuse the data.

        Raises:
            DatasetError: always.
        """
        del data
        raise DatasetError(f"{self.path}: trials are written by `kedro sweep`, not by nodes.")

    def _exists(self) -> bool:
        return self.path.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}


def _read(path: Path, new_direction: str | None = None) -> Any:
    """The study in a journal; with a direction, one is made if there is none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        if new_direction is None:
            return optuna.load_study(study_name=STUDY, storage=storage)
        return optuna.create_study(study_name=STUDY, storage=storage, direction=new_direction, load_if_exists=True)
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{path}: is no journal of a sweep ({in_short(error)}). Move it away.") from None


@contextmanager
def open_study(dataset: StudyDataset, definition: Mapping[str, str], direction: str) -> Iterator[Any]:
    """The study, for this process alone; trials of a process that was killed are there to be repeated.

    Args:
        dataset: where its journal is, or will be.
        definition: all that its trials have in common.
        direction: `minimize` or `maximize`.

    Raises:
        ExperimentError: another process sweeps, or earlier trials have something else in common.
        DatasetError: the journal cannot be read.
    """
    path = dataset.path
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = FileLock(path.with_name(f"{path.name}.owner"))
    try:
        owner.acquire(timeout=0)
    except Timeout:
        raise ExperimentError(f"{path}: another `kedro sweep` of this experiment is under way.") from None
    try:
        yield _prepare(path, definition, direction)
    finally:
        owner.release()


def _prepare(path: Path, definition: Mapping[str, str], direction: str) -> Any:
    from optuna.trial import TrialState

    if path.exists():
        _mend(path)
    study = _read(path, direction)
    if study.user_attrs.get(DEFINITION, definition) != definition and not ended_trials(study):
        path.unlink()  # nothing is lost
        study = _read(path, direction)
    if DEFINITION not in study.user_attrs:
        study.set_user_attr(DEFINITION, dict(definition))
    require_same(path, study.user_attrs[DEFINITION], definition)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _mend(path: Path) -> None:
    """Remove what a process that was killed has left: its lock, and a line that it had not finished."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    written = path.read_bytes()
    if not written.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(written.rfind(b"\n") + 1)


def require_same(path: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to add trials to others that do not compare with them.

    Args:
        path: the journal.
        before: what its trials have in common.
        now: what trials would have in common now.

    Raises:
        ExperimentError: something differs.
    """
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        said = [f"{name} was {before.get(name, 'not set')} and is {now.get(name, 'not set')}" for name in changed[:3]]
        more = f", and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ExperimentError(
            f"{path}: its trials do not compare with those of this sweep: {'; '.join(said)}{more}. Move the file away "
            f"to start from the beginning, or write the sweep into an experiment of its own."
        )


def ended_trials(study: Any) -> list[Any]:
    """The trials that need no repetition: they have a score, or the reason why they have none."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None or NOTE in trial.user_attrs]


def next_trial(study: Any, sweep: SweepParameters) -> Any:
    """Let optuna choose the next values.

    The choice follows from the ended trials alone: a sweep that was interrupted goes on with the values that it would
    have had, and a trial that was killed is repeated.
    """
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=len(ended_trials(study)))
    if sweep.pruning:
        study.pruner = optuna.pruners.MedianPruner(sweep.pruning.startup_trials, sweep.pruning.warmup_steps)
    return study.ask({place: _distribution(values) for place, values in sweep.parameters.items()})


def _distribution(values: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, Choices):
        return CategoricalDistribution(values.values)
    if isinstance(values, IntegerRange):
        return IntDistribution(values.low, values.high, step=values.step)
    return FloatDistribution(values.low, values.high, log=isinstance(values, LogUniformRange))


def known_results(study: Any, trial: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Scores and versions, by seed, of all trials with these values, which would only be found again.

    The trial takes over the watch curve that comes with them, by which later ones are pruned.
    """
    scores, versions, curve = dict[str, float](), dict[str, str](), dict[int, float]()
    for other in study.get_trials(deepcopy=False):
        if other.params == trial.params and SCORES in other.user_attrs:
            scores |= other.user_attrs[SCORES]
            versions |= other.user_attrs.get(VERSIONS, {})
            curve |= other.intermediate_values
    for step, distance in curve.items():
        trial.report(distance, step)
    return scores, versions
