"""Kedro pipelines: one package per stage, nodes beside pipeline; `sgan`, `infogan`, `ablation` are made of them."""

from gan_pipelines.parameters.own_blocks import PIPELINES, find_entries

NAMES = (
    "data_preparation",
    "judge",
    "real_evaluation",
    "classifier",
    "sgan_levels",
    "sgan_joint",
    "sgan_evaluation",
    "infogan_training",
    "infogan_evaluation",
    "unsupervised_training",
    "unsupervised_evaluation",
    "sgan",
    "infogan",
    "sgan_unsupervised",
    "ablation",
    "compare",
    "sweep_report",
    "pictures",
    "sample",
    "export",
    "register",
    "__default__",
)
"""What `gan_pipelines.pipeline_registry` makes, known without the nodes, which import PyTorch."""


def known_names() -> list[str]:
    """Names of all pipelines, in alphabetic order, those of other packages included."""
    return sorted({*NAMES, *(entry.name for entry in find_entries(PIPELINES))})
