"""Two numbers of each kind of training."""

import pytest

from gan_pipelines.tracking.telling import telling_numbers

D, LEVEL = "discriminator.adversarial", ("discriminator.entropy", "variance_ratio", "generator.adversarial")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((D, *LEVEL, "images_per_second"), {"D adversarial": D, "variance ratio": "variance_ratio"}),
        (
            (f"fc3.{D}", "fc3.variance_ratio", f"pixels.{D}", "pixels.variance_ratio"),
            {"D adversarial": f"pixels.{D}", "variance ratio": "pixels.variance_ratio"},
        ),
        (
            (D, "discriminator.information.category", "information.category", "information.width", "information.total"),
            {"L_I of category": "information.category", "D adversarial": D},
        ),
        ((D, "information.total"), {"D adversarial": D}),
        (
            ("classifier.cross_entropy", "train_accuracy", "test_accuracy"),
            {"cross-entropy": "classifier.cross_entropy", "test accuracy": "test_accuracy"},
        ),
        (("weights",), {}),
    ],
)
def test_two_numbers_of_a_training_are_told(names: tuple[str, ...], told: dict[str, str]) -> None:
    metrics = {name: float(place) for place, name in enumerate(names)}
    assert telling_numbers(metrics) == {key: metrics[name] for key, name in told.items()}
