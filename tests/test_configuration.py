"""How experiments are layered: single values, other kinds, removed entries, `extends`, --params."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader, overlay
from gan_pipelines.parameters import Experiment, ExperimentError
from tests.pipelines.rights import plain_user

ROOT = Path(__file__).parents[1]
Conf = Callable[..., dict[str, Any]]


def read(conf: Path, env: str | None = None, **runtime: Any) -> dict[str, Any]:
    return ExperimentLoader(str(conf), env, runtime, **LOADER_ARGUMENTS)["parameters"]


@pytest.fixture
def conf(tmp_path: Path) -> Callable[..., Path]:
    """A configuration with these parameters in each experiment."""

    def build(**experiments: str) -> Path:
        for name, text in {"local": "", **experiments}.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "parameters.yml").write_text(text)
        return tmp_path

    return build


def test_an_experiment_changes_single_values_and_keeps_the_rest(conf: Callable[..., Path]) -> None:
    made = conf(base="run: {seed: 0, device: auto}\nother: 1", mine="run: {seed: 3}")
    assert read(made, "mine") == {"run": {"seed": 3, "device": "auto"}, "other": 1}


def test_lists_replace_each_other(conf: Callable[..., Path]) -> None:
    assert read(conf(base="layers: [1, 2, 3]", mine="layers: [4]"), "mine") == {"layers": [4]}


@pytest.mark.parametrize("kind", ["name", "distribution"])
def test_a_block_of_another_kind_keeps_nothing_of_the_one_before(kind: str) -> None:
    below, above = {"x": {kind: "a", "low": 0, "high": 1}}, {"x": {kind: "b", "size": 2}}
    assert overlay(below, above) == above
    assert overlay(below, {"x": {kind: "a", "size": 2}}) == {"x": {kind: "a", "low": 0, "high": 1, "size": 2}}
    assert overlay(below, {"x": {"size": 2}}) == {"x": {kind: "a", "low": 0, "high": 1, "size": 2}}


def test_params_change_the_kind_of_a_source_like_an_experiment_does(conf: Callable[..., Path]) -> None:
    made = conf(base="data: {source: {name: mnist_5k, test_fraction: 0.2}}")
    source = {"name": "npz", "path": "mine.npz"}
    assert read(made, data={"source": source}) == {"data": {"source": source}}


def test_interpolation_happens_after_the_merge(conf: Callable[..., Path]) -> None:
    made = conf(base="_width: 8\nlayers: [{features: '${_width}'}]", wide="_width: 16")
    assert read(made, "wide") == {"layers": [{"features": 16}]}
    assert read(made) == {"layers": [{"features": 8}]}


def test_an_experiment_extends_another_one(conf: Callable[..., Path]) -> None:
    made = conf(base="a: 1\nb: 1\nc: 1", middle="a: 2\nb: 2", mine="extends: middle\na: 3")
    assert read(made, "mine") == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ({"mine": "extends: nobody"}, ["conf/mine", "nobody", "base, local, mine"]),
        ({"mine": "extends: mine"}, ["conf/mine", "mine extends mine"]),
        ({"mine": "extends: other", "other": "extends: mine"}, ["conf/other", "mine extends other extends mine"]),
        ({"mine": "[1, 2]"}, ["parameters.yml", "mapping"]),
        ({"mine": "a: ${b}"}, ["conf", "b"]),
        ({"mine": "a: ["}, ["conf", "parameters.yml"]),
        ({"mine": "a: &a [*a]"}, ["conf", "contains itself"]),
        ({"mine": "1: 2"}, ["conf", "found 1"]),
        ({"mine": f"b: [{{c: 0x{'f' * 5000}}}]"}, ["conf: b.0.c", "found 20000"]),
        ({"mine": f"0x{'f' * 5000}: 1"}, ["conf", "cannot be read"]),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_paragraph(
    conf: Callable[..., Path], experiments: dict[str, str], said: list[str]
) -> None:
    with pytest.raises(ExperimentError) as caught:
        read(conf(base="a: 1", **experiments), "mine")
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in said)


@pytest.mark.parametrize("part", [".", "mine", "mine/parameters.yml", "mine/parameters_more", "base"])
@pytest.mark.parametrize("mode", [0, 0o444])
def test_what_may_not_be_read_is_refused_instead_of_passed_over(
    conf: Callable[..., Path], part: str, mode: int
) -> None:
    made = conf(base="a: 1", mine="a: 2")
    (made / "mine" / "parameters_more").mkdir()
    (made / "mine" / "parameters_more" / "parameters.yml").write_text("b: 1")
    if (made / part).is_file() and mode:
        return
    (made / part).chmod(mode)
    try:
        with plain_user(), pytest.raises(ExperimentError, match=r"cannot be read \(Permission denied\)") as caught:
            read(made, "mine")
    finally:
        (made / part).chmod(0o755)
    assert str(caught.value).startswith(str((made / part).resolve()))


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    for name in ("conf.tar.gz", "conf.zip", "absent.zip"):
        if not name.startswith("absent"):
            (tmp_path / name).write_text("no archive")
        with pytest.raises(ExperimentError, match=r"^--conf-source: .*cannot be read") as caught:
            read(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.parametrize("key", ["catalog", "mlflow"])
def test_other_configuration_that_is_no_yaml_is_refused_by_name(conf: Callable[..., Path], key: str) -> None:
    made = conf(base="a: 1")
    (made / "base" / f"{key}.yml").write_text("a: [")
    with pytest.raises(ExperimentError, match=rf"^conf: the {key} cannot be read: .*{key}\.yml"):
        ExperimentLoader(str(made), None, **LOADER_ARGUMENTS)[key]


@pytest.mark.parametrize("name", ["minst", "../elsewhere", "."])
def test_an_unknown_experiment_is_refused_with_those_that_are_there(conf: Callable[..., Path], name: str) -> None:
    with pytest.raises(ExperimentError, match=r"^--env: .*base, local, mnist"):
        read(conf(base="a: 1", mnist="a: 2"), name)


def test_conf_local_need_not_exist(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "parameters.yml").write_text("a: 1")
    assert read(tmp_path) == {"a": 1}


def test_the_catalog_knows_the_experiment_of_its_own_loader(conf: Callable[..., Path]) -> None:
    made = conf(base="a: 1", mine="a: 2")
    (made / "base" / "catalog.yml").write_text("x: {filepath: '${experiment:}/x'}")
    mine, base = (ExperimentLoader(str(made), env, **LOADER_ARGUMENTS) for env in ("mine", None))
    found = [loader["catalog"]["x"]["filepath"] for loader in (mine, base)]
    assert found == ["mine/x", "base/x"]
    assert mine["catalog"]["x"]["filepath"] == "mine/x"


def test_an_archive_of_the_configuration_is_read_like_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "conf.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(ROOT / "conf", "conf")
    assert read(archive, "fashion_mnist") == read(ROOT / "conf", "fashion_mnist")


def test_a_level_or_a_code_set_to_null_is_removed() -> None:
    raw = read(ROOT / "conf", "three_levels")
    raw["sgan"]["levels"]["block2"] = None
    raw["sgan"]["levels"]["pixels"]["condition"] = "fc3"
    raw["infogan"]["codes"]["style"] = None
    experiment = Experiment.read(raw)
    assert list(experiment.sgan.levels) == ["fc3", "pixels"]
    assert list(experiment.infogan.codes) == ["category"]


def test_levels_are_sorted_by_their_conditions_whatever_their_order_in_the_yaml() -> None:
    raw = read(ROOT / "conf", "three_levels")
    levels = raw["sgan"]["levels"]
    assert list(levels) == ["fc3", "pixels", "block2"]  # as the layers have them
    for order in (["pixels", "block2", "fc3"], ["block2", "fc3", "pixels"]):
        raw["sgan"]["levels"] = {name: levels[name] for name in order}
        assert list(Experiment.read(raw).sgan.levels) == ["fc3", "block2", "pixels"]
