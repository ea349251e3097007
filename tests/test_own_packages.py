"""Other packages bring parameter blocks and pipelines; what is wrong with one is said with its name."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_pipelines import pipeline_registry
from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment, ExperimentError

RAW = ExperimentLoader(str(Path(__file__).parents[1] / "conf"), "smoke", **LOADER_ARGUMENTS)["parameters"]
MODULE = """
from gan_pipelines.parameters import Schema
from kedro.pipeline import Pipeline

class Mild(Schema):
    threshold: float = 0.5

class Strict(Schema):
    threshold: float

def create_pipeline():
    return Pipeline([])

def create_trouble():
    return Pipeline("nodes")

def create_nothing():
    return None
"""

Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with one entry point: group, name and value."""

    def write(group: str, name: str, value: str) -> None:
        (tmp_path / "strangers.py").write_text(MODULE)
        information = tmp_path / "strangers-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[gan_pipelines.{group}]\n{name} = {value}\n")
        monkeypatch.delitem(sys.modules, "strangers", raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    return write


def test_a_block_of_another_package_is_checked_like_ours(install: Install) -> None:
    with pytest.raises(ExperimentError, match="mild: "):
        Experiment.read({**RAW, "mild": {"threshold": 0.7}})
    install("parameters", "mild", "strangers:Mild")
    assert Experiment.read(RAW).model_dump()["mild"] == {"threshold": 0.5}
    assert Experiment.read({**RAW, "mild": {"threshold": 0.7}}).model_dump()["mild"] == {"threshold": 0.7}
    for bad, path in (({"threshold": "high"}, r"mild\.threshold: "), ({"treshold": 1}, r"mild\.treshold: ")):
        with pytest.raises(ExperimentError, match=path):
            Experiment.read({**RAW, "mild": bad})
    experiment = Experiment.read(RAW)
    assert pickle.loads(pickle.dumps(experiment)) == experiment  # as on its way to a worker
    with pytest.raises(ExperimentError, match="midl: "):
        Experiment.read({**RAW, "midl": {}})


def test_a_block_without_defaults_is_asked_for(install: Install) -> None:
    install("parameters", "strict", "strangers:Strict")
    with pytest.raises(ExperimentError, match="strict: Field required"):
        Experiment.read(RAW)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("sgan", "strangers:Mild", "the block sgan is one of gan_pipelines"),
        ("mild", "strangers:Gone", "mild = strangers:Gone of the package strangers: cannot be imported"),
        ("mild", "nowhere:Mild", "cannot be imported .*nowhere"),
        ("mild", "strangers:create_pipeline", "must be a class derived from gan_pipelines.parameters.Schema"),
    ],
)
def test_a_block_that_is_wrong_is_named(name: str, value: str, problem: str, install: Install) -> None:
    install("parameters", name, value)
    with pytest.raises(ExperimentError, match=problem):
        Experiment.read(RAW)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("sgan", "strangers:create_pipeline", "has a pipeline of this name"),
        ("mine", "strangers:create_nothing", "must be a function that makes a Pipeline; found None"),
        ("mine", "strangers:gone", "cannot be imported"),
        ("mine", "strangers:create_trouble", "mine = strangers:create_trouble of the package strangers: failed"),
    ],
)
def test_a_pipeline_that_is_wrong_is_named(
    name: str, value: str, problem: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_registry, "active_experiment", lambda: Experiment.read(RAW))
    install("pipelines", name, value)
    with pytest.raises(ExperimentError, match=problem):
        pipeline_registry.register_pipelines()
