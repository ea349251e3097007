"""The only place where YAML becomes types: each block of `conf/<experiment>/parameters*.yml` has its schema here."""

from gan_pipelines.parameters.ablation import AblationParameters
from gan_pipelines.parameters.base import ClusterLost, ExperimentError, Schema
from gan_pipelines.parameters.classifier import (
    LABELS,
    PIXELS,
    UNCONDITIONAL,
    Block,
    ClassifierParameters,
    EncoderParameters,
    JudgeParameters,
)
from gan_pipelines.parameters.compare import CompareParameters
from gan_pipelines.parameters.data import (
    DataParameters,
    ImageFolderSource,
    Mnist5k,
    NpzSource,
    PictureForm,
    Source,
    TableSource,
    TorchvisionSource,
)
from gan_pipelines.parameters.experiment import (
    INITIAL,
    EvaluationParameters,
    Experiment,
    FeatureNetworkName,
    InitialModel,
)
from gan_pipelines.parameters.export import ExportParameters
from gan_pipelines.parameters.infogan import CodeDiscriminatorParameters, InfoGANParameters, InformationWeights
from gan_pipelines.parameters.networks import (
    DiscriminatorParameters,
    GeneratorParameters,
    Initialisation,
    Layer,
    Network,
)
from gan_pipelines.parameters.noise import (
    CategoricalCode,
    ContinuousCode,
    GaussianNoise,
    GaussianPrior,
    Noise,
    UniformNoise,
    UniformPrior,
)
from gan_pipelines.parameters.registry import RegistryParameters
from gan_pipelines.parameters.run import CheckpointParameters, RunParameters
from gan_pipelines.parameters.sample import SampleParameters
from gan_pipelines.parameters.sgan import JointParameters, LevelParameters, LossWeights, SGANParameters
from gan_pipelines.parameters.sweep import Choices, IntegerRange, LogUniformRange, SweepParameters, UniformRange
from gan_pipelines.parameters.training import TrainingParameters
from gan_pipelines.parameters.watch import WatchParameters

__all__ = [
    "INITIAL",
    "LABELS",
    "PIXELS",
    "UNCONDITIONAL",
    "AblationParameters",
    "Block",
    "CategoricalCode",
    "CheckpointParameters",
    "Choices",
    "ClassifierParameters",
    "ClusterLost",
    "CodeDiscriminatorParameters",
    "CompareParameters",
    "ContinuousCode",
    "DataParameters",
    "DiscriminatorParameters",
    "EncoderParameters",
    "EvaluationParameters",
    "Experiment",
    "ExperimentError",
    "ExportParameters",
    "FeatureNetworkName",
    "GaussianNoise",
    "GaussianPrior",
    "GeneratorParameters",
    "ImageFolderSource",
    "InfoGANParameters",
    "InformationWeights",
    "InitialModel",
    "Initialisation",
    "IntegerRange",
    "JointParameters",
    "JudgeParameters",
    "Layer",
    "LevelParameters",
    "LogUniformRange",
    "LossWeights",
    "Mnist5k",
    "Network",
    "Noise",
    "NpzSource",
    "PictureForm",
    "RegistryParameters",
    "RunParameters",
    "SGANParameters",
    "SampleParameters",
    "Schema",
    "Source",
    "SweepParameters",
    "TableSource",
    "TorchvisionSource",
    "TrainingParameters",
    "UniformNoise",
    "UniformPrior",
    "UniformRange",
    "WatchParameters",
]
