"""How good generated pictures are, and what codes mean: features of a judge, and statistics computed on them."""

from gan_pipelines.metrics.codes import CodeScores, score_codes
from gan_pipelines.metrics.features import JudgedImages, judge_images
from gan_pipelines.metrics.networks import NETWORKS, FeatureNetwork, Reading, open_network, require_networks
from gan_pipelines.metrics.scores import Scores, score, score_unlabelled, within_class_diversity

__all__ = [
    "NETWORKS",
    "CodeScores",
    "FeatureNetwork",
    "JudgedImages",
    "Reading",
    "Scores",
    "judge_images",
    "open_network",
    "require_networks",
    "score",
    "score_codes",
    "score_unlabelled",
    "within_class_diversity",
]
