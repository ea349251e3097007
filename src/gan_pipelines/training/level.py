"""Independent training of one level on real representations (SGAN, section 3.2)."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.losses import (
    ADVERSARIAL_LOSSES,
    class_loss,
    entropy_loss,
    feature_conditional_loss,
    gradient_penalty,
    label_conditional_loss,
)
from gan_pipelines.models import DiscriminatorOutput, Encoder, LevelGAN, LevelSpec
from gan_pipelines.models.layers import set_mean_images
from gan_pipelines.parameters import LABELS, PIXELS, UNCONDITIONAL, LevelParameters, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.collapse import VARIANCE_RATIO
from gan_pipelines.training.engine import train
from gan_pipelines.training.initial import take_weights
from gan_pipelines.training.observer import Observer
from gan_pipelines.training.players import gan_players
from gan_pipelines.training.ranks import Ranks
from gan_pipelines.training.stage import Stage, training_stage
from gan_pipelines.training.turns import Terms, Turn
from gan_pipelines.training.workers import shared_by_workers

PREVIEW_ROWS, PREVIEW_COLUMNS = 10, 10
"""One column for each class, where there are ten."""


def discriminator_terms(
    level: LevelGAN, real: Tensor, generated: Tensor, noise: Tensor, labels: Tensor | None = None
) -> Terms:
    """L_D + lambda_3 L_ent, which D_i and Q_i minimise; and, if D_i is aware of classes or penalised, those terms.

    Args:
        level: the level.
        real: h_i.
        generated: h^_i, detached.
        noise: z_i, from which h^_i was generated.
        labels: classes of h_i, of which a D_i that is aware of them learns.
    """
    parameters, weights = level.spec.parameters, level.spec.parameters.loss_weights
    real = real.detach().requires_grad_(weights.gradient_penalty > 0)
    output: DiscriminatorOutput = level.discriminator(torch.cat([real, generated]), batches=2)
    real_logits, generated_logits = output.logits.chunk(2)
    _, recovered_noise = output.recovered_noise.chunk(2)
    adversarial = ADVERSARIAL_LOSSES[parameters.adversarial_loss].discriminator(real_logits, generated_logits)
    half = 0.5 if parameters.discriminator_terms == "mean" else 1.0
    terms = {
        "adversarial": half * weights.adversarial * adversarial,
        "entropy": weights.entropy * entropy_loss(level.latent.log_prob(noise, recovered_noise)["noise"]),
    }
    if output.class_logits is not None:
        if labels is None:
            raise ValueError("D is aware of classes, and there are no labels")
        terms["classes"] = weights.classes * class_loss(output.class_logits.chunk(2)[0], labels)
    if weights.gradient_penalty:
        terms["gradient_penalty"] = weights.gradient_penalty * gradient_penalty(real_logits, real)
    return terms


def variance_ratio(real: Tensor, generated: Tensor, ranks: Ranks) -> Tensor:
    """Variance of generated over that of real representations in a whole batch, each the mean over entries.

    The official code watches the variance of all values together. Towards 0 all generated ones become alike; one that
    has a single output per condition stays above 0.
    """
    variances = []
    for values in (generated.detach().float(), real.float()):
        centred = values - ranks.mean(values.mean(dim=0))
        variances.append(ranks.mean(centred.square().mean()))
    return variances[0] / variances[1]


def measure_variance(
    name: str, real: Tensor, generated: Tensor, ranks: Ranks, found: dict[str, Tensor], terms: Terms
) -> Terms:
    """The variance ratio as a measure of D_i's turn, whose terms are kept for the schedule of G_i.

    Args:
        name: of the measure.
        real: h_i.
        generated: h^_i.
        ranks: who share the batch.
        found: gets the terms.
        terms: of the turn.
    """
    found.update(terms)
    return {name: variance_ratio(real, generated, ranks)}


def updates_of_generator(level: LevelGAN, terms: Terms, ranks: Ranks) -> int:
    """How many updates the schedule gives G_i after a turn of D_i.

    Args:
        level: the level.
        terms: of D_i's turn.
        ranks: who share the training; all give G_i as many.
    """
    parameters = level.spec.parameters
    if not parameters.generator_updates:
        return 1
    loss = ranks.mean(terms["adversarial"].clone()).item() / (parameters.loss_weights.adversarial or 1.0)
    return parameters.updates_of_generator(loss)


def generator_terms(level: LevelGAN, segment: nn.Module, generated: Tensor, condition: Tensor, noise: Tensor) -> Terms:
    """L_G = lambda_1 L_adv + lambda_2 L_cond + lambda_3 L_ent, which G_i minimises.

    Without a condition there is no L_cond; if lambda_2 is 0, it is not computed.

    Args:
        level: the level.
        segment: E_i, frozen.
        generated: h^_i with its graph.
        condition: h_{i+1}, real or generated by the level above; empty rows without a condition.
        noise: z_i.
    """
    weights, loss = level.spec.parameters.loss_weights, ADVERSARIAL_LOSSES[level.spec.parameters.adversarial_loss]
    output: DiscriminatorOutput = level.discriminator(generated)
    terms = {"adversarial": weights.adversarial * loss.generator(output.logits)}
    if level.spec.conditional:
        terms["conditional"] = torch.zeros((), device=generated.device)
        if weights.conditional:
            labelled = level.spec.parameters.condition == LABELS
            conditional = label_conditional_loss if labelled else feature_conditional_loss
            terms["conditional"] = weights.conditional * conditional(segment(generated), condition)
    entropy = entropy_loss(level.latent.log_prob(noise, output.recovered_noise)["noise"])
    return {**terms, "entropy": weights.entropy * entropy}


def level_segment(encoder: Encoder, spec: LevelSpec) -> nn.Module:
    """A copy of E_i; the identity if the level has no condition."""
    return deepcopy(encoder.segment(spec.target, spec.parameters.condition)) if spec.conditional else nn.Identity()


def disturb(parameters: LevelParameters, condition: Tensor, stage: Stage) -> Tensor:
    """Add the level's `condition_noise` to a rank's part of a batch of conditions, unless they are labels."""
    if not parameters.condition_noise or parameters.condition in (LABELS, UNCONDITIONAL):
        return condition
    drawn = torch.randn(parameters.training.batch_size, *condition.shape[1:], generator=stage.rng)
    return condition + parameters.condition_noise * stage.local_batch(drawn)


@shared_by_workers
def fit_level(
    run: RunParameters,
    spec: LevelSpec,
    encoder: Encoder,
    target: Representation,
    condition: Representation,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
    labels: Int64[Tensor, "count"] | None = None,
    initial: LevelGAN | None = None,
) -> tuple[LevelGAN, list[dict[str, float]]]:
    """Build one level and train it on pairs of real (h_{i+1}, h_i), on its own random streams.

    D_i and G_i share one generator pass per step: G_i does not change during D_i's turn, so a second pass with the same
    noise would give the same result. Further updates of G_i get noise of their own.

    Args:
        run: seed, device, threads.
        spec: the level.
        encoder: frozen; contains E_i.
        target: h_i of every training image.
        condition: h_{i+1} of every training image; empty rows without a condition.
        observer: receives losses and pictures.
        checkpoints: where to keep checkpoints; None keeps none.
        labels: of every training image, for a D_i that is aware of classes.
        initial: its weights are the first ones; None draws new ones.

    Returns:
        The trained level on the CPU and the history of its losses.
    """
    training = spec.parameters.training
    inputs = {"images": spec.data_digest, "encoder": spec.encoder_digest}
    starts = {"initial": initial} if initial else {}
    with training_stage(run, spec.target, spec.parameters, inputs, checkpoints, starts) as stage:
        level = LevelGAN(spec.model_copy(update={"provenance": stage.provenance}))
        level = stage.place(take_weights(level, initial) if initial else level)
        set_mean_images(level.discriminator, target)
        segment = stage.place(level_segment(encoder, spec))
        target, condition = target.to(stage.device), condition.to(stage.device)
        known = labels.to(stage.device) if labels is not None and level.discriminator.aware_of_classes else None
        batches = stage.draw_batches(len(target.values), training.batch_size)

        def generate(above: Tensor) -> tuple[Tensor, Tensor]:
            noise = stage.local_batch(level.latent.sample(training.batch_size, stage.rng))
            return noise, level.generator(above, noise)

        def objective(_: int) -> Iterator[Turn]:
            index = stage.local_batch(next(batches))
            real, above = target.batch(index), disturb(spec.parameters, condition.batch(index), stage)
            classes = None if known is None else known[index]
            noise, generated = generate(above)
            found: dict[str, Tensor] = {}
            terms = partial(discriminator_terms, level, real, generated.detach(), noise, classes)
            measures = partial(measure_variance, VARIANCE_RATIO, real, generated, stage.ranks, found)
            yield Turn("discriminator", terms, measures=measures)
            yield Turn("generator", partial(generator_terms, level, segment, generated, above, noise))
            for _ in range(1, updates_of_generator(level, found, stage.ranks)):
                noise, generated = generate(above)
                yield Turn("generator", partial(generator_terms, level, segment, generated, above, noise))

        preview = preview_pictures([level], condition, stage) if spec.target == PIXELS else None
        history = train(stage, gan_players(level, training), objective, training, observer, preview)
    return level.cpu(), history


def preview_pictures(levels: Sequence[LevelGAN], top: Representation, stage: Stage) -> Callable[[], Tensor]:
    """Prepare pictures for the observer: conditions of all classes sent through the levels, always with the same noise.

    They are spread evenly over the training images, column by column, after these are sorted by their labels if the
    first level is conditioned on labels. Data sets are mostly sorted by class: their first images alone show one class.

    Args:
        levels: neighbours, from the top down; the last one generates the pixels.
        top: the condition of the first one.
        stage: provides the device; its random streams are not used.

    Returns:
        A function that generates the pictures from the current weights.
    """
    spread = torch.arange(PREVIEW_ROWS * PREVIEW_COLUMNS) * len(top.values) // (PREVIEW_ROWS * PREVIEW_COLUMNS)
    chosen = spread.unflatten(0, (PREVIEW_COLUMNS, PREVIEW_ROWS)).T.flatten()
    if top.name == LABELS:
        chosen = top.values.argmax(dim=1).argsort(stable=True).cpu()[chosen]
    above = top.batch(chosen).to(stage.device)
    rng = torch.Generator().manual_seed(0)
    noises = [level.latent.sample(len(above), rng).to(stage.device) for level in levels]

    @torch.no_grad()
    def preview() -> Tensor:
        output = above
        for level, noise in zip(levels, noises, strict=True):
            output = level.sampling_generator.eval()(output, noise)
        return output.cpu()

    return preview
