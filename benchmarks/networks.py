"""The published networks that the benchmarks train, as they would stand in an experiment's YAML."""

import yaml

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.models import Encoder, EncoderSpec, InfoGANSpec, LevelSpec
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import (
    ClassifierParameters,
    Experiment,
    InfoGANParameters,
    JointParameters,
    SGANParameters,
)
from measure import PROJECT

IMAGE_SHAPE, CLASSES = (1, 28, 28), tuple("0123456789")

OFFICIAL_SGAN = """
levels:
  fc3:
    condition: labels
    noise: {distribution: uniform, size: 50}
    initialisation: {name: normal, std: 0.02}
    generator:
      trunk:
        - {layer: linear, features: 512}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: linear, features: 512}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: linear, features: target}
        - {layer: relu}
    discriminator:
      trunk: [{layer: linear, features: 256}, {layer: leaky_relu}]
      adversarial: [{layer: linear, features: target}]
      noise: [{layer: linear, features: target}, {layer: sigmoid}]
    training: {steps: 1}
  pixels:
    condition: fc3
    noise: {distribution: uniform, size: 50}
    initialisation: {name: normal, std: 0.02}
    generator:
      noise:
        - {layer: linear, features: 128}
        - {layer: batch_norm}
        - {layer: relu}
      trunk:
        - {layer: project, channels: 128, downscale: 7}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: conv_transpose, channels: 128, kernel: 5, stride: 2, padding: 2, output_padding: 1}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: conv_transpose, channels: 64, kernel: 5}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: conv_transpose, channels: 64, kernel: 5, stride: 2, padding: 2, output_padding: 1}
        - {layer: batch_norm}
        - {layer: relu}
        - {layer: conv_transpose, channels: target, kernel: 5}
        - {layer: sigmoid}
    discriminator:
      trunk:
        - {layer: conv, channels: 32, kernel: 5, stride: 2, padding: 2}
        - {layer: leaky_relu}
        - {layer: conv, channels: 64, kernel: 5, stride: 2, padding: 2}
        - {layer: leaky_relu}
        - {layer: conv, channels: 128, kernel: 5, stride: 2, padding: 2}
        - {layer: leaky_relu}
        - {layer: linear, features: 256}
        - {layer: leaky_relu}
      adversarial: [{layer: linear, features: target}]
      noise: [{layer: linear, features: target}, {layer: sigmoid}]
    training: {steps: 1}
joint:
  initialise: scratch
  training: {steps: 1}
"""
"""SGAN's official networks for MNIST (Huang et al. 2017)."""


def official_sgan(steps: int, report_every_steps: int) -> tuple[Encoder, dict[str, LevelSpec], JointParameters]:
    """SGAN's official networks for MNIST, and an encoder that has learnt nothing, frozen; batch 100.

    Args:
        steps: updates of every player.
        report_every_steps: updates between two reports.
    """
    raw = yaml.safe_load(OFFICIAL_SGAN)
    for block in (*raw["levels"].values(), raw["joint"]):
        block["training"] = {"steps": steps, "report_every_steps": report_every_steps, "batch_size": 100}
    parameters = SGANParameters.model_validate(raw)
    encoder = Encoder(_default_encoder()).freeze()
    return encoder, plan_levels(parameters, encoder, encoder.digest()), parameters.joint


def default_levels() -> list[LevelSpec]:
    """The default experiment's levels, from the labels down to the pixels."""
    return list(plan_levels(experiment("base").sgan, Encoder(_default_encoder())).values())


def default_judge(steps: int) -> ClassifierParameters:
    """The default experiment's judge, trained for that many steps."""
    raw = experiment("base").judge.classifier.model_dump()
    raw["training"] |= {"steps": steps}
    return ClassifierParameters.model_validate(raw)


def paper_infogan(steps: int, report_every_steps: int) -> InfoGANSpec:
    """InfoGAN's published networks for MNIST and the published weights of the information; batch 128.

    Args:
        steps: updates of every player.
        report_every_steps: updates between two reports.
    """
    raw = experiment("mnist").infogan.model_dump()
    raw["discriminator"]["trunk"] = [x for x in raw["discriminator"]["trunk"] if x["layer"] != "random_affine"]
    raw["information_weights"] = {"categorical": 1.0, "continuous": 0.1}
    raw["training"] |= {"steps": steps, "batch_size": 128, "report_every_steps": report_every_steps}
    return plan_infogan(InfoGANParameters.model_validate(raw), IMAGE_SHAPE, "")


def _default_encoder() -> EncoderSpec:
    return plan_classifier(experiment("base").classifier, IMAGE_SHAPE, CLASSES, "", "classifier").spec


def experiment(name: str) -> Experiment:
    """The parameters of an experiment under conf/."""
    return Experiment.read(ExperimentLoader(str(PROJECT / "conf"), name, **LOADER_ARGUMENTS)["parameters"])
