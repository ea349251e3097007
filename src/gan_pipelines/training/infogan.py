"""Training of an InfoGAN: min_{G,Q} max_D V(D, G) - lambda L_I(G, Q) (Chen et al. 2016, section 5).

Q's head and the trunk it shares with D are updated in D's turn, G in its own, so every weight is updated once per step.
If lambda is 0, Q's head still learns to infer the code, but from detached features.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.losses import ADVERSARIAL_LOSSES, information_bound, invariant_information
from gan_pipelines.models import InfoGAN, InfoGANSpec, standing_infogan
from gan_pipelines.models.batch_norm import recompute_statistics
from gan_pipelines.models.layers import forward_batches
from gan_pipelines.parameters import CategoricalCode, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import train
from gan_pipelines.training.initial import take_weights
from gan_pipelines.training.observer import Observer
from gan_pipelines.training.players import gan_players
from gan_pipelines.training.stage import Stage, training_stage
from gan_pipelines.training.turns import Terms, Turn
from gan_pipelines.training.watch import Drawn, Scoring, open_watch
from gan_pipelines.training.workers import shared_by_workers

PREVIEW_COLUMNS = 10
CALIBRATION_BATCHES = 50
"""Batches of real images from which the final batch-norm statistics are computed."""
INFORMATION = "information."
"""Prefix of every information term, and of every L_I in a history."""
CONSISTENCY = "consistency."
"""Prefix of every term of invariant information."""


def discriminator_terms(
    gan: InfoGAN, weights: Mapping[str, float], real: Tensor, generated: Tensor, codes: Tensor
) -> Terms:
    """L_D - lambda L_I, which D and Q minimise; of a code with lambda 0 only Q's head learns, with weight 1.

    With a `consistency_weight`, D and Q see the real images twice, each time distorted anew, and Q also maximises what
    its categories of the one say about those of the other.

    Args:
        gan: the networks.
        weights: lambda of each code by name.
        real: real images; batch norm treats them separately from the generated ones.
        generated: G(z, c), detached.
        codes: c.
    """
    loss = ADVERSARIAL_LOSSES[gan.spec.parameters.adversarial_loss]
    consistent = _consistent_codes(gan, weights)
    seen = [real, generated, real] if consistent else [real, generated]
    output = gan.discriminator(torch.cat(seen), batches=len(seen))
    of_real, features, *of_distorted = output.features.chunk(len(seen))
    weighted = _information(gan, [name for name in weights if weights[name]], features, codes)
    unweighted = _information(gan, [name for name in weights if not weights[name]], features.detach(), codes)
    terms = {"adversarial": loss.discriminator(*output.logits.chunk(len(seen))[:2])}
    terms |= {
        f"{INFORMATION}{name}": -(weights[name] or 1.0) * bound for name, bound in {**weighted, **unweighted}.items()
    }
    if consistent:
        terms |= _consistency(gan, consistent, of_real, *of_distorted)
    return terms


def _consistent_codes(gan: InfoGAN, weights: Mapping[str, float]) -> list[str]:
    """Codes whose categories of real images are to withstand distortions: categorical ones whose lambda is above 0."""
    if not gan.spec.parameters.consistency_weight:
        return []
    return [name for name, code in gan.codes.parts.items() if isinstance(code, CategoricalCode) and weights[name]]


def _consistency(gan: InfoGAN, names: Sequence[str], features: Tensor, of_distorted: Tensor) -> Terms:
    """Minus the weighted invariant information of the named codes, from two features of the same real images."""
    heads = forward_batches(gan.discriminator.codes, torch.cat([features, of_distorted]), 2)
    ours, theirs = (gan.codes.split_head(half) for half in heads.chunk(2))
    weight = gan.spec.parameters.consistency_weight
    return {f"{CONSISTENCY}{name}": -weight * invariant_information(ours[name], theirs[name]) for name in names}


def generator_terms(gan: InfoGAN, weights: Mapping[str, float], generated: Tensor, codes: Tensor) -> Terms:
    """L_G - lambda L_I, which G minimises; codes with lambda 0 are left out.

    Args:
        gan: the networks.
        weights: lambda of each code by name.
        generated: G(z, c) with its graph.
        codes: c.
    """
    loss = ADVERSARIAL_LOSSES[gan.spec.parameters.adversarial_loss]
    output = gan.discriminator(generated)
    weighted = _information(gan, [name for name in weights if weights[name]], output.features, codes)
    terms = {"adversarial": loss.generator(output.logits)}
    return terms | {f"{INFORMATION}{name}": -weights[name] * bound for name, bound in weighted.items()}


def information_nats(weights: Mapping[str, float], terms: Terms) -> Terms:
    """L_I of each code in nats, without its lambda, and their sum, computed from the terms of D's turn."""
    nats = {f"{INFORMATION}{name}": -terms[f"{INFORMATION}{name}"] / (weights[name] or 1.0) for name in weights}
    return {**nats, f"{INFORMATION}total": torch.stack(list(nats.values())).sum()}


def _information(gan: InfoGAN, names: Sequence[str], features: Tensor, codes: Tensor) -> Terms:
    """L_I of the named codes."""
    if not names:
        return {}
    entropy = gan.codes.prior_entropy()
    log_posterior = gan.codes.log_prob(codes, gan.discriminator.codes(features))
    return {name: information_bound(log_posterior[name], entropy[name]) for name in names}


@shared_by_workers
def fit_infogan(
    run: RunParameters,
    spec: InfoGANSpec,
    pixels: Representation,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
    initial: InfoGAN | None = None,
    scoring: Scoring | None = None,
) -> tuple[InfoGAN, list[dict[str, float]]]:
    """Build an InfoGAN and train it on images without labels, on its own random streams.

    Args:
        run: seed, device, threads.
        spec: networks, codes, weights, length.
        pixels: the real images.
        observer: receives losses, L_I and pictures.
        checkpoints: where to keep checkpoints; None keeps none.
        initial: its weights are the first ones; None draws new ones.
        scoring: scores its samples, if it is watched.

    Returns:
        The trained InfoGAN on the CPU and the history of its losses and of L_I.
    """
    training = spec.parameters.training
    inputs = {"images": spec.data_digest, **(scoring.made_from if scoring else {})}
    starts = {"initial": initial} if initial else {}
    with training_stage(run, "infogan", spec.parameters, inputs, checkpoints, starts) as stage:
        gan = InfoGAN(spec.model_copy(update={"provenance": stage.provenance}))
        gan = stage.place(take_weights(gan, initial) if initial else gan)
        pixels = pixels.to(stage.device)
        batches = stage.draw_batches(len(pixels.values), training.batch_size)

        def objective(step: int) -> Iterator[Turn]:
            weights = spec.parameters.information_weights_at(step)
            real = pixels.batch(stage.local_batch(next(batches)))
            noise = stage.local_batch(gan.noise.sample(training.batch_size, stage.rng))
            codes = stage.local_batch(gan.codes.sample(training.batch_size, stage.rng))
            generated = gan.generator(torch.cat([noise, codes], dim=1))
            yield Turn(
                "discriminator",
                lambda: discriminator_terms(gan, weights, real, generated.detach(), codes),
                measures=lambda terms: information_nats(weights, terms),
            )
            yield Turn("generator", lambda: generator_terms(gan, weights, generated, codes))

        preview, watch = (
            _preview_pictures(gan),
            open_watch(spec.parameters.watch, stage, _draw_from(gan, stage), scoring),
        )
        history = train(stage, gan_players(gan, training), objective, training, observer, preview, watch)
        recalibrate_batch_norm(gan, (pixels.batch(next(batches)) for _ in range(CALIBRATION_BATCHES)))
    return gan.cpu(), history


def recalibrate_batch_norm(gan: InfoGAN, batches: Iterable[Tensor]) -> None:
    """Recompute the batch-norm statistics of the trunk and of Q on real, undistorted images, as Q will see them.

    The statistics kept while training mix real and generated images, and distorted ones if a layer distorts. The
    weights do not change.

    Args:
        gan: a trained InfoGAN, changed in place.
        batches: real images.
    """
    q = nn.Sequential(gan.discriminator.trunk, gan.discriminator.codes)
    recompute_statistics(q, ((batch,) for batch in batches))


def _preview_pictures(gan: InfoGAN) -> Callable[[], Tensor]:
    """Prepare pictures for the observer, always from the same noise: one row per value of the first code."""
    code = next(iter(gan.codes.parts))
    values = gan.code_values(code, PREVIEW_COLUMNS)
    noise, codes = gan.vary(code, values, PREVIEW_COLUMNS, torch.Generator().manual_seed(0))
    return lambda: gan.pictures(noise, codes).unflatten(0, (PREVIEW_COLUMNS, -1)).transpose(0, 1).flatten(0, 1)


def _draw_from(gan: InfoGAN, stage: Stage) -> Callable[[int, torch.Generator], Drawn]:
    """Draws samples of a copy, built anew: that which trains may be compiled, and share its batch norms with ranks."""

    def draw(count: int, rng: torch.Generator) -> Drawn:
        standing = standing_infogan(stage.place(take_weights(InfoGAN(gan.spec), gan)), rng, count)
        return Drawn(standing.sample(count, rng)[0])

    return draw
