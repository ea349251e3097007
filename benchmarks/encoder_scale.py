"""Scale a representation inside the newest encoder, its answers unchanged, and save that as the newest encoder.

    .venv/bin/python benchmarks/encoder_scale.py --factor 10
    .venv/bin/kedro run --pipelines=sgan --from-nodes=encoder.encode_training_set

A ReLU network answers alike if the weights below a representation are multiplied by a number and those above it are
divided by it. The second command trains and scores a stack on the scaled encoder; its scores should be those of the
stack on the encoder as it was.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from torch import nn

from gan_pipelines.models import Encoder
from gan_pipelines.models.encoder import set_units

PROJECT = Path(__file__).resolve().parents[1]


def scale(encoder: Encoder, name: str, factor: float) -> None:
    """Multiply a representation by a factor, and divide the weights that read it.

    Args:
        encoder: changed in place.
        name: of the representation; what lies between its last weights and the next ones must be homogeneous.
        factor: above 0.
    """
    weighted = [
        (block, layer)
        for block, layers in encoder.blocks.items()
        for layer in layers.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    below, above = next(pair for pair in pairwise(weighted) if pair[0][0] == name != pair[1][0])
    below[1].weight.mul_(factor)
    below[1].bias.mul_(factor)
    above[1].weight.div_(factor)


def main() -> None:
    """Scale, check the answers, set the units anew if the encoder has any, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="base")
    parser.add_argument("--representation", default="fc3")
    parser.add_argument("--factor", type=float, required=True)
    arguments = parser.parse_args()
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT, env=arguments.env) as session, torch.no_grad():
        catalog = session.load_context().catalog
        encoder, pixels = catalog.load("encoder"), catalog.load("train_images").pixels()
        some, units = pixels.batch(torch.arange(min(500, len(pixels.values)))), dict(encoder.spec.units)
        before = encoder(some)
        scale(encoder, arguments.representation, arguments.factor)
        torch.testing.assert_close(encoder(some), before, rtol=1e-4, atol=1e-4)
        if units:
            set_units(encoder, pixels)
        catalog.save("encoder", encoder)
    print(f"{arguments.representation} x {arguments.factor}: units were {units}, are {encoder.spec.units}")


if __name__ == "__main__":
    main()
