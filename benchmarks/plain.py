"""The plain loops that public implementations use, on the same networks.

All of them are fed by a DataLoader, picture by picture through torchvision's transforms, keep the layout and the
optimiser that torch has by default, let G's backward pass compute gradients of D's weights that nobody needs, and read
every loss out in every step to print it.
"""

import itertools
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import mse_loss, one_hot
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Resize, ToTensor
from torchvision.transforms.functional import to_pil_image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder, InfoGAN, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.models.layers import ConvTranspose2d, Linear
from gan_pipelines.parameters import TrainingParameters

Module = TypeVar("Module", bound=nn.Module)
TRANSFORM = Compose([Resize(28), ToTensor()])


class Pictures(Dataset[tuple[Tensor, int]]):
    """Digits one by one, as torchvision's data sets hand them out: a PIL picture, then a tensor; and the label."""

    def __init__(self, data: LabelledImages) -> None:
        self.pictures = [to_pil_image(image) for image in data.images]
        self.labels = data.labels.tolist()

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return TRANSFORM(self.pictures[index]), self.labels[index]


def plain_layers(module: Module) -> Module:
    """The same networks out of the layers, and in the layout, that torch itself has."""
    for part in module.modules():
        if isinstance(part, Linear):
            part.__class__ = nn.Linear
        elif isinstance(part, ConvTranspose2d):
            part.__class__ = nn.ConvTranspose2d
    return module.to(memory_format=torch.contiguous_format)


def endless_pictures(data: LabelledImages, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of pictures and labels."""
    loader = DataLoader(Pictures(data), batch_size, shuffle=True, drop_last=True)
    while True:
        yield from loader


def adam(training: TrainingParameters, *modules: nn.Module, learning_rate: float | None = None) -> torch.optim.Adam:
    """Plain Adam over all weights of some modules."""
    weights = itertools.chain(*(module.parameters() for module in modules))
    return torch.optim.Adam(weights, learning_rate or training.learning_rate, (training.beta1, training.beta2))


def verdict(logits: Tensor, real: bool) -> Tensor:
    """Cross-entropy of D's verdict."""
    return bce(logits, torch.ones_like(logits) if real else torch.zeros_like(logits))


def discriminator_loss(level: LevelGAN, real: Tensor, generated: Tensor, noise: Tensor) -> Tensor:
    """What D_i and Q_i of an SGAN minimise, with the official weights."""
    on_generated = level.discriminator(generated)
    adversarial = verdict(level.discriminator(real).logits, real=True) + verdict(on_generated.logits, real=False)
    return adversarial + 10 * mse_loss(on_generated.recovered_noise, noise)


def generator_loss(level: LevelGAN, conditional: Tensor, generated: Tensor, noise: Tensor) -> Tensor:
    """What G_i of an SGAN minimises, with the official weights."""
    output = level.discriminator(generated)
    return verdict(output.logits, real=True) + conditional + 10 * mse_loss(output.recovered_noise, noise)


def sgan_pixels(spec: LevelSpec, encoder: Encoder, data: LabelledImages) -> Iterator[None]:
    """One level on real features, which the encoder makes of each batch; two generator passes a step."""
    level, training = plain_layers(LevelGAN(spec)), spec.parameters.training
    segment = plain_layers(deepcopy(encoder.segment(spec.target, spec.parameters.condition)))
    size = training.batch_size
    to_d, to_g = adam(training, level.discriminator), adam(training, level.generator)
    for real, _ in endless_pictures(data, size):
        with torch.no_grad():
            features = segment(real)
        noise = torch.rand(size, level.latent.size)
        to_d.zero_grad()
        of_d = discriminator_loss(level, real, level.generator(features, noise).detach(), noise)
        of_d.backward()
        to_d.step()
        noise = torch.rand(size, level.latent.size)
        to_g.zero_grad()
        generated = level.generator(features, noise)
        of_g = generator_loss(level, mse_loss(segment(generated), features), generated, noise)
        of_g.backward()
        to_g.step()
        of_d.item(), of_g.item()
        yield


def sgan_joint(
    specs: Sequence[LevelSpec], encoder: Encoder, data: LabelledImages, training: TrainingParameters, weight: float
) -> Iterator[None]:
    """Two levels end to end, on one graph through the stack; two generator passes a step.

    The upper generator minimises its own loss + `weight` x the lower one's: the gradient that comes up is scaled.
    """
    upper, lower = levels = [plain_layers(LevelGAN(spec)) for spec in specs]
    encoder = plain_layers(deepcopy(encoder))
    to_features, to_logits = encoder.segment("pixels", "fc3"), encoder.segment("fc3", "labels")
    to_d, to_g = ([adam(training, getattr(level, kind)) for level in levels] for kind in ("discriminator", "generator"))
    for real, classes in endless_pictures(data, training.batch_size):
        labels = one_hot(classes, 10).float()
        with torch.no_grad():
            real_features = to_features(real)
        high, low = (torch.rand(len(real), level.latent.size) for level in levels)
        features = upper.generator(labels, high)
        pictures = lower.generator(features, low)
        of_d = [
            discriminator_loss(upper, real_features, features.detach(), high),
            discriminator_loss(lower, real, pictures.detach(), low),
        ]
        for optimiser, loss in zip(to_d, of_d, strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        high, low = (torch.rand(len(real), level.latent.size) for level in levels)
        features = upper.generator(labels, high)
        condition = weight * features + (1 - weight) * features.detach()
        pictures = lower.generator(condition, low)
        conditional = nn.functional.cross_entropy(to_logits(features), classes)
        of_g = [
            generator_loss(upper, conditional, features, high),
            generator_loss(lower, mse_loss(to_features(pictures), condition), pictures, low),
        ]
        for optimiser in to_g:
            optimiser.zero_grad()
        torch.stack(of_g).sum().backward()
        for optimiser in to_g:
            optimiser.step()
        [loss.item() for loss in (*of_d, *of_g)]
        yield


class PlainInfoGAN:
    """The networks and the losses that both plain loops of an InfoGAN share."""

    def __init__(self, spec: InfoGANSpec) -> None:
        self.gan, self.training = plain_layers(InfoGAN(spec)), spec.parameters.training
        self.weights = spec.parameters.information_weights_at(self.training.steps)
        self.rng = torch.Generator().manual_seed(0)

    def generate(self) -> tuple[Tensor, Tensor]:
        """New pictures and their codes."""
        codes = self.gan.codes.sample(self.training.batch_size, self.rng)
        noise = self.gan.noise.sample(self.training.batch_size, self.rng)
        return self.gan.generator(torch.cat([noise, codes], dim=1)), codes

    def information(self, features: Tensor, codes: Tensor) -> Tensor:
        """Minus lambda L_I, but for its constant."""
        log_posterior = self.gan.codes.log_prob(codes, self.gan.discriminator.codes(features))
        return -torch.stack([self.weights[name] * log_posterior[name].mean() for name in self.weights]).sum()


def infogan_two_optimisers(spec: InfoGANSpec, data: LabelledImages) -> Iterator[None]:
    """D on real and on generated pictures, a backward pass for each, then G and Q on the same pictures, judged anew."""
    plain = PlainInfoGAN(spec)
    d, g, training = plain.gan.discriminator, plain.gan.generator, plain.training
    to_d = adam(training, d.trunk, d.adversarial, learning_rate=training.discriminator_learning_rate)
    to_g = adam(training, g, d.codes)
    for real, _ in endless_pictures(data, training.batch_size):
        to_d.zero_grad()
        of_real = verdict(d(real).logits, real=True)
        of_real.backward()
        generated, codes = plain.generate()
        of_generated = verdict(d(generated.detach()).logits, real=False)
        of_generated.backward()
        to_d.step()
        to_g.zero_grad()
        output = d(generated)
        of_g = verdict(output.logits, real=True) + plain.information(output.features, codes)
        of_g.backward()
        to_g.step()
        [loss.item() for loss in (of_real, of_generated, of_g)]
        yield


def infogan_three_optimisers(spec: InfoGANSpec, data: LabelledImages) -> Iterator[None]:
    """G, then D, then both on the information in newly generated pictures: three backward passes through D."""
    plain = PlainInfoGAN(spec)
    d, g, training = plain.gan.discriminator, plain.gan.generator, plain.training
    to_g, to_d = adam(training, g), adam(training, d, learning_rate=training.discriminator_learning_rate)
    to_both = adam(training, g, d)
    for real, _ in endless_pictures(data, training.batch_size):
        to_g.zero_grad()
        generated, _ = plain.generate()
        of_g = verdict(d(generated).logits, real=True)
        of_g.backward()
        to_g.step()
        to_d.zero_grad()
        of_d = verdict(d(real).logits, real=True) + verdict(d(generated.detach()).logits, real=False)
        of_d.backward()
        to_d.step()
        to_both.zero_grad()
        generated, codes = plain.generate()
        information = plain.information(d(generated).features, codes)
        information.backward()
        to_both.step()
        [loss.item() for loss in (of_g, of_d, information)]
        yield
