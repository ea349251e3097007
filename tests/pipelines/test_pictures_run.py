"""The pipeline `pictures` scores a folder of a run's samples like the run itself; missing input is refused first."""

from typing import Any

import pytest
from PIL import Image

from gan_pipelines.parameters import ExperimentError
from tests.pipelines.conftest import Project


@pytest.mark.slow
def test_a_folder_of_a_stacks_samples_has_the_scores_of_the_stack(project: Project) -> None:
    samples = project.images("joint_stack_samples")
    for number, (picture, label) in enumerate(zip(samples.images, samples.labels.tolist(), strict=True)):
        folder = project.folder / "elsewhere" / samples.classes[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0].numpy()).save(folder / f"{number:03}.png")
    project.run({"evaluation": {"pictures": "elsewhere"}}, pipeline_names=["pictures"])
    theirs, ours = (
        project.table(f"{name}_scores").set_index(["score", "space", "of_class"])
        for name in ("joint_stack", "pictures")
    )
    theirs = theirs.drop(index="classification_accuracy", level="score")  # no classifier is trained on a folder
    assert ours.index.equals(theirs.index)
    assert ours["samples"].tolist() == theirs["samples"].tolist()
    # the order differs, which affects only the splits of the Inception score and the subsets of the kernel distance
    exact = ~theirs.index.get_level_values("score").isin(["inception_score", "kernel_distance"])
    assert ours["value"][exact].tolist() == pytest.approx(theirs["value"][exact].tolist(), rel=1e-4, abs=1e-6)
    assert ours["value"].tolist() == pytest.approx(theirs["value"].tolist(), rel=0.1)
    with Image.open(project.only("pictures_sample_grid.png")) as grid:
        assert grid.width >= 5 * 58 + 2
        assert 0 < grid.height - (10 * 58 + 2) < 150
    assert project.only("pictures_confusion.json")
    metrics = project.record().parent.data.metrics
    assert metrics["pictures/frechet_distance.judge.200"] == pytest.approx(
        project.scores("pictures").loc[("frechet_distance", "judge"), "value"]
    )


@pytest.mark.parametrize(
    ("pipeline", "evaluation", "named"),
    [
        ("pictures", {}, ["evaluation.pictures"]),
        ("pictures", {"pictures": "nowhere"}, ["evaluation.pictures", "nowhere"]),
        ("__default__", {"networks": ["efficientnet_lite0"]}, ["evaluation.networks", "judge"]),
        ("__default__", {"networks": ["judge", "judge"]}, ["evaluation.networks", "judge"]),
        ("__default__", {"samples": 40}, ["evaluation.samples", "50", "40"]),
        (
            "real_evaluation",
            {"networks": ["judge", "inception_v3"], "inception_weights": "no.pth"},
            ["evaluation.inception_weights", "{project}/no.pth"],
        ),
    ],
)
def test_what_is_missing_is_refused_before_anything_runs(
    finished_project: Project, pipeline: str, evaluation: dict[str, Any], named: list[str]
) -> None:
    before = {path for path in finished_project.folder.rglob("*") if path.is_file()}
    with pytest.raises(ExperimentError) as error:
        finished_project.run({"evaluation": evaluation}, pipeline_names=[pipeline])
    assert all(part.format(project=finished_project.folder) in str(error.value) for part in named)
    assert "\n" not in str(error.value)
    assert {path for path in finished_project.folder.rglob("*") if path.is_file()} == before
