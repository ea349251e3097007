"""The trials of a sweep: which values come next, what a kill leaves, what is refused, and the report of few trials."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from kedro.io import DatasetError

from gan_pipelines.parameters import ClusterLost, ExperimentError, SweepParameters
from gan_pipelines.pipelines.sweep_report.nodes import list_trials, rate_parameters
from gan_pipelines.reporting.sweep import SCORES, format_sweep, sweep_figure, sweep_page
from gan_pipelines.training.divergence import TrainingDiverged

pytest.importorskip("optuna")

from gan_pipelines.sweep import trials
from gan_pipelines.sweep.experiments import WRITTEN, require_free, write_experiment
from gan_pipelines.sweep.plan import Plan
from gan_pipelines.sweep.pruning import BrokenOff, follow
from gan_pipelines.sweep.study import StudyDataset, ended_trials, known_results, next_trial, open_study

SWEEP = SweepParameters.model_validate(
    {
        "parameters": {
            "infogan.training.learning_rate": {"distribution": "log_uniform", "low": 1e-5, "high": 1.0},
            "infogan.training.batch_size": {"distribution": "integers", "low": 10, "high": 50, "step": 10},
            "infogan.adversarial_loss": {"distribution": "choices", "values": ["non_saturating", "hinge"]},
        },
        "seeds": [3, 4],
    }
)
SAME: Mapping[str, str] = {"infogan.training.steps": "20"}


def score(values: Mapping[str, Any]) -> float:
    """Least at a rate of 0.01."""
    return abs(math.log10(values["infogan.training.learning_rate"]) + 2) + (
        values["infogan.adversarial_loss"] == "hinge"
    )


def sweep(file: Path, count: int, killed: bool = False) -> list[dict[str, Any]]:
    """Run so many trials; returns the values of those that ended."""
    with open_study(StudyDataset(filepath=str(file)), SAME, "minimize") as study:
        while len(ended_trials(study)) < count:
            trial = next_trial(study, SWEEP)
            trial.set_user_attr(SCORES, {"3": score(trial.params), "4": score(trial.params) + 0.1})
            study.tell(trial, score(trial.params))
        if killed:
            next_trial(study, SWEEP)
        return [trial.params for trial in ended_trials(study)]


def test_a_sweep_that_was_killed_goes_on_with_the_values_that_it_would_have_had(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole" / "sweep.journal", tmp_path / "broken" / "sweep.journal"
    expected = sweep(whole, 14)
    sweep(broken, 2, killed=True)
    sweep(broken, 12, killed=True)
    with broken.open("ab") as journal:
        journal.write(b'{"op_code": 5, "trial_i')  # a power cut
    broken.with_name("sweep.journal.lock").symlink_to(tmp_path / "nowhere")
    assert sweep(broken, 14) == expected
    states = [trial.state.name for trial in StudyDataset(filepath=str(broken)).load().get_trials()]
    assert (states.count("COMPLETE"), states.count("FAIL"), len(states)) == (14, 2, 16)
    assert len({str(values) for values in expected}) == 14


def test_what_a_killed_trial_has_scored_is_not_scored_again(tmp_path: Path) -> None:
    dataset = StudyDataset(filepath=str(tmp_path / "sweep.journal"))
    with open_study(dataset, SAME, "minimize") as study:
        next_trial(study, SWEEP).set_user_attr(SCORES, {"3": 0.25})
    with open_study(dataset, SAME, "minimize") as study:
        assert known_results(study, next_trial(study, SWEEP))[0] == {"3": 0.25}


def test_a_trial_behind_the_median_is_broken_off_also_after_a_kill(tmp_path: Path) -> None:
    pruned = SweepParameters.model_validate(
        {**SWEEP.model_dump(), "pruning": {"pruner": "median", "startup_trials": 2, "warmup_steps": 20}}
    )
    dataset = StudyDataset(filepath=str(tmp_path / "sweep.journal"))
    name = "watch.frechet_distance"

    def train(study: Any, distances: Mapping[int, float], stage: str = "infogan") -> Any:
        trial = next_trial(study, pruned)
        known_results(study, trial)
        score = {"infogan": "infogan/frechet_distance.judge", "joint": "joint_stack/recall.judge"}[stage]
        look = follow(trial, score, study.direction.name.lower())
        for step, distance in distances.items():
            look("judge", step, {name: 1e9})
            look(stage, step, {"loss": 1e9})
            look(stage, step, {name: distance})
        return trial

    with open_study(dataset, SAME, "minimize") as study:
        for number, distance in enumerate((8.0, 4.0)):  # as of a trial whose second seed was interrupted
            trial = train(study, {10: 99.0, 20: distance})
            trial.set_user_attr(SCORES, {"3": 1.0})
            if number == 0:
                study.tell(trial, 1.0)
    with open_study(dataset, SAME, "minimize") as study:
        repeated = next_trial(study, pruned)
        known_results(study, repeated)
        study.tell(repeated, 1.0)
        assert repeated.params == trial.params
        train(study, {10: 999.0, 20: 5.9})  # the median is 6, and before step 20 none is broken off
        with pytest.raises(BrokenOff, match=r"step 20 of infogan, where its Frechet distance was 6\.1"):
            train(study, {10: 999.0, 20: 6.1})
    with open_study(StudyDataset(filepath=str(tmp_path / "up.journal")), SAME, "maximize") as study:
        for distance in (6.0, 6.0, 5.9):  # also where a score is better if higher, a distance is if less
            study.tell(train(study, {20: distance}, "joint"), 0.5)
        with pytest.raises(BrokenOff, match=r"of joint, where its Frechet distance was 6\.1"):
            train(study, {20: 6.1}, "joint")


def test_trials_that_do_not_compare_do_not_come_into_one_study(tmp_path: Path) -> None:
    file = tmp_path / "sweep.journal"
    dataset = StudyDataset(filepath=str(file))
    with pytest.raises(DatasetError, match=r"`kedro sweep` makes one"):
        dataset.load()
    sweep(file, 1)
    changed = {"infogan.training.steps": "30"}
    with (
        pytest.raises(ExperimentError, match=r"infogan\.training\.steps was 20 and is 30"),
        open_study(dataset, changed, "minimize"),
    ):
        pass
    with open_study(StudyDataset(filepath=str(tmp_path / "new.journal")), SAME, "minimize") as study:
        next_trial(study, SWEEP)  # without an end
    with open_study(StudyDataset(filepath=str(tmp_path / "new.journal")), changed, "maximize") as study:
        assert (study.get_trials(), study.direction.name) == ([], "MAXIMIZE")
    with (
        FileLock(file.with_name("sweep.journal.owner")),
        pytest.raises(ExperimentError, match="another `kedro sweep`"),
        open_study(dataset, SAME, "minimize"),
    ):
        pass
    file.write_text("no journal\n" * 2)
    with pytest.raises(DatasetError, match="is no journal of a sweep"):
        dataset.load()


def test_the_report_orders_trials_and_says_when_they_are_too_few_to_rate_parameters(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    for file, count in ((few, 1), (many, 30)):
        sweep(file, count)
    study = StudyDataset(filepath=str(many)).load()
    found = list_trials(SWEEP, study)
    importance = rate_parameters(SWEEP, found, study)
    assert found["value"].is_monotonic_increasing
    assert found["place"].tolist() == found["value"].rank(method="min").tolist()
    assert found["deviation"].tolist() == pytest.approx([0.1 / math.sqrt(2)] * 30)
    assert found["seed_4"].tolist() == pytest.approx((found["seed_3"] + 0.1).tolist())
    assert importance["importance"].sum() == pytest.approx(1)
    assert importance["parameter"].iloc[-1] == "infogan.training.batch_size"  # on which the score does not depend
    page = sweep_page("mine", SWEEP, found, importance, sweep_figure(SWEEP, found, importance))
    assert "30 of 30 trials have a score" in page
    assert page.count('<tr class="best">') == 1
    assert "Too few" not in page
    study = StudyDataset(filepath=str(few)).load()
    found = list_trials(SWEEP, study)
    importance = rate_parameters(SWEEP, found, study)
    assert importance["importance"].isna().all()
    page = sweep_page("mine", SWEEP, found, importance, sweep_figure(SWEEP, found, importance))
    assert "Too few trials to tell" in page
    assert "1 trials, 1 with a score" in format_sweep(found)
    none = found.iloc[:0]
    assert not sweep_figure(SWEEP, none, importance).data
    assert "0 of 0 trials" in sweep_page("mine", SWEEP, none, importance, sweep_figure(SWEEP, none, importance))


def test_an_experiment_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, "mine-best", "mine", "trial 3.", {"run": {"seed": 1}})
    assert file.read_text() == f"{WRITTEN}trial 3.\nextends: mine\nrun:\n  seed: 1\n"
    require_free(tmp_path, "mine", 2)
    (tmp_path / "mine-best-2").mkdir()
    (tmp_path / "mine-best-2" / "parameters.yml").write_text("run: {seed: 3}\n")
    require_free(tmp_path, "mine", 1)
    with pytest.raises(ExperimentError, match=r"mine-best-2: .*Rename it"):
        require_free(tmp_path, "mine", 2)
    (tmp_path / "mine-best" / "parameters_data.yml").touch()
    with pytest.raises(ExperimentError, match=r"mine-best: "):
        require_free(tmp_path, "mine", 1)


def test_a_trial_without_a_score_is_passed_over_and_the_first_that_is_refused_ends_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(
        project=tmp_path, experiment="mine", conf=tmp_path, given={}, sweep=SWEEP, definition=SAME, tables={},
        study=StudyDataset(filepath=str(tmp_path / "sweep.journal")), shared=frozenset(),
    )  # fmt: skip
    ends: list[Exception | float] = [ExperimentError("memory: too little"), TrainingDiverged("infogan: nan")]
    ends += [2.0, 4.0, ExperimentError("batch_size: too large"), 1.0, math.nan, ClusterLost("the scheduler is gone")]

    def run_seed(*_: Any) -> tuple[float, str]:
        if isinstance(end := ends.pop(0), Exception):
            raise end
        return end, "a version"

    monkeypatch.setattr(trials, "_run_seed", run_seed)
    with open_study(plan.study, SAME, plan.direction) as study:
        with pytest.raises(ExperimentError, match="too little"):
            trials._run_trial(plan, study, next_trial(study, SWEEP))
        for _ in range(4):
            trials._run_trial(plan, study, next_trial(study, SWEEP))
        with pytest.raises(ClusterLost):
            trials._run_trial(plan, study, next_trial(study, SWEEP))
        found = list_trials(SWEEP, study)
    assert not ends
    assert found["state"].tolist() == ["scored", "running", "no score", "no score", "no score", "running"]
    assert found["value"].iloc[0] == 3.0
    notes = found["note"].fillna("").tolist()
    assert notes[2:4] == ["TrainingDiverged: infogan: nan", "ExperimentError: batch_size: too large"]
    assert "could not be measured" in notes[4]
