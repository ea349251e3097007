"""The models behind a run: those that it starts from, those that made them, and the parameters that made them all."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from kedro.io import DataCatalog, DatasetError

from gan_pipelines.datasets import ModelDataset
from gan_pipelines.hooks.belonging import BESIDE, ROW, made_from
from gan_pipelines.metrics.definitions import JUDGE, SECOND_JUDGE
from gan_pipelines.model_file import Model
from gan_pipelines.models import Encoder, InfoGAN, LevelGAN, LevelSpec, StackedGenerator
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import INITIAL
from gan_pipelines.parameters.base import FOUND_CHARACTERS, flatten

WITHOUT_BLOCK = (ROW, "classifier_on_", f"{BESIDE}encoder", INITIAL)
"""How the names of models begin that no parameter block of their own has made."""


def find_makers(start: Mapping[str, Any], catalog: DataCatalog) -> dict[str, Model]:
    """The models among what a run starts from, and those on disk that made what it starts from.

    Args:
        start: what the run starts from, by name.
        catalog: where the other models are; one whose digest is not the expected one has made nothing of these.
    """
    found: dict[str, Model] = {}
    waiting = dict(start)
    while waiting:
        name, data = waiting.popitem()
        if isinstance(data, Model) and not name.startswith(WITHOUT_BLOCK):
            found[name] = data
        for source, digest in made_from(name, data).items():
            if source not in start and source not in found and source not in waiting:
                model = _load_model(source, catalog)
                if model is not None and model.digest() == digest:
                    waiting[source] = model
    return found


def _load_model(name: str, catalog: DataCatalog) -> Model | None:
    dataset = catalog.get(name)
    try:
        return dataset.load() if isinstance(dataset, ModelDataset) else None
    except DatasetError:
        return None


def provenances(model: Model) -> list[Provenance]:
    """What decided the weights of a model; of a stack, of each of its levels."""
    specs = model.spec.levels if isinstance(model, StackedGenerator) else (model.spec,)
    return [spec.provenance for spec in specs if spec.provenance]


def _levels(model: Model) -> tuple[LevelSpec, ...]:
    match model:
        case LevelGAN():
            return (model.spec,)
        case StackedGenerator():
            return model.spec.levels
    return ()


def stage_parameters(model: Model) -> dict[str, str]:
    """Seed, code and version of PyTorch of each training behind a model, as `seed.<stage>` and so on."""
    return {
        f"{field}.{made.stage}": str(getattr(made, field))
        for made in provenances(model)
        for field in ("seed", "code", "torch")
    }


def made_parameters(asked: Mapping[str, Any], models: Mapping[str, Model], trains: bool) -> dict[str, Any]:
    """The parameters of a run, with those that made its models in place of those asked for.

    `run.seed` is the seed of the models, apart from the judges, whose seeds are their own; if they differ, all of them.

    Args:
        asked: the parameters of the experiment, as plain data.
        models: the models behind the run, by name.
        trains: whether the run trains models with `run.seed` itself.
    """
    made: dict[str, Any] = deepcopy(dict(asked))
    seeds = {made["run"]["seed"]} if trains else set[int]()
    for name, model in models.items():
        if name not in (JUDGE, SECOND_JUDGE):
            seeds |= {provenance.seed for provenance in provenances(model)}
        if isinstance(model, Encoder | InfoGAN) and model.spec.provenance:
            seed = {"seed": model.spec.provenance.seed} if name in (JUDGE, SECOND_JUDGE) else {}
            made["classifier" if name == "encoder" else name] = {**model.spec.provenance.parameters, **seed}
        for level in _levels(model):
            parameters = level.parameters.model_dump(mode="json")
            if name.startswith(BESIDE) and level.target in asked["sgan"]["levels"]:
                _record_unsupervised(level.target, parameters["loss_weights"], asked, made)
            made["sgan"]["levels"][level.target] = parameters
            if level.provenance and level.provenance.stage == "joint":
                made["sgan"]["joint"] = level.provenance.parameters
    if seeds:
        made["run"]["seed"] = min(seeds) if len(seeds) == 1 else ",".join(map(str, sorted(seeds)))
    return made


def _record_unsupervised(target: str, losses: dict[str, Any], asked: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Take the conditional weight of a level without labels out of those of `sgan`, into the block of that stack."""
    weight, own = asked["sgan"]["levels"][target]["loss_weights"]["conditional"], made["unsupervised"]
    if losses["conditional"] != weight or target in own["conditional_weights"]:
        own["conditional_weights"][target] = losses["conditional"]
    losses["conditional"] = weight


def overridden(asked: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    """One sentence that names each field which the models at hand decide otherwise; empty if there is none."""
    before, after = dict(flatten(asked)), dict(flatten(made))
    fields = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    if not fields:
        return ""
    shown = (f"{key} was {_shown(after.get(key))}, {_shown(before.get(key))} was asked for" for key in fields)
    return (
        f"The models that this run uses were made with other parameters, and its record says which: {'; '.join(shown)}."
    )


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= FOUND_CHARACTERS else f"{value[:FOUND_CHARACTERS]}..."
