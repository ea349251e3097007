"""Data of one class are scored by what needs no classes."""

import pytest
import torch

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder
from gan_pipelines.models.plan import plan_classifier
from gan_pipelines.parameters import Experiment, RunParameters
from gan_pipelines.pipelines.evaluation.nodes import score_samples
from gan_pipelines.pipelines.real_evaluation.nodes import extract_real, score_real

RUN = RunParameters(threads=1)
NETWORK = "efficientnet_lite0"
WITHOUT_CLASSES = {"kernel_distance", "inception_score", "precision", "recall", "density", "coverage"}


def pictures(count: int, seed: int, classes: tuple[str, ...] = ("only",)) -> LabelledImages:
    rng = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 28, 28), generator=rng, dtype=torch.uint8)
    return LabelledImages(pixels, torch.zeros(count, dtype=torch.int64), classes)


@pytest.mark.slow
def test_pictures_of_one_class_have_every_score_that_needs_no_judge(smoke_experiment: Experiment) -> None:
    train, test, samples = pictures(24, 0), pictures(20, 1), pictures(20, 2, ("sample",))
    parameters = (smoke_experiment.judge, smoke_experiment.second_judge)
    plans = (plan_classifier(x, train.image_shape, train.classes, train.digest(), "judge") for x in parameters)
    judge, second_judge = (Encoder(plan.spec).freeze() for plan in plans)
    evaluation = smoke_experiment.evaluation.model_copy(update={"networks": ("judge", NETWORK)})
    real = extract_real(RUN, evaluation, judge, second_judge, train, test)
    tables = {
        "samples": score_samples(RUN, evaluation, judge, second_judge, train, test, real, samples)[0],
        "real": score_real(RUN, evaluation, judge, train, test, real),
    }
    repetition = {"near_duplicates", "neighbour_distance", "copies"}
    for name, in_pixels in {"samples": repetition, "real": {"near_duplicates"}}.items():
        measured = tables[name].dropna(subset="value")
        assert set(measured["space"]) == {NETWORK, "pixels"}
        assert set(measured.loc[measured["space"] == NETWORK, "score"]) == WITHOUT_CLASSES
        assert set(measured.loc[measured["space"] == "pixels", "score"]) == in_pixels
        judged = tables[name][tables[name]["space"].isin(["judge", "second_judge", "judges"])]
        assert {"frechet_distance", "within_class_diversity", "judge_agreement"} <= set(judged["score"])
        assert judged["note"].str.contains("one class").all()
    of_class = tables["real"].dropna(subset="of_class")
    assert set(of_class["of_class"]) == {"only"}
    expected = ["label_accuracy", "class_share", "within_class_diversity", "near_duplicates"]
    assert of_class["score"].tolist() == expected
