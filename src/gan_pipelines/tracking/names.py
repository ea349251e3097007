"""MLflow's vocabulary: every name under which something is recorded, and how it is read back."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from gan_pipelines.metrics.definitions import SCORES

# Tags that MLflow itself knows: it shows them in columns of their own, or above the run.
PARENT = "mlflow.parentRunId"
RUN_NAME = "mlflow.runName"
NOTE = "mlflow.note.content"
"""The description at the top of a run's page, in Markdown: what it was and found, or why it failed or was killed."""
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
"""The command line."""
SOURCE_TYPE = "mlflow.source.type"
COMMIT = "mlflow.source.git.commit"
"""Shown in the column Version."""
CHANGED = "mlflow.source.git.dirty"
"""`true` if files had changed since that commit."""
DATA_CONTEXT = "mlflow.data.context"
"""A tag of a run's dataset: what the run used it for."""

MODEL_VERSIONS = "mlflow.modelVersions"
"""Of a logged model: the registered versions that its page links to."""

# Tags of this project.
EXPERIMENT = "experiment"
PIPELINE = "pipeline"
VERSION = "version"
"""The version that Kedro gave to everything the run saved."""
PACKAGE_VERSION = "package_version"
HOST = "host"
PROCESS = "process"
CODE = "code"
"""Digest of the code that decides a training's result."""
DATA_SOURCE = "data_source"
DATA_DIGEST = "data_sha256"
REFERENCE_DIGEST = "reference_sha256"
"""Digest of the test images that samples are scored against."""
STAGE = "stage"
RESUMED_AT = "resumed_at_step"
RESUMED_FROM = "resumed_from_version"
SWEEP = "sweep"
"""The experiment whose sweep a run belongs to."""
TRIAL = "trial"
"""Its number within the sweep; `shared` for what runs once, before all trials."""
_VERDICT = "verdict."
_SEED = "seed="

# Besides those of data, tags of registered models.
MODEL_ID = "model_id"
"""The logged model of a version, which a sqlite store does not keep."""
JUDGES = "judges"
"""The first letters of the digests of both judges, as tables of scores have them."""
VERDICT = "verdict"
DECISION = "decision"
"""Which alias a version got when it was registered, and why."""

INHERITED = (EXPERIMENT, DATA_SOURCE, DATA_DIGEST, USER, SOURCE_NAME, SOURCE_TYPE, COMMIT)
"""Tags that child runs copy from their parent, so that a search for stages can use them."""
DECIDING = (COMMIT, CODE)
"""Tags that, together with the parameters, decide a run's result."""
YARDSTICK = (DATA_DIGEST, REFERENCE_DIGEST)
"""Tags that runs must share for their scores to compare; on a judge's scores also `judge_tag`."""

# Parameters, artifacts and metrics of trainings.
SEED = "run.seed"
"""The seed of the models behind a run, apart from the judges."""
STAGE_SEED = "seed."
"""How the parameters begin that hold the seed of each stage."""
SPLIT = "evaluation.split"
"""Against which real images a run was scored; `test` where it is not recorded."""
PARAMETERS_FILE = "parameters.json"
PROVENANCE_FILE = "provenance.json"
"""What decides a training's result. MLflow writes all parameters of a run above each of its pictures, so these are not
among them."""
INFLUENCES = "influences"
"""The folder, among a run's artifacts, of how far each group of test images moves the scores of a generator."""
FIGURES = "figures"
"""The folder of pictures and figures among a run's artifacts."""
SAMPLES = "samples"
"""The series of sample grids that a training logs."""
SPEED = "images_per_second"

PARTS = ("value", "low", "high", "expected", "spread")
"""What is recorded of a score: its value, the ends of its interval, what the law of the real images would score, and,
of a mean over seeds, its standard deviation."""

_VALUE = "{generator}/{score}.{space}.{samples}"
_UNCERTAINTY = "uncertainty/{generator}/{score}.{space}.{samples}.{part}"
_BEFORE = "{generator}/interval/{score}.{space}.{samples}.{part}"
"""What earlier versions wrote instead."""
_FIELDS = {
    "generator": r"[^/]+",
    "score": "|".join(SCORES),
    "space": r"[^./]+",
    "samples": r"\d+",
    "part": "|".join(PARTS[1:]),
}


class ScoreMetric(NamedTuple):
    """What the name of a score's metric says.

    Attributes:
        generator: whose samples were scored.
        score: its name in `SCORES`.
        space: the network or representation that the score was measured in.
        samples: how many.
        part: one of `PARTS`.
    """

    generator: str
    score: str
    space: str
    samples: int
    part: str = "value"


def metric_name(generator: str, score: str, space: str, samples: int, part: str = "value") -> str:
    """Name a score's metric; MLflow shows what precedes the last slash as a section of charts, sorted by name.

    Values are named `<generator>/<score>.<space>.<samples>`; the ends of their intervals and their spread, which come
    after all values, `uncertainty/<generator>/<score>.<space>.<samples>.<part>`.
    """
    template = _VALUE if part == "value" else _UNCERTAINTY
    return template.format(generator=generator, score=score, space=space, samples=samples, part=part)


def parse_metric_name(name: str) -> ScoreMetric | None:
    """Read back what `metric_name` wrote; None for the name of any other metric."""
    for pattern in _PATTERNS:
        if found := pattern.fullmatch(name):
            part = found["part"] if "part" in pattern.groupindex else "value"
            return ScoreMetric(found["generator"], found["score"], found["space"], int(found["samples"]), part)
    return None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", lambda field: f"(?P<{field[1]}>{_FIELDS[field[1]]})", re.escape(template)))


_PATTERNS = [_pattern(template) for template in (_VALUE, _UNCERTAINTY, _BEFORE)]


def run_name(ran: str, seed: str, others: Iterable[str] = ()) -> str:
    """Name a run by what sets it apart from others, such as `sgan seed=1 joint.upstream_weight=1.0`.

    Args:
        ran: the pipeline, or the part of it that ran.
        seed: of the models.
        others: `<parameter>=<value>` of each one that was given on the command line.
    """
    return " ".join([ran, f"{_SEED}{seed}", *others])


def training_name(stage: str, seed: int, parent: str) -> str:
    """Name a training that its parent run, of this name, is part of, such as `joint seed=1 joint.upstream_weight=1.0`.

    Args:
        stage: with the namespaces around it, such as `adv.seed_0.pixels`.
        seed: of the training, which for a judge is not that of the run.
        parent: the name of the parent run.
    """
    others = parent.partition(f" {_SEED}")[2].split(" ")[1:]
    return run_name(stage, str(seed), others)


def parse_training_name(name: str) -> str:
    """The stage that `training_name` named; names of trainings that have not begun are stages."""
    return name.partition(f" {_SEED}")[0]


def judge_tag(judge: str) -> str:
    """Name the tag that holds the digest of a judge, such as `judge_sha256`."""
    return f"{judge}_sha256"


def verdict_tag(generator: str) -> str:
    """Name the tag that holds a generator's verdict, such as `collapsed`."""
    return f"{_VERDICT}{generator}"


def is_setting(tag: str) -> bool:
    """Whether two runs can share this tag's value; names, times, results and processes are each run's own."""
    return tag in (COMMIT, CHANGED) or not tag.startswith(("mlflow.", _VERDICT, PROCESS, VERSION))
