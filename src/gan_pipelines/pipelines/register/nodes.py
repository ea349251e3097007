"""Register a generator with its scores, as champion or challenger of its experiment."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gan_pipelines import serving
from gan_pipelines.metrics.promotion import Decision, compared_scores, decide
from gan_pipelines.model_file import Model, write_model
from gan_pipelines.models import InfoGAN, StackedGenerator
from gan_pipelines.models.sampler import open_sampler
from gan_pipelines.parameters import EvaluationParameters, ExperimentError, RegistryParameters
from gan_pipelines.reporting.tables import summary_markdown, table_verdict
from gan_pipelines.tracking import names, score_metrics
from gan_pipelines.tracking.registry import INFLUENCES_FILE, SCORES_FILE, Page, Registry, Servable
from gan_pipelines.tracking.store import describe_error, mask, store_errors

SHORT = 12
"""So many letters of digests stand in tables of scores."""


def register_model(
    tracking_uri: str,
    registry: RegistryParameters,
    evaluation: EvaluationParameters,
    generator: Model,
    scores: pd.DataFrame,
    influences: pd.DataFrame,
    data_card: dict[str, Any],
) -> dict[str, str]:
    """Log a model to MLflow, register it, and decide which alias its version gets.

    Returns:
        `name`, `version`, `alias`, `reason`, `model_id`, and `champion`, the version that was champion before.

    Raises:
        ExperimentError: the model is no generator, its scores or the data card are not its own, or MLflow fails.
    """
    if not isinstance(generator, StackedGenerator | InfoGAN):
        raise ExperimentError(
            f"registry.model: {registry.model} must be a stack or an InfoGAN; found {generator.spec.kind}."
        )
    _require_own(registry.model, generator, {"scores": scores, "influences": influences})
    _require_card(registry.model, generator, scores, data_card, evaluation.split)
    try:
        store = Registry.open(tracking_uri)
        champion = store.read_champion()
        verdict, ours = table_verdict(scores), compared_scores(scores, influences)
        decision = decide(verdict, ours, compared_scores(*champion[1:]) if champion else None)
        with tempfile.TemporaryDirectory() as folder:
            servable = _servable(registry.model, generator, scores, influences, Path(folder))
            page = _page(registry.model, generator, scores, data_card, evaluation.split, decision)
            version, model_id = store.add(servable, page, decision.alias)
    except store_errors() as error:
        raise ExperimentError(f"register: MLflow at {mask(tracking_uri)} fails: {describe_error(error)}") from None
    before = champion[0] if champion else ""
    return {"name": store.name, "version": version, **decision._asdict(), "model_id": model_id, "champion": before}


def _require_own(name: str, generator: Model, tables: Mapping[str, pd.DataFrame]) -> None:
    """Refuse scores of another model."""
    own = f"sha256:{generator.digest()[:SHORT]}"
    for kind, table in tables.items():
        found = set(table["model"]) if "model" in table and len(table) else {"a model that is not named"}
        if found != {own}:
            raise ExperimentError(
                f"{name}_{kind}: are of {', '.join(map(str, found))}, but {name} is {own}. Score it first, or choose "
                f"versions that belong together with --load-versions. Nothing was registered."
            )


def _require_card(
    name: str, generator: StackedGenerator | InfoGAN, scores: pd.DataFrame, card: Mapping[str, Any], split: str
) -> None:
    """Refuse a data card of other images than the model was trained on and scored against."""
    trained, scored = generator.spec.data_digest[:SHORT], str(scores["data"].iloc[0]).rpartition("+")[2]
    found = (card["train"]["sha256"][:SHORT], card[split]["sha256"][:SHORT])
    if found != (trained, scored):
        raise ExperimentError(
            f"data_card: is of other images ({', '.join(found)}) than {name} was trained on and scored against "
            f"({trained}, {scored}). Choose its version with --load-versions=data_card:..., and evaluation.split as it "
            f"was scored. Nothing was registered."
        )


def _servable(
    name: str,
    generator: StackedGenerator | InfoGAN,
    scores: pd.DataFrame,
    influences: pd.DataFrame,
    folder: Path,
) -> Servable:
    file = folder / f"{name}.safetensors"
    write_model(file, generator)
    sampler = open_sampler(generator)
    return Servable(
        name,
        file,
        serving.__name__,
        serving.REQUIREMENTS,
        serving.make_signature(sampler),
        serving.make_example(sampler),
        {SCORES_FILE: scores, INFLUENCES_FILE: influences},
    )


def _page(
    name: str,
    generator: StackedGenerator | InfoGAN,
    scores: pd.DataFrame,
    card: Mapping[str, Any],
    split: str,
    decision: Decision,
) -> Page:
    verdict = table_verdict(scores)
    tags = {
        "model": name,
        "model_sha256": generator.digest(),
        names.DATA_SOURCE: card["source"],
        names.DATA_DIGEST: card["train"]["sha256"],
        names.REFERENCE_DIGEST: card[split]["sha256"],
        names.JUDGES: str(scores["judge"].iloc[0]),
        names.VERDICT: verdict or "none",
        names.DECISION: f"{decision.alias}: {decision.reason}",
    }
    # a model's page has its scores alone, so their names need no generator
    metrics = {key.removeprefix(f"{name}/"): value for key, value in score_metrics(scores, name).items()}
    return Page(metrics, tags, "\n\n".join(_description(name, scores, card, split, verdict, decision)))


def _description(
    name: str, scores: pd.DataFrame, card: Mapping[str, Any], split: str, verdict: str, decision: Decision
) -> Iterator[str]:
    yield f"**{name}** of {card['source']}, scored against {split} images. Verdict: {verdict or 'none'}."
    yield summary_markdown(scores)
    yield f"Registered as {decision.alias}: {decision.reason}."
