"""The published networks: parameters and multiply-adds of each, and the settings of losses and schedules.

Counts of the encoders are those of the pre-trained weights of the official code; the others follow from its layers. A
layer before a batch norm has no bias there, which would be cancelled; here it has one, which is not counted.
"""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.models import Encoder, LevelGAN
from gan_pipelines.models.blocks import count_parameters
from gan_pipelines.models.level import with_discriminator
from gan_pipelines.models.plan import plan_classifier, plan_infogan, plan_levels
from gan_pipelines.parameters import Experiment

CONF = Path(__file__).parents[1] / "conf"
GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def read(name: str) -> Experiment:
    return Experiment.read(ExperimentLoader(str(CONF), name, **LOADER_ARGUMENTS)["parameters"])


def networks(name: str, shape: tuple[int, int, int]) -> tuple[Encoder, dict[str, LevelGAN]]:
    """Encoder and levels of an experiment, with weights."""
    experiment = read(name)
    plan = plan_classifier(experiment.classifier, shape, tuple("0123456789"), "digest", "classifier")
    levels = {target: LevelGAN(spec) for target, spec in plan_levels(experiment.sgan, plan).items()}
    return Encoder(plan.spec), levels


def multiply_adds(network: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds of convolutions and fully connected layers in one forward pass of one example.

    A transposed convolution multiplies every input pixel by its whole kernel; those that fall on the rim of the output
    and are cut off are counted too.
    """
    total = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        nonlocal total
        pixels = found if isinstance(layer, nn.Linear | nn.Conv2d) else given[0]
        places = 1 if isinstance(layer, nn.Linear) else pixels[0, 0].numel()
        total += layer.weight.numel() * places

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]
    network.eval()(*inputs)
    for hook in hooks:
        hook.remove()
    return total


def published_parameters(network: nn.Module) -> int:
    """Parameters without the biases that a batch norm cancels."""
    total = count_parameters(network)
    for part in network.modules():
        for layer, following in pairwise(part) if isinstance(part, nn.Sequential) else ():
            if isinstance(following, nn.BatchNorm1d | nn.BatchNorm2d):
                total -= layer.bias.numel()
    return total


def linear(*sizes: int) -> int:
    """Parameters of fully connected layers in a row."""
    return sum((above + 1) * below for above, below in pairwise(sizes))


def test_the_encoders_have_the_parameters_of_the_official_weights() -> None:
    assert count_parameters(networks("official_mnist", GREY)[0]) == 160_362
    assert count_parameters(networks("official_cifar10", COLOUR)[0]) == 1_031_818


def normed(*sizes: int) -> int:
    """Parameters of fully connected layers in a row, each with a batch norm and no bias."""
    return sum((above + 2) * below for above, below in pairwise(sizes))


def test_the_networks_of_mnist_have_the_published_sizes() -> None:
    levels = networks("official_mnist", GREY)[1]
    assert published_parameters(levels["fc3"].generator) == normed(60, 512, 512) + linear(512, 256)
    assert published_parameters(levels["fc3"].discriminator) == linear(256, 256, 256) + linear(256, 51)
    deconvolutions = 25 * (128 * 128 + 128 * 64 + 64 * 64 + 64 * 1) + 2 * (128 + 64 + 64) + 1
    expected = normed(50, 128) + normed(256 + 128, 2048) + deconvolutions
    assert published_parameters(levels["pixels"].generator) == expected
    convolutions = 25 * (32 + 32 * 64 + 64 * 128) + 32 + 64 + 128
    assert published_parameters(levels["pixels"].discriminator) == convolutions + linear(2048, 256) + linear(256, 51)


def test_the_networks_of_cifar10_have_the_published_sizes() -> None:
    levels = networks("official_cifar10", COLOUR)[1]
    expected = normed(50, 256) + normed(10, 512) + normed(768, 512, 512) + linear(512, 256)
    assert published_parameters(levels["fc3"].generator) == expected
    assert published_parameters(levels["fc3"].discriminator) == linear(256, 512) + normed(512, 512) + linear(512, 60)
    deconvolutions = 25 * (256 * 256 + 256 * 128 + 128 * 128 + 128 * 3) + 2 * (256 + 128 + 128) + 3
    expected = normed(16, 128, 128) + normed(256 + 128, 6400) + deconvolutions
    assert published_parameters(levels["pixels"].generator) == expected
    convolutions = 9 * (3 * 96 + 96 * 96 + 96 * 192 + 192 * 192 + 192 * 192) + 96 + 2 * (96 + 3 * 192)
    heads = linear(192 * 6 * 6, 16) + linear(192, 10)
    assert published_parameters(levels["pixels"].discriminator) == convolutions + linear(192, 192) + heads


@pytest.mark.parametrize(
    ("name", "shape", "generator", "discriminator", "encoder"),
    [("official_mnist", GREY, 36.1, 6.5, 2.2), ("official_cifar10", COLOUR, 213, 101, 25)],
)
def test_a_forward_pass_takes_the_published_multiply_adds(
    name: str, shape: tuple[int, int, int], generator: float, discriminator: float, encoder: float
) -> None:
    """In millions, for one image."""
    classifier, levels = networks(name, shape)
    level, picture = levels["pixels"], torch.rand(1, *shape)
    found = (
        multiply_adds(level.generator, torch.zeros(1, 256), torch.zeros(1, level.latent.size)),
        multiply_adds(level.discriminator, picture),
        multiply_adds(classifier, picture),
    )
    for millions, published in zip(found, (generator, discriminator, encoder), strict=True):
        assert millions / 1e6 == pytest.approx(published, rel=0.015)


def test_svhn_has_the_stack_of_cifar10() -> None:
    ours, theirs = read("official_svhn").sgan, read("official_cifar10").sgan
    assert {level.training.steps for level in ours.levels.values()} == {146_600}
    steps = theirs.joint.training
    same = {
        name: level.model_copy(update={"training": theirs.levels[name].training}) for name, level in ours.levels.items()
    }
    assert same == theirs.levels
    assert ours.joint.model_copy(update={"training": steps}) == theirs.joint


@pytest.mark.parametrize("name", ["official_mnist", "official_cifar10"])
def test_every_stage_of_the_stack_has_the_published_optimiser_and_weights(name: str) -> None:
    sgan = read(name).sgan
    for training in [sgan.joint.training, *(level.training for level in sgan.levels.values())]:
        assert (training.learning_rate, training.discriminator_learning_rate) == (1e-4, None)
        assert (training.beta1, training.beta2, training.batch_size) == (0.5, 0.999, 100)
        assert (training.final_learning_rate_fraction, training.ema_decay) == (1.0, 0.0)
        assert training.steps == 200 * {"official_mnist": 600, "official_cifar10": 500}[name]
    for level in sgan.levels.values():
        weights = level.loss_weights
        assert (weights.adversarial, weights.conditional, weights.entropy) == (1, 1, 10)
        assert (level.discriminator_terms, level.initialisation.name, level.initialisation.std) == (
            "mean",
            "normal",
            0.02,
        )
        assert (level.noise.distribution, level.noise.low, level.noise.high) == ("uniform", 0, 1)


def test_the_readings_of_paper_and_code_that_differ() -> None:
    mnist, cifar = read("official_mnist").sgan, read("official_cifar10").sgan
    assert {level.adversarial_loss for level in mnist.levels.values()} == {"non_saturating"}
    assert {level.adversarial_loss for level in cifar.levels.values()} == {"saturating"}
    assert (mnist.joint.initialise, mnist.joint.upstream_weight) == ("scratch", 0)
    assert (cifar.joint.initialise, cifar.joint.upstream_weight) == ("independent", 0.01)
    assert [level.noise.size for level in mnist.levels.values()] == [50, 50]
    assert [level.noise.size for level in cifar.levels.values()] == [50, 16]
    pixels = cifar.levels["pixels"]
    assert [pixels.updates_of_generator(loss) for loss in (0.69, 0.65, 0.6, 0.5, 0.4, 0.3, 0.1)] == [
        1,
        3,
        3,
        5,
        5,
        7,
        7,
    ]
    dropouts = [
        [layer.probability for layer in network.trunk if layer.layer == "dropout"]
        for network in (pixels.discriminator, cifar.joint.discriminators["pixels"])
    ]
    assert dropouts == [[0.1, 0.1], [0.3, 0.3]]


def test_joint_discriminators_of_cifar10_carry_the_weights_over() -> None:
    levels, joint = networks("official_cifar10", COLOUR)[1], read("official_cifar10").sgan.joint
    for name, level in levels.items():
        found = with_discriminator(level, joint.discriminators[name])
        for ours, theirs in zip(found.discriminator.parameters(), level.discriminator.parameters(), strict=True):
            assert torch.equal(ours, theirs)


def test_infogan_has_the_published_networks_and_rates_on_mnist() -> None:
    parameters = read("official_mnist").infogan
    with torch.device("meta"):
        spec = plan_infogan(parameters, GREY, "digest")
    assert (spec.parameters.training.steps, spec.parameters.training.batch_size) == (5000, 128)
    rates = (spec.parameters.training.learning_rate, spec.parameters.training.discriminator_learning_rate)
    assert rates == (1e-3, 2e-4)
    assert "random_affine" not in {layer.layer for layer in parameters.discriminator.trunk}
    assert parameters.information_weights_at(1) == {"category": 1.0, "style_1": 0.1, "style_2": 0.1}


def test_the_code_of_infogan_differs_from_the_paper_in_slopes_and_in_the_continuous_codes() -> None:
    paper, code = read("official_mnist").infogan, read("official_infogan").infogan
    assert (code.generator, code.noise, code.initialisation) == (paper.generator, paper.noise, paper.initialisation)
    assert code.training == paper.training
    assert code.information_weights_at(1) == {"category": 1.0, "style_1": 1.0, "style_2": 1.0}
    assert (paper.codes["style"].variance, code.codes["style"].variance) == ("learned", "fixed")
    for of_paper, of_code in (
        (paper.discriminator.trunk, code.discriminator.trunk),
        (paper.discriminator.codes, code.discriminator.codes),
    ):
        for ours, theirs in zip(of_code, of_paper, strict=True):
            leaky = ours.layer == "leaky_relu"
            assert ours == (theirs.model_copy(update={"slope": 0.01}) if leaky else theirs)
