"""A model that an experiment names is found as a file, a dataset or a version of one; anything else is refused."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from kedro.io import DataCatalog

from gan_pipelines.hooks.references import find_model
from gan_pipelines.model_file import write_model
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CheckpointParameters, ExperimentError
from tests.conftest import PROVENANCE

WHERE = "infogan.initialise.from"
OLD, NEW = "2026-01-31T10.00.00.001Z", "2026-01-31T10.00.00.002Z"
FIRST = PROVENANCE.model_copy(update={"stage": "infogan"})
SECOND = FIRST.model_copy(update={"inputs": {"images": "abc", "initial": "123"}, "initial": {"initial": FIRST}})


@pytest.fixture
def save(infogan_spec: Callable[..., InfoGANSpec], catalog: DataCatalog) -> Callable[[str, Provenance], InfoGAN]:
    """Saves a version of the InfoGAN."""
    dataset = catalog["infogan"]

    def write(version: str, made: Provenance) -> InfoGAN:
        model = InfoGAN(infogan_spec().model_copy(update={"provenance": made}))
        write_model(Path(str(dataset._filepath)) / version / "infogan.safetensors", model)
        return model

    return write


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("nothing", "found 'nothing'"),
        (":2026", "found ':2026'"),
        ("train_images", "found 'train_images'"),
        ("params:run", "found 'params:run'"),
        ("infogan", "there is no version yet of infogan; found none"),
        ("infogan:2026", "there is no version 2026 of infogan; found none"),
        ("../x.safetensors", "there is no file /project/../x.safetensors"),
    ],
)
def test_what_is_not_there_is_refused_by_its_place(catalog: DataCatalog, reference: str, found: str) -> None:
    with pytest.raises(ExperimentError, match=rf"^{re.escape(WHERE)}: .*{re.escape(found)}"):
        find_model(WHERE, reference, catalog, Path("/project"))


def test_a_dataset_a_version_and_a_file_are_found(
    catalog: DataCatalog, save: Callable[[str, Provenance], InfoGAN], tmp_path: Path
) -> None:
    old, new = save(OLD, FIRST), save(NEW, SECOND)
    write_model(tmp_path / "mine.safetensors", old)
    for reference, model in {"infogan": new, f"infogan:{OLD}": old, "mine.safetensors": old}.items():
        assert find_model(WHERE, reference, catalog, tmp_path).load().digest() == model.digest()


def test_the_result_of_an_interrupted_run_is_not_its_own_start(
    catalog: DataCatalog, save: Callable[[str, Provenance], InfoGAN], tmp_path: Path
) -> None:
    old, new = save(OLD, FIRST), save(NEW, SECOND)
    folder = catalog["checkpoints"].load()

    def newest() -> str:
        return find_model(WHERE, "infogan", catalog, tmp_path).load().digest()

    with folder.open(SECOND, CheckpointParameters()) as checkpoints:
        assert newest() == new.digest()  # nothing is written yet
        checkpoints.write(1, {}, {})
    assert newest() == old.digest()
    folder.clear()
    assert newest() == new.digest()
