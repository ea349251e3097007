"""The table of an experiment's networks."""

import pandas as pd
import torch

from gan_pipelines.models import InfoGAN, LevelGAN
from gan_pipelines.models.blocks import count_parameters
from gan_pipelines.models.layers import Shape
from gan_pipelines.models.requirements import Plan
from gan_pipelines.parameters import LABELS


def network_table(plan: Plan) -> pd.DataFrame:
    """One row per network: its name, the shape of its output and its number of parameters."""
    rows: list[dict[str, str | int]] = [
        _row("encoder", plan.encoder.shapes[LABELS], count_parameters(plan.encoder)),
        _row("judge", plan.judge.shapes[LABELS], count_parameters(plan.judge)),
        _row("second judge", plan.second_judge.shapes[LABELS], count_parameters(plan.second_judge)),
    ]
    for name, spec in plan.levels.items():
        with torch.device("meta"):
            level = LevelGAN(spec)
        rows.append(_row(f"{name} generator", spec.target_shape, count_parameters(level.generator)))
        logits = spec.classes if level.discriminator.aware_of_classes else 1
        outputs = (logits + level.latent.size,)
        rows.append(_row(f"{name} discriminator", outputs, count_parameters(level.discriminator)))
    with torch.device("meta"):
        gan = InfoGAN(plan.infogan)
    rows.append(_row("infogan generator", plan.infogan.image_shape, count_parameters(gan.generator)))
    rows.append(_row("infogan discriminator", (1 + gan.codes.head_size,), count_parameters(gan.discriminator)))
    return pd.DataFrame(rows)


def _row(network: str, output: Shape, parameters: int) -> dict[str, str | int]:
    return {"network": network, "output": " x ".join(map(str, output)), "parameters": parameters}
