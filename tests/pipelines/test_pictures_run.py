"""`kedro run --pipeline=pictures` scores the samples of a run like the run itself; what is missing is refused first."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from gan_pipelines.datasets import ImagesDataset
from gan_pipelines.parameters import ExperimentError

Files = Callable[[Path, str], list[Path]]
Kedro = Callable[..., None]


def test_a_folder_of_a_stacks_samples_has_the_scores_of_the_stack(
    finished_project: Path, files: Files, kedro: Kedro, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(finished_project, tmp_path / "a copy"))
    samples = ImagesDataset(filepath=str(files(project, "joint_samples.safetensors")[0])).load()
    for number, (picture, label) in enumerate(zip(samples.images, samples.labels.tolist(), strict=True)):
        folder = project / "elsewhere" / samples.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0].numpy()).save(folder / f"{number:03}.png")
    kedro(project, pipeline_names=["pictures"], params={"evaluation": {"pictures": "elsewhere"}})
    theirs, ours = (
        pd.read_csv(files(project, f"{name}_scores.csv")[0]).set_index(["score", "space", "of_class"])
        for name in ("joint_stack", "pictures")
    )
    theirs = theirs.drop(index="classification_accuracy", level="score")  # no classifier is trained on a folder
    assert ours.index.equals(theirs.index)
    assert ours["samples"].tolist() == theirs["samples"].tolist()
    # the order is another one, which only the splits of the Inception score and the subsets of the kernel see
    exact = ~theirs.index.get_level_values("score").isin(["inception_score", "kernel_distance"])
    assert ours["value"][exact].tolist() == pytest.approx(theirs["value"][exact].tolist(), rel=1e-4, abs=1e-6)
    assert ours["value"].tolist() == pytest.approx(theirs["value"].tolist(), rel=0.1)
    with Image.open(files(project, "pictures_sample_grid.png")[0]) as grid:
        assert grid.size == (5 * 58 + 2, 10 * 58 + 2)


@pytest.mark.parametrize(
    ("pipeline", "evaluation", "said"),
    [
        ("pictures", {}, "evaluation.pictures: this pipeline scores a folder of pictures, and none is named"),
        ("pictures", {"pictures": "nowhere"}, "evaluation.pictures: there is no folder "),
        ("__default__", {"networks": ["efficientnet_lite0"]}, "evaluation.networks: must name the judge"),
        ("__default__", {"networks": ["judge", "judge"]}, "evaluation.networks: must name the judge"),
        ("__default__", {"samples": 40}, "evaluation.samples: a classifier like the judge is trained on them"),
        (
            "yardstick",
            {"networks": ["judge", "inception_v3"], "inception_weights": "no.pth"},
            "evaluation.inception_weights: {project}/no.pth: there is no such file",
        ),
    ],
)
def test_what_is_missing_is_refused_before_anything_runs(
    finished_project: Path, kedro: Kedro, pipeline: str, evaluation: dict[str, Any], said: str
) -> None:
    before = {path for path in finished_project.rglob("*") if path.is_file()}
    with pytest.raises(ExperimentError) as error:
        kedro(finished_project, pipeline_names=[pipeline], params={"evaluation": evaluation})
    assert said.format(project=finished_project) in str(error.value)
    assert "\n" not in str(error.value)
    assert {path for path in finished_project.rglob("*") if path.is_file()} == before
