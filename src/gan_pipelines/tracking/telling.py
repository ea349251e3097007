"""Which two of a training's numbers say most about how it goes; MLflow has all of them.

| training | numbers |
|---|---|
| a level | the adversarial term of D, and the variance of generated over that of real representations |
| the joint stack | the same of the pixels |
| an InfoGAN | L_I of the first code in nats, and the adversarial term of D |
| a classifier | its cross-entropy; at its end its accuracy on images that it was not trained on |
"""

import re
from collections.abc import Mapping

from gan_pipelines.parameters import PIXELS
from gan_pipelines.training.collapse import VARIANCE_RATIO

_TELLING = {
    r"information\.(?!total$)(\w+)": r"L_I of \1",
    rf"({PIXELS}\.)?discriminator\.adversarial": "D adversarial",
    rf"({PIXELS}\.)?{VARIANCE_RATIO}": "variance ratio",
    r"classifier\.cross_entropy": "cross-entropy",
    r"(test|validation)_accuracy": r"\1 accuracy",
}
"""Names of metrics, the first of each kind, and how they are told."""


def telling_numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """The numbers that matter among those of a training, as they are told."""
    found: dict[str, float] = {}
    for pattern, told in _TELLING.items():
        matches = (match for name in metrics if (match := re.fullmatch(pattern, name)))
        if match := next(matches, None):
            found[match.expand(told)] = metrics[match[0]]
    return found
