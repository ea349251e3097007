"""The plan of memory, against what is counted by hand."""

import torch
from torch import nn

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models.memory import (
    BYTES_PER_KEPT_WEIGHT,
    BYTES_PER_OUTPUT,
    BYTES_PER_WEIGHT,
    Need,
    count_outputs,
    plan_memory,
)
from gan_pipelines.models.requirements import plan_networks
from gan_pipelines.parameters import Experiment, WatchParameters
from gan_pipelines.reporting.networks import memory_table


def test_the_outputs_of_every_layer_are_counted_once_for_one_example() -> None:
    with torch.device("meta"):
        network = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 5)
        )
    assert count_outputs(network, (1, 8, 8)) == 3 * (3 * 64) + 48 + 48 + 5


def needs_of(experiment: Experiment, images: LabelledImages) -> dict[str, Need]:
    blocks = (experiment.classifier, experiment.judge, experiment.second_judge, experiment.sgan, experiment.infogan)
    plan = plan_networks(*blocks, images)
    sizes, watched = experiment.batch_sizes, experiment.watched
    return {need.what: need for need in plan_memory(plan, sizes, watched, experiment.evaluation, len(images))}


def grey(count: int, side: int = 28) -> LabelledImages:
    pixels = torch.zeros(count, 1, side, side, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(count) % 10, tuple("0123456789"))


def test_each_part_grows_with_what_it_is_said_to_shrink_with(smoke_experiment: Experiment) -> None:
    few, many = needs_of(smoke_experiment, grey(100)), needs_of(smoke_experiment, grey(1000))
    assert many["images"].size == 10 * few["images"].size
    assert many["representations"].size == 10 * few["representations"].size == 4 * 32 * 1000
    assert many["training of sgan"] == few["training of sgan"]
    larger = needs_of(smoke_experiment, grey(100, side=56))
    assert larger["training of sgan"].size > few["training of sgan"].size
    samples = smoke_experiment.evaluation.model_copy(update={"samples": 10 * smoke_experiment.evaluation.samples})
    more = needs_of(smoke_experiment.model_copy(update={"evaluation": samples}), grey(100))
    assert more["evaluation"].size > few["evaluation"].size
    trainings = [need for need in few.values() if need.kind != "always"]
    assert [need.block for need in trainings] == [
        "classifier",
        "judge",
        "second_judge",
        "sgan",
        "infogan",
        "evaluation",
    ]


def test_a_training_needs_its_weights_and_the_outputs_of_a_batch(smoke_experiment: Experiment) -> None:
    second = needs_of(smoke_experiment, grey(100))["training of second_judge"]
    weights, outputs = 784 * 48 + 48 + 48 * 10 + 10, 784 + 48 + 48 + 10
    assert second.size == BYTES_PER_WEIGHT * weights + BYTES_PER_OUTPUT * outputs * 50


def test_the_best_weights_are_kept_beside_those_in_training(smoke_experiment: Experiment) -> None:
    sizes = []
    for keep in ("last", "best"):
        watch = WatchParameters(every_steps=smoke_experiment.infogan.training.report_every_steps, keep=keep)
        watched = smoke_experiment.model_copy(
            update={"infogan": smoke_experiment.infogan.model_copy(update={"watch": watch})}
        )
        needs = needs_of(watched, grey(100))
        assert needs["training of sgan"] == needs_of(smoke_experiment, grey(100))["training of sgan"]
        sizes.append(needs["training of infogan"].size)
    blocks = (smoke_experiment.classifier, smoke_experiment.judge, smoke_experiment.second_judge)
    networks = plan_networks(*blocks, smoke_experiment.sgan, smoke_experiment.infogan, grey(100)).networks()
    weights = networks["infogan generator"].weights + networks["infogan discriminator"].weights
    assert sizes[1] - sizes[0] == BYTES_PER_KEPT_WEIGHT * weights


def test_the_table_ends_with_the_peak_of_a_run_in_which_trainings_follow_each_other() -> None:
    needs = [
        Need("run", "always", "images", 2**20, "fewer"),
        Need("a", "training", "training of a", 2**22, ""),
        Need("evaluation", "evaluation", "evaluation", 2**21, ""),
    ]
    table = memory_table(needs)
    assert table["mib"].tolist() == [1, 4, 2, 5]
    assert table.iloc[-1]["need"] == "peak"
