"""Write the model card, draw samples, export the program, collect the folder."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from PIL import Image

from gan_pipelines.data.images import LabelledImages
from gan_pipelines.datasets import png
from gan_pipelines.model_file import Model, require_generator, write_model
from gan_pipelines.models.program import export_programs
from gan_pipelines.models.sampler import InfoGANSampler, StackSampler, open_sampler
from gan_pipelines.parameters import ExportParameters, RunParameters
from gan_pipelines.reporting.model_card import Evidence, model_card, seeds
from gan_pipelines.reporting.pictures import sample_grid
from gan_pipelines.training.stage import seeded_stage

STAGE = "export"
COLUMNS = 10
"""Pictures per class in the figure; so many squared of a model without classes."""
MADE_BY = {"infogan": "infogan", "unsupervised_": "sgan_unsupervised", "ablation_": "ablation", "": "sgan"}
"""The pipeline that makes a model from raw data, by how the model's dataset begins."""


def write_card(
    export: ExportParameters,
    generator: Model,
    experiment_name: str = "",
    data_card: dict[str, Any] | None = None,
    scores: pd.DataFrame | None = None,
    real_scores: pd.DataFrame | None = None,
    code_scores: pd.DataFrame | None = None,
) -> str:
    """The model card.

    Args:
        export: the model's name, the licence of its weights.
        generator: a stack or an InfoGAN.
        experiment_name: the folder under `conf/`, of a model of this experiment.
        data_card: of its training images; like the scores, unknown of a model that came as a file.
        scores: its own.
        real_scores: of the training images, scored as if they were samples.
        code_scores: of an InfoGAN.
    """
    model, evidence = require_generator(generator, f"export.model: {export.model}"), None
    if data_card is not None and scores is not None and real_scores is not None:
        command = _command(export.name, experiment_name, seeds(model))
        evidence = Evidence(data_card, scores, real_scores, command, code_scores)
    return model_card(export, model, evidence)


def draw_samples(run: RunParameters, export: ExportParameters, generator: Model) -> Image.Image:
    """The first pictures of seed 0, a row per class."""
    with seeded_stage(run, STAGE):
        sampler = _open(export, generator)
        classes = sampler.classes or ("pictures",)
        count = COLUMNS * (len(classes) if sampler.classes else COLUMNS)
        pictures = LabelledImages(sampler.sample(count), torch.arange(count) % len(classes), classes)
    title, said = f"{export.name}: samples", f"Pictures 0 to {count - 1} of seed 0, N = {count}, none of them chosen."
    return sample_grid(pictures, COLUMNS, title, said)


def export_program(run: RunParameters, export: ExportParameters, generator: Model) -> dict[str, bytes]:
    """The generator as programs that need no file of this package, each checked against the original."""
    with seeded_stage(run, STAGE):
        return export_programs(_open(export, generator), export.onnx)


def collect_files(
    generator: Model,
    card: str,
    samples: Image.Image,
    programs: Mapping[str, bytes],
) -> dict[str, bytes]:
    """All files of the folder, by name."""
    spec = generator.spec.model_dump(mode="json")
    with TemporaryDirectory() as folder:
        write_model(file := Path(folder, "model.safetensors"), generator)
        weights = file.read_bytes()
    return {
        "README.md": card.encode(),
        "config.json": f"{json.dumps(spec, indent=2)}\n".encode(),
        "model.safetensors": weights,
        "samples.png": png(samples),
        **programs,
    }


def _open(export: ExportParameters, generator: Model) -> StackSampler | InfoGANSampler:
    """On the CPU, whatever the device of the run, so that a program runs anywhere."""
    return open_sampler(require_generator(generator, f"export.model: {export.model}"))


def _command(name: str, experiment: str, used_seeds: list[int]) -> str:
    """The command that makes the model anew, as long as its parameters are those of the experiment."""
    pipeline = next(pipeline for begin, pipeline in MADE_BY.items() if name.startswith(begin))
    seed = f" --params=run.seed={used_seeds[0]}" if len(used_seeds) == 1 else ""
    return f"kedro run --pipelines={pipeline} --env={shlex.quote(experiment)}{seed}"
