"""From a trained generator to samples, scores and a grid.

The datasets of a generator `joint_stack` are `joint_stack_samples`, `joint_stack_scores` and so on; its namespace is
`joint_stack_evaluation`.
"""

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from gan_pipelines.pipelines.evaluation.nodes import (
    draw_judged,
    draw_nearest,
    draw_samples,
    sample_generator,
    score_samples,
    train_classifier_on_samples,
)

SETTINGS = ("params:run", "params:evaluation")
REAL_IMAGES = ("train_images", "test_images")
JUDGES = ("judge", "second_judge")


def create_pipeline(generator: str, labelled: bool, matching: str | None = None) -> Pipeline:
    """Sample, train a classifier on the samples if they have labels, score, draw.

    Args:
        generator: its dataset, such as `joint_stack`.
        labelled: whether it takes labels.
        matching: the dataset that says which of its labels stands for which class, if they are not the classes.
    """
    sampling = [create_sampling(generator, matching), create_drawing(generator)]
    if not labelled:
        return in_namespace([*sampling, create_scoring(generator)], generator)
    classifier = f"classifier_on_{generator}"
    training = Node(
        train_classifier_on_samples,
        inputs=["params:run", "params:judge", generator, f"{generator}_samples", "test_images", "checkpoints"],
        outputs=[classifier, f"history_{classifier}"],
        name="train_classifier",
    )
    return in_namespace([*sampling, training, create_scoring(generator, classifier)], generator)


def create_sampling(generator: str, matching: str | None = None) -> Pipeline:
    """Draw samples from a generator."""
    inputs, outputs = [*SETTINGS, generator, "test_images", *([matching] if matching else [])], f"{generator}_samples"
    return Pipeline([Node(sample_generator, inputs=inputs, outputs=outputs, name="sample")])


def create_scoring(generator: str, classifier: str | None = None) -> Pipeline:
    """Score samples.

    Args:
        generator: where they come from.
        classifier: the dataset of a classifier trained on them, if there is one.
    """
    made = (f"{generator}_samples", *([classifier] if classifier else []))
    inputs = [*SETTINGS, *JUDGES, *REAL_IMAGES, "real_features", *made]
    outputs = [f"{generator}_scores", f"{generator}_influences"]
    return Pipeline([Node(score_samples, inputs=inputs, outputs=outputs, name="score")])


def create_drawing(generator: str) -> Pipeline:
    """Draw samples beside real images and nearest training images, and what the judge sees in them."""
    samples, real = f"{generator}_samples", ["judge", "test_images", "real_features"]
    drawings: dict[str, tuple[Callable[..., Any], list[str], str]] = {
        "draw_samples": (draw_samples, [samples, "test_images"], "sample_grid"),
        "draw_nearest": (draw_nearest, ["train_images", samples, "test_images"], "nearest_images"),
    }
    nodes = [
        Node(named(draw, generator), inputs=["params:evaluation", *inputs], outputs=f"{generator}_{made}", name=name)
        for name, (draw, inputs, made) in drawings.items()
    ]
    judged = Node(
        named(draw_judged, generator),
        inputs=[*SETTINGS, *real, samples],
        outputs=[f"{generator}_least_confident", f"{generator}_confusion"],
        name="draw_judged",
    )
    return Pipeline([*nodes, judged])


def named(draw: Callable[..., Any], generator: str) -> Callable[..., Any]:
    """A function of a node that knows the name of the generator, which comes first among its arguments."""
    return update_wrapper(partial(draw, generator), draw)


def in_namespace(nodes: Sequence[Node | Pipeline], generator: str) -> Pipeline:
    """The nodes as (a part of) the evaluation of that generator."""
    return Pipeline(nodes, namespace=f"{generator}_evaluation", prefix_datasets_with_namespace=False)
