"""How good generated pictures are, and what codes mean: features of networks, and statistics computed on them."""

from gan_pipelines.metrics.calibration import best_temperature, expected_calibration_error
from gan_pipelines.metrics.codes import score_codes
from gan_pipelines.metrics.definitions import JUDGE, REAL, SCORES
from gan_pipelines.metrics.diversity import level_variations
from gan_pipelines.metrics.features import (
    LabelledFeatures,
    RealFeatures,
    Reference,
    class_logits,
    extract_features,
    extract_labelled,
    extract_real_features,
)
from gan_pipelines.metrics.generators import Kind, score_classification, score_levels, score_pictures
from gan_pipelines.metrics.judges import without_ignorant_judges
from gan_pipelines.metrics.networks import FeatureExtractor, Features, judge_network, open_networks, require_networks
from gan_pipelines.metrics.scores import Score, missing_score
from gan_pipelines.metrics.verdicts import find_verdicts
from gan_pipelines.metrics.watch import QuickScores

__all__ = [
    "JUDGE",
    "REAL",
    "SCORES",
    "FeatureExtractor",
    "Features",
    "Kind",
    "LabelledFeatures",
    "QuickScores",
    "RealFeatures",
    "Reference",
    "Score",
    "best_temperature",
    "class_logits",
    "expected_calibration_error",
    "extract_features",
    "extract_labelled",
    "extract_real_features",
    "find_verdicts",
    "judge_network",
    "level_variations",
    "missing_score",
    "open_networks",
    "require_networks",
    "score_classification",
    "score_codes",
    "score_levels",
    "score_pictures",
    "without_ignorant_judges",
]
