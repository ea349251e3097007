"""Training of an InfoGAN: min_{G,Q} max_D V(D, G) - lambda L_I(G, Q) (Chen et al. 2016, section 5), term by term.

Q's head and the trunk that it shares with D are updated in D's turn, G in its own: every weight steps once an update.
Where lambda is 0, Q reads the code aside: from the trunk's features, without passing a gradient on to them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from gan_pipelines.data.images import Representation
from gan_pipelines.losses import ADVERSARIAL_LOSSES, information_bound
from gan_pipelines.models import InfoGAN, InfoGANSpec
from gan_pipelines.models.blocks import RandomAffine
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import Observer, Turn, train
from gan_pipelines.training.players import Player, Terms, make_player
from gan_pipelines.training.ranks import shared_by_workers
from gan_pipelines.training.seeding import training_stage

PREVIEW_COLUMNS = 10
SETTLING_BATCHES = 50
INFORMATION = "information."
"""Begins the name of every term of information, and of every L_I in a history."""


def discriminator_terms(
    gan: InfoGAN, weights: Mapping[str, float], real: Tensor, generated: Tensor, codes: Tensor
) -> Terms:
    """L_D - lambda L_I, of which D and Q are updated; of a code with lambda 0 Q's head alone learns, with weight 1.

    Args:
        gan: the networks.
        weights: lambda of each code by its name.
        real: real pictures; they pass batch norm apart from the generated ones.
        generated: G(z, c), detached.
        codes: c.
    """
    loss = ADVERSARIAL_LOSSES[gan.spec.parameters.adversarial_loss]
    output = gan.discriminator(torch.cat([real, generated]), batches=2)
    _, features = output.features.chunk(2)
    told = _information(gan, [name for name in weights if weights[name]], features, codes)
    aside = _information(gan, [name for name in weights if not weights[name]], features.detach(), codes)
    terms = {"adversarial": loss.discriminator(*output.logits.chunk(2))}
    return terms | {
        f"{INFORMATION}{name}": -(weights[name] or 1.0) * bound for name, bound in {**told, **aside}.items()
    }


def generator_terms(gan: InfoGAN, weights: Mapping[str, float], generated: Tensor, codes: Tensor) -> Terms:
    """L_G - lambda L_I, of which G is updated; codes with lambda 0 are not in it.

    Args:
        gan: the networks.
        weights: lambda of each code by its name.
        generated: G(z, c) with its graph.
        codes: c.
    """
    loss = ADVERSARIAL_LOSSES[gan.spec.parameters.adversarial_loss]
    output = gan.discriminator(generated)
    told = _information(gan, [name for name in weights if weights[name]], output.features, codes)
    terms = {"adversarial": loss.generator(output.logits)}
    return terms | {f"{INFORMATION}{name}": -weights[name] * bound for name, bound in told.items()}


def information_nats(weights: Mapping[str, float], terms: Terms) -> Terms:
    """L_I of each code in nats, free of its lambda, and their sum, from the terms of D's turn."""
    nats = {f"{INFORMATION}{name}": -terms[f"{INFORMATION}{name}"] / (weights[name] or 1.0) for name in weights}
    return {**nats, f"{INFORMATION}total": torch.stack(list(nats.values())).sum()}


def _information(gan: InfoGAN, names: Sequence[str], features: Tensor, codes: Tensor) -> Terms:
    """L_I of the codes of those names."""
    if not names:
        return {}
    entropy = gan.codes.prior_entropy()
    log_posterior = gan.codes.log_prob(codes, gan.discriminator.codes(features))
    return {name: information_bound(log_posterior[name], entropy[name]) for name in names}


def infogan_players(gan: InfoGAN) -> dict[str, Player]:
    """G with its average, and D with Q."""
    training = gan.spec.parameters.training
    return {
        "generator": make_player(gan.generator, training, average=gan.averaged_generator),
        "discriminator": make_player(gan.discriminator, training, training.discriminator_learning_rate),
    }


@shared_by_workers
def fit_infogan(
    run: RunParameters,
    spec: InfoGANSpec,
    pixels: Representation,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
) -> tuple[InfoGAN, list[dict[str, float]]]:
    """Build an InfoGAN and train it on pictures without labels, on its own random streams.

    Args:
        run: seed, device, threads.
        spec: networks, codes, weights, length.
        pixels: the real pictures.
        observer: is told of losses, of L_I, and of pictures.
        checkpoints: where the training keeps some, if it does.

    Returns:
        The trained InfoGAN on the CPU and the history of its losses and of L_I.
    """
    training = spec.parameters.training
    with training_stage(run, "infogan", spec.parameters, {"images": spec.data_digest}, checkpoints) as stage:
        gan = stage.place(InfoGAN(spec.model_copy(update={"provenance": stage.provenance})))
        pixels = pixels.to(stage.device)
        batches = stage.draw_batches(len(pixels.values), training.batch_size)

        def objective(step: int) -> Iterator[Turn]:
            weights = spec.parameters.information_weights_at(step)
            real = pixels.read(stage.bring(next(batches)))
            noise = stage.bring(gan.noise.sample(training.batch_size, stage.rng))
            codes = stage.bring(gan.codes.sample(training.batch_size, stage.rng))
            generated = gan.generator(torch.cat([noise, codes], dim=1))
            yield Turn(
                "discriminator",
                lambda: discriminator_terms(gan, weights, real, generated.detach(), codes),
                measures=lambda terms: information_nats(weights, terms),
            )
            yield Turn("generator", lambda: generator_terms(gan, weights, generated, codes))

        preview = _preview_pictures(gan)
        history = train(stage, infogan_players(gan), objective, training, observer, preview)
        settle_batch_norm(gan, (pixels.read(next(batches)) for _ in range(SETTLING_BATCHES)))
    return gan.cpu(), history


def settle_batch_norm(gan: InfoGAN, batches: Iterable[Tensor]) -> None:
    """Give the trunk and Q the batch-norm statistics of real, undistorted pictures, which Q is to read.

    Those of the training mix real and generated pictures, distorted where a layer does so. No weight changes.

    Args:
        gan: trained.
        batches: real pictures.
    """
    layers = [*gan.discriminator.trunk, *gan.discriminator.codes]
    steady = [layer for layer in layers if not isinstance(layer, RandomAffine | nn.Dropout)]
    update_bn(batches, nn.Sequential(*steady).eval())


def _preview_pictures(gan: InfoGAN) -> Callable[[], Tensor]:
    """Pictures for the observer, always of the same noise: one row for each value of the first code."""
    code = next(iter(gan.codes.parts))
    values = gan.code_values(code, PREVIEW_COLUMNS)
    noise, codes = gan.vary(code, values, PREVIEW_COLUMNS, torch.Generator().manual_seed(0))
    return lambda: gan.pictures(noise, codes).unflatten(0, (PREVIEW_COLUMNS, -1)).transpose(0, 1).flatten(0, 1)
