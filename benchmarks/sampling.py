"""Images per second of sampling from a stack against a plain loop, both as bytes in the end.

    .venv/bin/python benchmarks/sampling.py

The default experiment's levels with random weights. `numbered` draws each picture from a random stream of its own, as
the pipeline `sample` does. The plain loop takes batches of 100, keeps the layout that torch has by default, and
collects floats; what peak memory it needs grows with the number of samples. Nothing else should run on the machine
meanwhile.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor

from gan_pipelines.data.images import one_hot
from gan_pipelines.models import LevelGAN, StackedGenerator, assemble_stack
from gan_pipelines.models.sampler import Asked, Sampler, open_sampler
from gan_pipelines.parameters import RunParameters
from gan_pipelines.training.stage import seeded_stage
from measure import Contestant, Race, count_flops, parse_arguments, run_races
from networks import CLASSES, default_levels
from plain import plain_layers

COUNTS = ("10000", "50000")
PLAIN_BATCH = 100


def race(count: int) -> Race:
    """Sampling of `count` images."""
    stack = assemble_stack([LevelGAN(spec) for spec in default_levels()], CLASSES)
    labels = torch.arange(count) % len(CLASSES)
    return {
        "ours": sampled(partial(ours, stack, labels)),
        "numbered": sampled(partial(numbered, open_sampler(stack), labels)),
        "plain": sampled(partial(plain, plain_layers(deepcopy(stack)), labels)),
    }


def ours(stack: StackedGenerator, labels: Tensor) -> Tensor:
    """As the node that samples a generator, without the statistics that it computes beforehand."""
    with seeded_stage(RunParameters(), "samples") as stage:
        return stage.place(stack).sample(labels.to(stage.device), stage.rng)


def numbered(sampler: Sampler, labels: Tensor) -> Tensor:
    """Picture by picture from random streams of their own, as the pipeline `sample` draws them."""
    with seeded_stage(RunParameters(), "samples"):
        return torch.cat(list(sampler.batches(Asked(0, labels))))


@torch.no_grad()
def plain(stack: StackedGenerator, labels: Tensor) -> Tensor:
    """Batch after batch, put together in the end."""
    stack.eval()
    pictures = []
    for part in labels.split(PLAIN_BATCH):
        condition = one_hot(part, len(CLASSES))
        for level, generator in stack.generators.items():
            condition = generator(condition, torch.rand(len(part), stack.latents[level].size))
        pictures.append(condition)
    return (torch.cat(pictures) * 255).round().to(torch.uint8)


def sampled(sample: Callable[[], Tensor]) -> Contestant:
    """A way to sample."""

    def rate() -> float:
        began = time.perf_counter()
        count = len(sample())
        return count / (time.perf_counter() - began)

    return Contestant(rate, lambda: count_flops(sample) / len(sample()))


if __name__ == "__main__":
    arguments = parse_arguments(__doc__ or "", COUNTS)
    run_races({f"{count} images": partial(race, int(count)) for count in arguments.cases}, arguments.repeats)
