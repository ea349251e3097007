"""The only place where YAML becomes types: every block of `conf/<experiment>/parameters*.yml` has its schema here."""

from gan_pipelines.parameters.base import ExperimentError, Schema
from gan_pipelines.parameters.data import (
    DataParameters,
    ImageFolderSource,
    Mnist5k,
    NpzSource,
    RunParameters,
    Source,
    TorchvisionSource,
)
from gan_pipelines.parameters.experiment import EvaluationParameters, Experiment
from gan_pipelines.parameters.networks import (
    DiscriminatorParameters,
    GeneratorParameters,
    Initialisation,
    Layer,
    Network,
)
from gan_pipelines.parameters.sgan import (
    LABELS,
    PIXELS,
    ClassifierParameters,
    GaussianNoise,
    JointParameters,
    LevelParameters,
    LossWeights,
    Noise,
    SGANParameters,
    TrainingParameters,
    UniformNoise,
)

__all__ = [
    "LABELS",
    "PIXELS",
    "ClassifierParameters",
    "DataParameters",
    "DiscriminatorParameters",
    "EvaluationParameters",
    "Experiment",
    "ExperimentError",
    "GaussianNoise",
    "GeneratorParameters",
    "ImageFolderSource",
    "Initialisation",
    "JointParameters",
    "Layer",
    "LevelParameters",
    "LossWeights",
    "Mnist5k",
    "Network",
    "Noise",
    "NpzSource",
    "RunParameters",
    "SGANParameters",
    "Schema",
    "Source",
    "TorchvisionSource",
    "TrainingParameters",
    "UniformNoise",
]
