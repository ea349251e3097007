"""How much memory a run takes, in bytes, from its networks and its data, before anything runs."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from gan_pipelines.models.blocks import count_parameters
from gan_pipelines.models.encoder import Encoder
from gan_pipelines.models.infogan import InfoGAN
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.level import LevelGAN
from gan_pipelines.models.requirements import Plan
from gan_pipelines.parameters import LABELS, PIXELS, EvaluationParameters, WatchParameters

PROGRAM = 2**30
"""Of Python, PyTorch, Kedro and MLflow, and of what their allocators keep, as measured."""
BYTES_PER_WEIGHT = 20
"""Of a weight in training: itself, its gradient, Adam's two moments and its running average, in float32."""
BYTES_PER_KEPT_WEIGHT = 8
"""Of a weight whose best value is kept while its training is watched: itself and its running average."""
BYTES_PER_OUTPUT = 8
"""Of a layer's output in training: itself and its gradient."""
PASSES_OF_D = 3
"""D sees real and generated examples in its own turn, and generated ones in G's."""
COPIES_OF_IMAGES = 3
"""As training and as test images, and while they are read or drawn."""
JUDGED_EXAMPLES = 100
"""A judge keeps no layer's output but the last, so that a batch of it takes what all layers do for so many pictures."""
BYTES_PER_FEATURE = 24
"""Of a feature in an evaluation: as it was read, in float64, and as part of the set it is compared with."""


class Need(NamedTuple):
    """What a run needs memory for.

    Attributes:
        block: of the YAML for which it is needed; `run` for any.
        kind: `always`, or only while its block trains or scores; these follow each other.
        what: in words.
        size: bytes.
        remedy: what would make it smaller.
    """

    block: str
    kind: Literal["always", "training", "evaluation"]
    what: str
    size: int
    remedy: str


def count_outputs(network: nn.Module, *inputs: Shape) -> int:
    """Numbers that the layers of a network output for one example, together."""
    total = 0

    def count(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel()

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    network(*(torch.empty(2, *shape, device="meta") for shape in inputs))  # a batch norm needs two
    for hook in hooks:
        hook.remove()
    return total


def plan_memory(
    plan: Plan,
    batch_sizes: Mapping[str, int],
    watched: Mapping[str, WatchParameters],
    evaluation: EvaluationParameters,
    count: int,
) -> list[Need]:
    """What each part of an experiment needs.

    Args:
        plan: its networks.
        batch_sizes: of each training, by its place in the YAML.
        watched: how trainings are watched, by its place in the YAML.
        evaluation: how many samples are scored.
        count: training images.
    """
    pixels = math.prod(plan.encoder.spec.image_shape)
    numbers = sum(math.prod(level.target_shape) for level in plan.levels.values() if level.target != PIXELS)
    found = [
        Need("run", "always", "the program", PROGRAM, "nothing makes it smaller"),
        Need("run", "always", "images", COPIES_OF_IMAGES * pixels * count, "fewer or smaller pictures"),
        Need("sgan", "always", "representations", 4 * numbers * count, "fewer pictures, or levels of smaller blocks"),
    ]
    keep_best = {where.removesuffix(".watch") for where, watch in watched.items() if watch.keep == "best"}
    greatest: dict[str, int] = {}
    for place, (weights, outputs) in _trainings(plan).items():
        of_weight = BYTES_PER_WEIGHT + (BYTES_PER_KEPT_WEIGHT if place in keep_best else 0)
        block, size = place.split(".")[0], of_weight * weights + BYTES_PER_OUTPUT * outputs * batch_sizes[place]
        greatest[block] = max(size, greatest.get(block, 0))
    for block, size in greatest.items():
        found.append(Need(block, "training", f"training of {block}", size, "smaller networks or batches"))
    return [*found, _of_evaluation(plan, evaluation, count, pixels)]


def greatest_need(needs: Iterable[Need]) -> int:
    """Bytes at the peak: trainings and evaluations follow each other, all else stays."""
    sizes = [(need.kind == "always", need.size) for need in needs]
    return sum(size for always, size in sizes if always) + max(
        (size for always, size in sizes if not always), default=0
    )


def _trainings(plan: Plan) -> dict[str, tuple[int, int]]:
    """Weights that are trained together, and outputs that are kept for one example, by place in the YAML."""
    classifiers = {"classifier": plan.encoder, "judge": plan.judge, "second_judge": plan.second_judge}
    found = {block: (count_parameters(net), _outputs_of_classifier(net)) for block, net in classifiers.items()}
    with torch.device("meta"):
        levels, gan = [LevelGAN(spec) for spec in plan.levels.values()], InfoGAN(plan.infogan)
    for level in levels:
        outputs = count_outputs(level.generator, level.spec.condition_shape, (level.latent.size,))
        outputs += PASSES_OF_D * count_outputs(level.discriminator.trunk, level.spec.target_shape)
        found[f"sgan.levels.{level.spec.target}"] = (_weights_of_players(level), found["classifier"][1] + outputs)
    stack = [found[f"sgan.levels.{level.spec.target}"] for level in levels]
    found["sgan.joint"] = (sum(weights for weights, _ in stack), sum(outputs for _, outputs in stack))
    outputs = count_outputs(gan.generator, (gan.noise.size + gan.codes.size,))
    outputs += PASSES_OF_D * count_outputs(gan.discriminator.trunk, plan.infogan.image_shape)
    found["infogan"] = (_weights_of_players(gan), outputs)
    return found


def _weights_of_players(gan: LevelGAN | InfoGAN) -> int:
    return count_parameters(gan.generator) + count_parameters(gan.discriminator)


def _outputs_of_classifier(classifier: Encoder) -> int:
    return count_outputs(classifier, classifier.spec.image_shape)


def _of_evaluation(plan: Plan, evaluation: EvaluationParameters, count: int, pixels: int) -> Need:
    """Samples, features of samples and of real images, and one batch in the judge."""
    features = math.prod(plan.judge.shapes.get(evaluation.features, plan.judge.shapes[LABELS]))
    size = COPIES_OF_IMAGES * evaluation.samples * pixels
    size += (evaluation.samples + 2 * count) * features * BYTES_PER_FEATURE
    size += 4 * JUDGED_EXAMPLES * _outputs_of_classifier(plan.judge)
    return Need("evaluation", "evaluation", "evaluation", size, "fewer evaluation.samples")
