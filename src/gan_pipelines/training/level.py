"""Independent training of one level on real representations (SGAN, section 3.2): the paper's losses, term by term."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from gan_pipelines.data.images import Representation
from gan_pipelines.losses import (
    ADVERSARIAL_LOSSES,
    entropy_loss,
    feature_conditional_loss,
    label_conditional_loss,
)
from gan_pipelines.models import DiscriminatorOutput, Encoder, LevelGAN, LevelSpec
from gan_pipelines.parameters import LABELS, PIXELS, RunParameters
from gan_pipelines.training.checkpoint import CheckpointFolder
from gan_pipelines.training.engine import Observer, Turn, train
from gan_pipelines.training.players import Player, Terms, make_player
from gan_pipelines.training.ranks import shared_by_workers
from gan_pipelines.training.seeding import Stage, training_stage

PREVIEW_PICTURES = 64


def discriminator_terms(level: LevelGAN, real: Tensor, generated: Tensor, noise: Tensor) -> Terms:
    """L_D + lambda_3 L_ent, of which D_i and Q_i are updated.

    Args:
        level: the level.
        real: h_i.
        generated: h^_i, detached.
        noise: z_i from which h^_i was generated.
    """
    weights, loss = level.spec.parameters.loss_weights, ADVERSARIAL_LOSSES[level.spec.parameters.adversarial_loss]
    output: DiscriminatorOutput = level.discriminator(torch.cat([real, generated]), batches=2)
    real_logits, generated_logits = output.logits.chunk(2)
    _, recovered_noise = output.recovered_noise.chunk(2)
    return {
        "adversarial": weights.adversarial * loss.discriminator(real_logits, generated_logits),
        "entropy": weights.entropy * entropy_loss(level.latent.log_prob(noise, recovered_noise)["noise"]),
    }


def generator_terms(level: LevelGAN, segment: nn.Module, generated: Tensor, condition: Tensor, noise: Tensor) -> Terms:
    """L_G = lambda_1 L_adv + lambda_2 L_cond + lambda_3 L_ent, of which G_i is updated.

    Without a condition there is no L_cond; where lambda_2 is 0 it is not computed.

    Args:
        level: the level.
        segment: E_i, frozen.
        generated: h^_i with its graph.
        condition: h_{i+1}, real or generated above; empty rows where there is none.
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
    """A copy of E_i; nothing that encodes where the level has no condition."""
    return deepcopy(encoder.segment(spec.target, spec.parameters.condition)) if spec.conditional else nn.Identity()


def level_players(level: LevelGAN) -> dict[str, Player]:
    """G_i with its average, and D_i with Q_i."""
    training = level.spec.parameters.training
    return {
        "generator": make_player(level.generator, training, average=level.averaged_generator),
        "discriminator": make_player(level.discriminator, training, training.discriminator_learning_rate),
    }


@shared_by_workers
def fit_level(
    run: RunParameters,
    spec: LevelSpec,
    encoder: Encoder,
    target: Representation,
    condition: Representation,
    observer: Observer,
    checkpoints: CheckpointFolder | None = None,
) -> tuple[LevelGAN, list[dict[str, float]]]:
    """Build one level and train it on pairs of real (h_{i+1}, h_i), on its own random streams.

    D_i and G_i share one generator pass a step: G_i does not change in D_i's turn, so a second pass over the same
    noise would give the same picture again.

    Args:
        run: seed, device, threads.
        spec: the level.
        encoder: frozen; gives E_i.
        target: h_i of every training image.
        condition: h_{i+1} of every training image; empty rows where there is none.
        observer: is told of losses and pictures.
        checkpoints: where the training keeps some, if it does.

    Returns:
        The trained level on the CPU and the history of its losses.
    """
    training = spec.parameters.training
    inputs = {"images": spec.data_digest, "encoder": spec.encoder_digest}
    with training_stage(run, spec.target, spec.parameters, inputs, checkpoints) as stage:
        level = stage.place(LevelGAN(spec.model_copy(update={"provenance": stage.provenance})))
        segment = stage.place(level_segment(encoder, spec))
        target, condition = target.to(stage.device), condition.to(stage.device)
        batches = stage.draw_batches(len(target.values), training.batch_size)

        def objective(_: int) -> Iterator[Turn]:
            index = stage.bring(next(batches))
            real, above = target.read(index), condition.read(index)
            noise = stage.bring(level.latent.sample(training.batch_size, stage.rng))
            generated = level.generator(above, noise)
            yield Turn("discriminator", lambda: discriminator_terms(level, real, generated.detach(), noise))
            yield Turn("generator", lambda: generator_terms(level, segment, generated, above, noise))

        preview = preview_pictures([level], condition, stage) if spec.target == PIXELS else None
        history = train(stage, level_players(level), objective, training, observer, preview)
    return level.cpu(), history


def preview_pictures(levels: Sequence[LevelGAN], top: Representation, stage: Stage) -> Callable[[], Tensor]:
    """Pictures for the observer: the first conditions run through the levels, always with the same noise.

    Args:
        levels: neighbours, the last of which generates the pixels.
        top: the condition of the first one.
        stage: its device; its random streams are left alone.
    """
    above = top.read(torch.arange(min(PREVIEW_PICTURES, len(top.values)))).to(stage.device)
    rng = torch.Generator().manual_seed(0)
    noises = [level.latent.sample(len(above), rng).to(stage.device) for level in levels]

    @torch.no_grad()
    def preview() -> Tensor:
        output = above
        for level, noise in zip(levels, noises, strict=True):
            output = level.sampling_generator.eval()(output, noise)
        return output.cpu()

    return preview
