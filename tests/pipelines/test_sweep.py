"""`kedro sweep`: trials as ordinary runs, killed and taken up again; a report; experiments; what is refused."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.context import KedroContext
from kedro.framework.project import configure_project, pipelines, settings
from kedro.framework.startup import bootstrap_project
from kedro.runner import ParallelRunner

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment, ExperimentError, SweepParameters
from gan_pipelines.project import active_experiment
from tests.pipelines.conftest import Project
from tests.pipelines.processes import Process

pytest.importorskip("optuna")

from optuna.trial import create_trial

from gan_pipelines.sweep.plan import VALIDATION, make_plan
from gan_pipelines.sweep.pruning import SEQUENTIAL, check_pruning
from gan_pipelines.sweep.study import StudyDataset
from gan_pipelines.sweep.trials import run_sweep

RATE = "infogan.training.learning_rate"
BLOCK = f"""
data: {{source: {{test_fraction: 0.8}}, validation_fraction: 0.1}}
run: {{checkpoints: {{every_steps: 2}}}}
infogan: {{watch: {{every_steps: 10, samples: 100}}}}
sweep:
  parameters:
    {RATE}: {{distribution: log_uniform, low: 1.0e-4, high: 1.0e-2}}
    infogan.adversarial_loss: {{distribution: choices, values: [non_saturating, hinge]}}
  score: infogan/frechet_distance.judge
  trials: 2
  pruning: {{pruner: median, startup_trials: 2}}
"""


@contextmanager
def inside(project: Project) -> Iterator[None]:
    """As `kedro sweep` in the project's folder."""
    before = Path.cwd()
    os.chdir(project.folder)
    try:
        bootstrap_project(project.folder)
        configure_project("gan_pipelines")
        yield
    finally:
        os.chdir(before)


def with_sweep(new_project: Callable[[], Project]) -> Project:
    project = new_project()
    project.write("conf/smoke/parameters_sweep.yml", BLOCK)
    return project


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_and_leaves_a_report_and_the_best_trial_as_an_experiment(
    new_project: Callable[[], Project], kedro_run: Callable[..., Process]
) -> None:
    project = with_sweep(new_project)
    first = kedro_run(project, command="sweep")
    checkpoints = project.folder / "data" / "06_models" / "smoke" / "checkpoints"

    def training_in_trial_1() -> bool:
        return "trial 1 (1 of 2 ended)" in first.said() and any(checkpoints.rglob("step_*.safetensors"))

    assert first.wait_until(training_in_trial_1), first.said()
    first.kill()
    with inside(project):
        run_sweep(project.folder, "smoke", {})
    journal = StudyDataset(filepath=str(project.folder / "data/08_reporting/smoke/sweep.journal"))
    trials = journal.load().get_trials()
    assert all({*trial.intermediate_values} == {10, 20} for trial in (trials[0], trials[2]))  # the watch curves
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[2].params == trials[1].params  # what was killed is repeated
    assert len(project.files("judge.safetensors")) == 1  # made once, for all trials

    # trials are ordinary runs with tags
    runs = [record.parent for record in project.records()]
    tagged = [(run.data.tags["sweep"], run.data.tags["trial"], run.info.status) for run in reversed(runs)]
    assert tagged == [
        ("smoke", "shared", "FINISHED"), ("smoke", "0", "FINISHED"), ("smoke", "1", "KILLED"),
        ("smoke", "2", "FINISHED"),
    ]  # fmt: skip
    for trial, run in zip((trials[2], trials[0]), (runs[0], runs[2]), strict=True):
        assert float(run.data.params[RATE]) == trial.params[RATE]
        assert run.data.params["evaluation.split"] == "validation"
        assert run.data.metrics["infogan/frechet_distance.judge.200"] == pytest.approx(trial.value, abs=1e-9)

    # the report, and the best trial
    table = project.table("sweep_trials")
    best = min((trials[0], trials[2]), key=lambda trial: float(trial.value or 0))
    assert table[["place", "trial", "value"]].iloc[0].tolist() == [1, best.number, pytest.approx(best.value)]
    assert project.json("sweep_figure")["data"][0]["y"] == pytest.approx([trials[0].value, trials[2].value])
    assert "2 of 3 trials have a score" in project.newest("sweep_page.html").read_text()
    written = yaml.safe_load((project.folder / "conf/smoke-best/parameters.yml").read_text())
    assert written["extends"] == "smoke"
    assert written["infogan"]["training"]["learning_rate"] == best.params[RATE]
    conf = ExperimentLoader(str(project.folder / "conf"), "smoke-best", **LOADER_ARGUMENTS)
    assert Experiment.read(conf["parameters"]).evaluation.split == "test"

    # a trial that is behind is broken off
    done = {"params": trials[0].params, "distributions": trials[0].distributions, "value": 0.0}
    study = journal.load()
    study.add_trials([create_trial(**done, intermediate_values={10: 0.0, 20: 0.0}) for _ in range(3)])
    with inside(project):
        run_sweep(project.folder, "smoke", {"sweep": {"trials": 6}})
    behind, run = journal.load().get_trials()[6], project.record()
    assert (behind.state.name, behind.last_step) == ("PRUNED", 10)
    assert (run.parent.info.status, run.children["infogan"].info.status) == ("KILLED", "KILLED")
    assert run.parent.data.tags["trial"] == "6"
    assert "Broken off at step 10 of infogan" in run.parent.data.tags["mlflow.note.content"]
    assert "5 of 7 trials have a score" in project.newest("sweep_page.html").read_text()


def parameter(place: str, low: float = 0.1, high: float = 0.2, distribution: str = "uniform") -> dict[str, Any]:
    """A sweep over one parameter."""
    return {"parameters": {place: {"distribution": distribution, "low": low, "high": high}}}


def seed(place: str) -> dict[str, Any]:
    return parameter(place, 0, 3, "integers")


UNWATCHED = {
    **parameter("sgan.joint.upstream_weight"),
    "shared": ["data_preparation", "judge", "real_evaluation", "classifier"],
    "pipelines": ["sgan_levels", "sgan_joint", "sgan_evaluation"],
    "score": "independent_stack/recall.judge",
    "pruning": {"pruner": "median"},
}
"""Trials of a stack."""


@pytest.fixture(scope="module")
def unswept(new_project: Callable[[], Project]) -> Project:
    """A project with a sweep that nobody has run."""
    return with_sweep(new_project)


@pytest.fixture(scope="module")
def planned(unswept: Project) -> Iterator[tuple[KedroContext, Experiment]]:
    """The context of a session with the parameters of trials, and its experiment, whose sweep is a good one."""
    with (
        inside(unswept),
        settings.SESSION_CLASS.create(unswept.folder, env="smoke", runtime_params={**VALIDATION}) as session,
    ):
        context = session.load_context()
        experiment = active_experiment()
        plan = make_plan(context, experiment, {})
        assert plan.direction == "minimize"
        assert set(plan.tables) == {"infogan_scores", "code_scores"}
        assert plan.shared >= {"train_images", "validation_images", "judge", "second_judge", "real_features"}
        yield context, experiment


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (parameter("infogan.training.learning_rte"), r"infogan\.training\.learning_rte: there is no .*learning_rate"),
        (parameter("_widths.dence"), r"_widths\.dence: changes nothing"),
        (seed("data.seed"), r"data\.seed: must leave alone what trials are measured by"),
        (seed("judge.seed"), r"judge\.seed: must leave alone"),
        (seed("run.seed"), r"run\.seed: .*`sweep\.seeds`"),
        (parameter("sgan.joint.upstream_weight"), r"upstream_weight: changes nothing in `sweep\.pipelines`"),
        (parameter("infogan.training.steps", 0, 9, "integers"), r"training\.steps: the value 0 is not allowed"),
        ({"shared": ["judge", "infogan_training"]}, r"learning_rate: .*`sweep\.shared` trains once"),
        ({"parameters": {}}, r"must name at least one"),
        ({"score": "infogan/beauty.judge"}, r"^sweep\.score: .*infogan/beauty\.judge"),
        ({"score": "joint_stack/recall.judge"}, r"score no 'joint_stack'; found infogan"),
        ({"score": "infogan/recall.jugde"}, r"'jugde' is no space"),
        ({"score": "infogan/density.judge"}, r"higher or lower values are better"),
        ({"pipelines": ["infogn"]}, r"^sweep\.pipelines: 'infogn' is not a pipeline"),
        ({"shared": ["judge"]}, r"^sweep\.pipelines: they start from .*train_images"),
        (UNWATCHED, r"^sweep\.pruning: .*found no training of independent_stack"),
        ({**UNWATCHED, "score": "joint_stack/recall.judge"}, r"^sweep\.pruning: .*found no sgan\.joint\.watch"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(
    planned: tuple[KedroContext, Experiment], changed: dict[str, Any], message: str
) -> None:
    context, experiment = planned
    sweep = SweepParameters.model_validate({**experiment.sweep.model_dump(), **changed})
    with pytest.raises(ExperimentError, match=message) as caught:
        make_plan(context, experiment.model_copy(update={"sweep": sweep}), {})
    assert "\n" not in str(caught.value)


def test_trainings_in_other_processes_cannot_be_broken_off(planned: tuple[KedroContext, Experiment]) -> None:
    context, experiment = planned
    with pytest.raises(ExperimentError, match=r"^sweep\.pruning: .*found --runner=ParallelRunner"):
        make_plan(context, experiment, {}, partial(ParallelRunner))
    ranks = experiment.model_copy(update={"run": experiment.run.model_copy(update={"workers": 2})})
    with pytest.raises(ExperimentError, match=r"^sweep\.pruning: .*found run\.workers = 2"):
        check_pruning(experiment.sweep.score, pipelines["infogan_training"], ranks, SEQUENTIAL)


def test_nothing_is_written_without_an_experiment_validation_images_or_optuna(
    unswept: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    with inside(unswept):
        with pytest.raises(ExperimentError, match=r"^--env: "):
            run_sweep(unswept.folder, None, {"data": {"validation_fraction": 0.25}})
        with pytest.raises(ExperimentError, match="there are no validation images"):
            run_sweep(unswept.folder, "smoke", {"data": {"validation_fraction": 0}})
        monkeypatch.setitem(sys.modules, "optuna", None)
        with pytest.raises(ExperimentError, match=r"pip install 'optuna"):
            run_sweep(unswept.folder, "smoke", {})
    assert not (unswept.folder / "data").exists()
