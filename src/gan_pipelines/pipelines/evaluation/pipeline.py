"""From a trained generator to samples, scores and a grid."""

from kedro.pipeline import Node, Pipeline

from gan_pipelines.evaluation import (
    draw_samples,
    extract_real,
    sample_generator,
    score_real,
    score_samples,
    train_classifier_on_samples,
)

SETTINGS = ("params:run", "params:evaluation")
REAL = ("judge", "train_images", "test_images", "real_features")


def create_yardstick() -> Pipeline:
    """Extract the features of the real images once; score the training images as if they were samples."""
    return Pipeline(
        [
            Node(extract_real, inputs=[*SETTINGS, *REAL[:3]], outputs=REAL[3], name="extract_real_features"),
            Node(score_real, inputs=[*SETTINGS, *REAL], outputs="real_scores", name="score_real_images"),
        ]
    )


def create_scoring(generator: str, samples: str, classifier: str | None = None) -> Pipeline:
    """Score samples that are there, and draw some.

    Args:
        generator: whose scores they are.
        samples: how the datasets of its samples begin, such as `joint`.
        classifier: the dataset of one trained on the samples, if there is any.
    """
    drawn = f"{samples}_samples"
    return Pipeline(
        [
            Node(
                score_samples,
                inputs=[*SETTINGS, *REAL, drawn, *([classifier] if classifier else [])],
                outputs=f"{generator}_scores",
                name=f"score_{generator}",
            ),
            Node(
                draw_samples,
                inputs=["params:evaluation", drawn],
                outputs=f"{samples}_sample_grid",
                name=f"draw_{samples}_samples",
            ),
        ]
    )


def create_pipeline(generator: str, samples: str, labelled: bool) -> Pipeline:
    """Sample, train a classifier on the samples where they have labels, score, draw.

    Args:
        generator: its dataset, such as `joint_stack`.
        samples: how the datasets of its samples begin, such as `joint`.
        labelled: whether it takes labels, and a classifier is to be trained on its samples.
    """
    drawn, classifier = f"{samples}_samples", f"classifier_on_{generator}"
    sampling = Node(sample_generator, inputs=[*SETTINGS, generator], outputs=drawn, name=f"sample_{generator}")
    scoring = create_scoring(generator, samples, classifier if labelled else None)
    if not labelled:
        return Pipeline([sampling]) + scoring
    training = Node(
        train_classifier_on_samples,
        inputs=["params:run", "params:judge", generator, drawn, "test_images", "checkpoints"],
        outputs=[classifier, f"history_{classifier}"],
        name=f"train_{classifier}",
    )
    return Pipeline([sampling, training]) + scoring
