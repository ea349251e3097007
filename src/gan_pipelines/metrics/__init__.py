"""How good generated pictures are: features of a judge, and statistics computed on them."""

from gan_pipelines.metrics.features import JudgedImages, judge_images
from gan_pipelines.metrics.scores import Scores, score, within_class_diversity

__all__ = ["JudgedImages", "Scores", "judge_images", "score", "within_class_diversity"]
