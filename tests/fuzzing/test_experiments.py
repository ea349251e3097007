"""Experiments as YAML: checked as a session and a run check them, and some of them trained for a step."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from kedro.framework.project import configure_project, pipelines

from gan_pipelines import project
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.data.images import LabelledImages, Representation
from gan_pipelines.hooks.checks import CheckHooks
from gan_pipelines.hooks.pipelines import blocks_in_use
from gan_pipelines.models.plan import plan_infogan, plan_levels
from gan_pipelines.parameters import Experiment
from gan_pipelines.training.classifier import fit_classifier
from gan_pipelines.training.infogan import fit_infogan
from gan_pipelines.training.joint import fit_joint
from gan_pipelines.training.level import fit_level
from gan_pipelines.training.observer import Silent
from tests.fuzzing.outcome import accepted, cases, unchanged
from tests.fuzzing.schemas import YAML_BROKEN, Changed, Fields

CONF = Path(__file__).parents[2] / "conf"
SMOKE = ExperimentLoader(str(CONF), "smoke", **LOADER_ARGUMENTS)["parameters"]
EXPERIMENTS = Fields(Experiment, YAML_BROKEN).changed(SMOKE)
NAMES = (*Experiment.model_fields, "Invalid parameters", "conf")
LARGEST_TRAINED = 64
"""An extent or a width of layers that are trained here."""

FRAGMENTS = (
    "&a [*a]", "*a", "&a {b: *a}", "{<<: 1}", "!!python/object/apply:os.getcwd []", "!!binary x", "!!set {1}", "|\n",
    "? [1]\n", "${run.seed}", "${run}", "${x}", "${experiment:}", "${oc.env:HOME}", "${", "2020-01-01", "1:30:45", "%",
    "[" * 2000, "0x" + "f" * 5000, "9" * 5000, "{a: " * 500, "- ", "\t", "\x00", "\x1b", "\ufeff", "---\n", "...\n",
    "'", '"', ": ", "_x: 1\n", "extends: base\n", "extends: [1]\n", "extends: ../x\n", "1: 2\n", "null: 1\n",
    "run: 1\n", "true: 1\n", "a: 1\na: 2\n",
)  # fmt: skip
"""Pieces of YAML that change what stands around them."""


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    """As many random pictures as some trainings of the smoke experiment need."""
    pixels = torch.randint(0, 256, (60, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(60) % 10, tuple("0123456789"))


@pytest.fixture(scope="module", autouse=True)
def outside_of_a_session() -> Iterator[None]:
    """Experiments are entered one after the other; none stays."""
    configure_project("gan_pipelines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project, "_session", project._Session())
        yield


def check(text: bytes, images: LabelledImages) -> Experiment | None:
    """Check an experiment's YAML as a session does when it begins, and a run when it has its images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "conf", "base")
        folder.mkdir(parents=True)
        (folder / "parameters.yml").write_bytes(text)
        with unchanged(Path(name)):
            return accepted(lambda: _check(Path(name), images), *NAMES)


def _check(folder: Path, images: LabelledImages) -> Experiment:
    hooks = CheckHooks()
    loader = ExperimentLoader(str(folder / "conf"), "base", **LOADER_ARGUMENTS)
    hooks.after_context_created(SimpleNamespace(config_loader=loader, project_path=folder, env="base"))
    hooks.used, hooks.runs_rows = blocks_in_use(pipelines["__default__"]), True
    (node,) = (node for node in pipelines["data_preparation"].nodes if node.name == "data.prepare_images")
    split = hooks.experiment.evaluation.scored_images
    hooks.after_node_run(node, {"train_images": images, split: images})
    assert Experiment.read(hooks.experiment.model_dump(mode="json")) == hooks.experiment
    return hooks.experiment


def as_yaml(parameters: Any) -> bytes:
    text: bytes = yaml.dump(parameters, Dumper=yaml.CSafeDumper, default_flow_style=None, encoding="utf-8")
    return text


@cases(0.3)
@given(changed=EXPERIMENTS)
def test_an_experiment_is_accepted_and_trains_or_is_refused_by_name(images: LabelledImages, changed: Changed) -> None:
    experiment = check(as_yaml(changed.data), images)
    if experiment is not None and max(_sizes(shortened := shorten(experiment))) <= LARGEST_TRAINED:
        accepted(lambda: train(shortened, images), *NAMES, "diverged")


TEXT = as_yaml(SMOKE)
STARTS = [0, *(found.end() for found in re.finditer(rb"\n|: |, |\{|\[", TEXT))]


@cases(0.1)
@given(
    piece=st.sampled_from(FRAGMENTS).map(str.encode) | st.binary(max_size=3),
    start=st.sampled_from(STARTS) | st.integers(0, len(TEXT)),
    cut=st.integers(0, 20),
)
@example(piece=b"1: 2\n", start=0, cut=0)
@example(piece=b"run: 0x" + b"f" * 5000 + b"\n", start=0, cut=0)
def test_yaml_with_a_piece_replaced_is_accepted_or_refused(
    images: LabelledImages, piece: bytes, start: int, cut: int
) -> None:
    check(TEXT[:start] + piece + TEXT[start + cut :], images)


def shorten(experiment: Experiment) -> Experiment:
    """The same experiment with one step per training, on this machine's processor."""
    raw = experiment.model_dump()
    sgan, infogan = raw["sgan"], raw["infogan"]
    for level in sgan["levels"].values():
        level["generator_updates"] = [{**step, "updates": 2} for step in level["generator_updates"]]
    for stage in (*map(raw.get, ("classifier", "judge", "infogan")), sgan["joint"], *sgan["levels"].values()):
        stage["training"]["steps"] = 1
    infogan["information_weights"] |= {"categorical_delay_steps": 0, "continuous_delay_steps": 0}
    raw["run"] |= {"device": "cpu", "threads": 1, "workers": 1, "compile": "off"}
    return Experiment.read(raw)


def _sizes(experiment: Experiment) -> Iterator[int]:
    """Every whole number of every layer."""

    def walk(data: Any, within: bool) -> Iterator[int]:
        if isinstance(data, dict):
            for value in data.values():
                yield from walk(value, within or "layer" in data)
        elif isinstance(data, list | tuple):
            for value in data:
                yield from walk(value, within)
        elif within and isinstance(data, int):
            yield data

    return walk(experiment.model_dump(), within=False)


def train(experiment: Experiment, images: LabelledImages) -> None:
    """Train every network of an experiment, and sample from each generator."""
    run, rng = experiment.run, torch.Generator().manual_seed(0)
    fit_classifier(run, "judge", experiment.judge.classifier, images, images, Silent())
    encoder, _, _ = fit_classifier(run, "encoder", experiment.classifier, images, images, Silent())
    pixels = images.pixels()
    found = encoder.representations(pixels.batch(torch.arange(len(images))))
    targets = {name: Representation(name, values) for name, values in found.items()} | {"pixels": pixels}
    specs, levels = plan_levels(experiment.sgan, encoder), []
    for name, spec in specs.items():
        above = spec.parameters.condition
        condition = targets[above] if above in specs else images.conditions(above)
        levels.append(fit_level(run, spec, encoder, targets[name], condition, Silent(), labels=images.labels)[0])
    top = images.conditions(levels[0].spec.parameters.condition)
    fit_joint(run, experiment.sgan.joint, levels, encoder, targets, top, Silent())
    gan, _ = fit_infogan(run, plan_infogan(experiment.infogan, images.image_shape, ""), pixels, Silent())
    pictures, _ = gan.sample(3, rng)
    assert pictures.shape == (3, *images.image_shape)
