"""Register a generator with its scores, as champion or challenger of its experiment."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gan_pipelines import serving
from gan_pipelines.metrics.promotion import Decision, compared_scores, decide
from gan_pipelines.model_file import Model, require_generator, write_model
from gan_pipelines.models import InfoGAN, StackedGenerator
from gan_pipelines.models.sampler import open_sampler
from gan_pipelines.parameters import EvaluationParameters, ExperimentError, RegistryParameters
from gan_pipelines.reporting.tables import codes_markdown, summary_markdown, table_verdict
from gan_pipelines.tracking import names, score_metrics
from gan_pipelines.tracking.registry import INFLUENCES_FILE, SCORES_FILE, Page, Registry, Servable
from gan_pipelines.tracking.store import describe_error, mask, store_errors


def register_model(
    tracking_uri: str,
    registry: RegistryParameters,
    evaluation: EvaluationParameters,
    generator: Model,
    scores: pd.DataFrame,
    influences: pd.DataFrame,
    data_card: dict[str, Any],
    code_scores: pd.DataFrame | None = None,
) -> dict[str, str]:
    """Log a model to MLflow, register it, and decide which alias its version gets.

    Args:
        tracking_uri: of MLflow's store.
        registry: names the model.
        evaluation: against which real images it was scored.
        generator: the model.
        scores: its own.
        influences: how far each group of test images moves them.
        data_card: of the images.
        code_scores: of an InfoGAN.

    Returns:
        `name`, `version`, `alias`, `reason`, `model_id`, and `champion`, the version that was champion before.

    Raises:
        ExperimentError: the model is no generator, or MLflow fails.
    """
    model = require_generator(generator, f"registry.model: {registry.model}")
    try:
        store = Registry.open(tracking_uri)
        champion = store.read_champion()
        verdict, ours = table_verdict(scores), compared_scores(scores, influences)
        decision = decide(verdict, ours, compared_scores(*champion[1:]) if champion else None)
        with tempfile.TemporaryDirectory() as folder:
            servable = _servable(registry.model, model, scores, influences, Path(folder))
            page = _page(registry.model, model, scores, code_scores, data_card, evaluation.split, decision)
            version, model_id = store.add(servable, page, decision.alias)
    except store_errors() as error:
        raise ExperimentError(f"register: MLflow at {mask(tracking_uri)} fails: {describe_error(error)}") from None
    before = champion[0] if champion else ""
    return {"name": store.name, "version": version, **decision._asdict(), "model_id": model_id, "champion": before}


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
    code_scores: pd.DataFrame | None,
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
    found = score_metrics(scores, name) | ({} if code_scores is None else score_metrics(code_scores, name))
    metrics = {key.replace(f"{name}/", "", 1): value for key, value in found.items()}
    said = _description(name, scores, code_scores, card, split, verdict, decision)
    return Page(metrics, tags, "\n\n".join(said))


def _description(
    name: str,
    scores: pd.DataFrame,
    code_scores: pd.DataFrame | None,
    card: Mapping[str, Any],
    split: str,
    verdict: str,
    decision: Decision,
) -> Iterator[str]:
    yield f"**{name}** of {card['source']}, scored against {split} images. Verdict: {verdict or 'none'}."
    yield summary_markdown({name: scores})
    if code_scores is not None:
        yield codes_markdown(code_scores)
    yield f"Registered as {decision.alias}: {decision.reason}."
