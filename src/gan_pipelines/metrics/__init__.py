"""How good generated pictures are, and what codes mean: features of networks, and statistics computed on them."""

from gan_pipelines.metrics.codes import CodeScores, score_codes
from gan_pipelines.metrics.definitions import SCORES
from gan_pipelines.metrics.diversity import level_variations
from gan_pipelines.metrics.features import (
    LabelledReading,
    RealReadings,
    read_images,
    read_labelled,
    read_real_images,
)
from gan_pipelines.metrics.networks import FeatureNetwork, Reading, judge_network, open_networks, require_networks
from gan_pipelines.metrics.scores import Score, score_classification, score_levels, score_pictures, verdict

__all__ = [
    "SCORES",
    "CodeScores",
    "FeatureNetwork",
    "LabelledReading",
    "Reading",
    "RealReadings",
    "Score",
    "judge_network",
    "level_variations",
    "open_networks",
    "read_images",
    "read_labelled",
    "read_real_images",
    "require_networks",
    "score_classification",
    "score_codes",
    "score_levels",
    "score_pictures",
    "verdict",
]
