"""The model card of a generator, in the form of the Hugging Face hub: a YAML head, then Markdown.

It says nothing that the scores do not support: every number stands with its interval, beside that of real images.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from gan_pipelines.metrics import SCORES
from gan_pipelines.models import InfoGAN, Latent, StackedGenerator
from gan_pipelines.models.latent import Part
from gan_pipelines.models.program import program_inputs
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import CategoricalCode, ContinuousCode, ExportParameters, UniformPrior
from gan_pipelines.reporting.tables import explained_verdict, main_code_scores, overall
from gan_pipelines.version import __version__

TASK = "unconditional-image-generation"
"""The hub has no task for pictures of a class that is asked for."""
ON_THE_HUB = {
    "mnist_5k": "ylecun/mnist",
    "mnist": "ylecun/mnist",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "svhn": "ufldl-stanford/svhn",
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
}
"""Data sets of the hub by the names of sources."""
MOST_CLASSES = 20
"""Of more classes, the first are named."""
BETTER = {"near expected": "near {:.3g}", "neither": ""}
BIASED = ("frechet_distance", "inception_score")
"""Scores that depend on the number of pictures, so that only those of equal numbers compare."""
MARKDOWN = re.compile(r"[\\`*_\[\]<>|#&~]")


@dataclass(frozen=True)
class Evidence:
    """What is known of a model that was made and scored in an experiment.

    Attributes:
        data_card: of the training images and those scored against.
        scores: of the model.
        real_scores: of the training images, scored as if they were samples.
        command: makes the model anew.
        code_scores: of an InfoGAN.
    """

    data_card: Mapping[str, Any]
    scores: pd.DataFrame
    real_scores: pd.DataFrame
    command: str
    code_scores: pd.DataFrame | None = None

    @property
    def split(self) -> str:
        """The real images that were scored against."""
        digest = str(self.scores["data"].iloc[0]).rpartition("+")[2]
        named = (split for split in ("test", "validation") if split in self.data_card)
        return next(split for split in named if self.data_card[split]["sha256"].startswith(digest))


@dataclass(frozen=True)
class Row:
    """One score of the model, and of real images, as text; `worse` if the intervals say so."""

    title: str
    space: str
    samples: str
    value: str
    real: str
    better: str
    worse: bool


def model_card(export: ExportParameters, generator: StackedGenerator | InfoGAN, evidence: Evidence | None) -> str:
    """The card.

    Args:
        export: the model's name, the licence of its weights, whether there is a `model.onnx`.
        generator: the model.
        evidence: data and scores; None of a model that came as a file.
    """
    environment = Environment(  # noqa: S701  # Markdown, whose signs `plain` escapes
        loader=PackageLoader("gan_pipelines", "reporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    stack = generator if isinstance(generator, StackedGenerator) else None
    text = environment.get_template("model_card.md").render(
        name=export.name,
        export=export,
        stack=stack,
        generator=generator,
        classes=list(stack.spec.classes) if stack and stack.spec.conditional else [],
        most=MOST_CLASSES,
        shape=_image_shape(generator),
        codes=_codes(generator) if isinstance(generator, InfoGAN) else {},
        inputs={name: _draw(latent, generator) for name, latent in program_inputs(generator).items()},
        evidence=evidence,
        verdict=explained_verdict(evidence.scores) if evidence else "",
        rows=list(_rows(evidence.scores, evidence.real_scores)) if evidence else [],
        code_rows=list(_rows(_code_scores(evidence))) if evidence else [],
        least_read=_least_read(evidence.scores) if evidence else None,
        provenances=_provenances(generator),
        version=__version__,
    )
    head = yaml.safe_dump(_head(export, generator, evidence), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n{text}"


def seeds(generator: StackedGenerator | InfoGAN) -> list[int]:
    """The seeds of the trainings behind a generator, as far as it knows them."""
    return sorted({provenance.seed for provenance in _provenances(generator)})


def describe_seeds(generator: StackedGenerator | InfoGAN) -> str:
    """Such as `trained with seed 0`, in words."""
    found = seeds(generator)
    return f"trained with seed {' and '.join(map(str, found))}" if found else "of unknown seed"


def plain(text: object) -> str:
    """A text of others as one line of Markdown, in which no sign means anything."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(str(text).split()))


def _head(export: ExportParameters, generator: StackedGenerator | InfoGAN, evidence: Evidence | None) -> dict[str, Any]:
    kind = "stacked-gan" if isinstance(generator, StackedGenerator) else "infogan"
    head: dict[str, Any] = {"license": export.license, "library_name": "gan_pipelines", "pipeline_tag": TASK}
    head["tags"] = ["gan", kind, "image-generation", "pytorch", *(["onnx"] if export.onnx else [])]
    if evidence is None:
        return head
    source = evidence.data_card["source"]
    rows = pd.concat([overall(evidence.scores), _code_scores(evidence)]).to_dict("records")
    if source in ON_THE_HUB:
        head["datasets"] = [ON_THE_HUB[source]]
    metrics = [
        {
            "type": row["score"],
            "value": float(row["value"]),
            "name": f"{_title(row)}{_interval(row, ', 95 % interval ')}",
        }
        for row in rows
        if math.isfinite(row["value"])
    ]
    dataset = {"type": ON_THE_HUB.get(source, source), "name": source, "split": evidence.split}
    results = [{"task": {"type": TASK}, "dataset": dataset, "metrics": metrics}]
    head["model-index"] = [{"name": export.name, "results": results}]
    return head


def _title(row: Mapping[Any, Any]) -> str:
    return f"{SCORES[row['score']].title} ({row['space']}, N = {row['samples']:,})"


def _code_scores(evidence: Evidence) -> pd.DataFrame:
    """The most important scores of codes; no rows of a model that has none."""
    scores = evidence.code_scores
    return evidence.scores.iloc[:0] if scores is None else main_code_scores(scores)


def _rows(scores: pd.DataFrame, real_scores: pd.DataFrame | None = None) -> Iterator[Row]:
    """One per score that is not about a single class."""
    real = {} if real_scores is None else _by_score(real_scores)
    for row in overall(scores).to_dict("records"):
        definition, beside = SCORES[row["score"]], real.get((row["score"], row["space"]))
        yield Row(
            title=definition.title,
            space=row["space"],
            samples=f"{row['samples']:,}",
            value=_cell(row),
            real=_beside(row, beside) if beside else "",
            better=BETTER.get(definition.better, definition.better).format(row["expected"]),
            worse=beside is not None and _worse(row, beside, definition.better),
        )


def _by_score(scores: pd.DataFrame) -> dict[tuple[str, str], Mapping[Any, Any]]:
    return {(row["score"], row["space"]): row for row in overall(scores).to_dict("records")}


def _worse(row: Mapping[Any, Any], real: Mapping[Any, Any], better: str) -> bool:
    """Whether the whole interval is on the worse side of the real images'; comparisons with NaN are false."""
    if row["score"] in BIASED and row["samples"] != real["samples"]:
        return False
    return (better == "higher" and row["high"] < real["low"]) or (better == "lower" and row["low"] > real["high"])


def _beside(row: Mapping[Any, Any], real: Mapping[Any, Any]) -> str:
    """The score of the real images, with their number if it is another one."""
    return _cell(real) + ("" if row["samples"] == real["samples"] else f", N = {real['samples']:,}")


def _least_read(scores: pd.DataFrame) -> dict[str, str] | None:
    """The class whose label the judge sees least often in samples that should show it."""
    read = scores[(scores["score"] == "label_accuracy") & (scores["space"] == "judge")]
    read = read[read["of_class"].notna() & read["value"].notna()]
    if read.empty:
        return None
    row = min(read.to_dict("records"), key=lambda row: float(row["value"]))
    return {"name": str(row["of_class"]), "value": _cell(row), "expected": _number(row["expected"])}


def _cell(row: Mapping[Any, Any]) -> str:
    return "not measured" if pd.isna(row["value"]) else f"{_number(row['value'])}{_interval(row)}"


def _interval(row: Mapping[Any, Any], before: str = " ") -> str:
    return "" if pd.isna(row["low"]) else f"{before}[{_number(row['low'])}, {_number(row['high'])}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _image_shape(generator: StackedGenerator | InfoGAN) -> tuple[int, ...]:
    return (
        generator.spec.levels[-1].target_shape
        if isinstance(generator, StackedGenerator)
        else generator.spec.image_shape
    )


def _provenances(generator: StackedGenerator | InfoGAN) -> list[Provenance]:
    specs = generator.spec.levels if isinstance(generator, StackedGenerator) else (generator.spec,)
    return [spec.provenance for spec in specs if spec.provenance]


def _codes(gan: InfoGAN) -> dict[str, str]:
    return {name: _describe(part) for name, part in gan.codes.parts.items()}


def _describe(part: Part) -> str:
    """The values that a code can have."""
    match part:
        case CategoricalCode():
            return f"a category from 0 to {part.classes - 1}"
        case ContinuousCode():
            return f"a number, uniform from {part.low:g} to {part.high:g} in training"
    return "noise"


def _draw(latent: Latent | None, generator: StackedGenerator | InfoGAN) -> str:
    """An expression of Python that makes `count` values of an input of the program."""
    if latent is None:
        assert isinstance(generator, StackedGenerator)  # noqa: S101  # an InfoGAN takes no labels
        return f"torch.arange(count) % {len(generator.spec.classes)}"
    drawn = [_draw_part(part) for part in latent.parts.values()]
    return drawn[0] if len(drawn) == 1 else "\n".join(["torch.cat([", *(f"    {each}," for each in drawn), "], dim=1)"])


def _draw_part(part: Part) -> str:
    match part:
        case CategoricalCode():
            return f"torch.nn.functional.one_hot(torch.arange(count) % {part.classes}, {part.classes}).float()"
        case ContinuousCode():
            return _uniform(part.low, part.high, 1)
        case UniformPrior():
            return _uniform(part.low, part.high, part.size)
        case _:
            return f"torch.randn(count, {part.size}, generator=rng)"


def _uniform(low: float, high: float, size: int) -> str:
    scale = "" if (low, high) == (0, 1) else f"{low:g} + {high - low:g} * "
    return f"{scale}torch.rand(count, {size}, generator=rng)"
