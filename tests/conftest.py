"""Small shared material: synthetic images, tiny networks, an observer that remembers."""

import os
import pickle
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, settings
from kedro.io import DataCatalog
from kedro.io.core import generate_timestamp
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from omegaconf import OmegaConf
from PIL import Image

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.data.images import LabelledImages
from gan_pipelines.models import Encoder, EncoderSpec, InfoGANSpec, LevelGAN, LevelSpec
from gan_pipelines.models.provenance import Provenance
from gan_pipelines.parameters import Experiment, InfoGANParameters, LevelParameters
from gan_pipelines.tracking.names import COMMIT
from gan_pipelines.tracking.store import open_client
from gan_pipelines.training.interruption import STOPPING, stop_on_signals
from gan_pipelines.training.observer import Resumed
from gan_pipelines.training.stage import Stage

_CASES = settings(
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# tests/fuzzing shares these cases out among its kinds of input
settings.register_profile("quick", _CASES, max_examples=100, derandomize=True)
settings.register_profile("nightly", _CASES, max_examples=2200, derandomize=False)
settings.load_profile("quick")

torch.set_num_threads(1)  # on any machine, since sums in another order train to other weights; workers fill the cores
os.environ["OMP_NUM_THREADS"] = "1"  # likewise in processes that tests start

CONF = Path(__file__).parents[1] / "conf"
CLASSES = ("top left", "top right", "bottom left", "bottom right")
BATCH_NORM = {"layer": "batch_norm"}
HEAD = [{"layer": "linear", "features": "target"}]
FULLY_CONNECTED = [{"layer": "linear", "features": 16}, {"layer": "leaky_relu"}]
GENERATORS = {
    "fc": ([], [{"layer": "linear", "features": 16}], [{"layer": "linear", "features": "target"}, {"layer": "relu"}]),
    "block1": (
        FULLY_CONNECTED,
        [{"layer": "project", "channels": 6}],
        [{"layer": "conv", "channels": "target", "kernel": 3, "padding": 1}],
    ),
    "pixels": (
        FULLY_CONNECTED,
        [{"layer": "project", "channels": 6, "downscale": 2}],
        [
            {"layer": "conv_transpose", "channels": "target", "kernel": 4, "stride": 2, "padding": 1},
            {"layer": "sigmoid"},
        ],
    ),
}
"""For each target: the condition branch, and the trunk before and after the place of a batch norm."""

CODES = {
    "category": {"distribution": "categorical", "classes": 4},
    "style": {"distribution": "uniform", "count": 2},
    "width": {"distribution": "uniform", "low": 0, "high": 2, "variance": "fixed", "traversal": [-1, 3]},
}
"""7 entries, of which Q reads 4 + 2 x 2 + 1 values, after 3 of noise."""


PROVENANCE = Provenance(
    stage="pixels",
    parameters={"training": {"steps": 12, "learning_rate": 0.001}},
    inputs={"images": "abc", "encoder": "def"},
    seed=1,
    code="0.1.0+abc",
    torch="2.0",
    device="cpu (AVX2)",
    threads=2,
    workers=1,
    precision="float32",
    compile="off",
    deterministic=False,
)
"""The provenance of an invented training."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests begin, so that no worker waits for one in the end.

    Slow tests and Kedro sessions do not count for coverage, but for what their fixtures run: measuring it makes Python
    three to four times slower, most of all Kedro's, MLflow's and Plotly's.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    for item in items:
        if item.get_closest_marker("slow") or "new_checkout" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.no_cover)


class Recorder:
    """An observer that records everything, and calls back at each report."""

    def __init__(self, at_report: Callable[[], None] = lambda: None) -> None:
        self.at_report = at_report
        self.started: list[tuple[int, int]] = []
        self.resumed: list[Resumed | None] = []
        self.reports: list[tuple[int, dict[str, float]]] = []
        self.shown: list[tuple[int, torch.Tensor]] = []

    def start(self, steps: int, batch_size: int, *context: Any) -> None:
        self.started.append((steps, batch_size))
        self.resumed.append(context[1] if len(context) > 1 else None)

    def report(self, step: int, metrics: dict[str, float]) -> None:
        self.reports.append((step, dict(metrics)))
        self.at_report()

    def show(self, step: int, pictures: torch.Tensor) -> None:
        self.shown.append((step, pictures))


@pytest.fixture(autouse=True)
def global_seed() -> Iterator[None]:
    """Initialisation draws from torch's global state; every test starts from the same one and leaves no trace."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(autouse=True, scope="session")
def parsed_once() -> Iterator[None]:
    """Sessions read the same YAML over and over, which takes longer than the rest of what begins them.

    Each gets a copy of its own, since Kedro merges in place; pickle copies thirty times as fast as the parser reads.
    """
    load = OmegaConf.load
    parsed = cache(lambda text: pickle.dumps(load(StringIO(text))))

    def read(file: Any) -> Any:
        return pickle.loads(parsed(file.read())) if isinstance(file, StringIO) else load(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", read)
        yield


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def stage() -> Callable[..., Stage]:
    """A stage on the CPU with its own stream of draws."""

    def build(seed: int = 3, name: str = "stage") -> Stage:
        return Stage(name, torch.device("cpu"), torch.Generator().manual_seed(seed))

    return build


@pytest.fixture
def images() -> LabelledImages:
    """64 grey 8 x 8 images; the class says which quarter is bright."""
    rng = torch.Generator().manual_seed(2)
    labels = torch.arange(64) % 4
    pixels = torch.randint(0, 80, (64, 1, 8, 8), generator=rng)
    for picture, label in zip(pixels, labels.tolist(), strict=True):
        down, right = 4 * (label // 2), 4 * (label % 2)
        picture[0, down : down + 4, right : right + 4] += 150
    return LabelledImages(pixels.to(torch.uint8), labels, CLASSES)


@pytest.fixture
def encoder_spec() -> EncoderSpec:
    """pixels (1, 8, 8) -> block1 (4, 4, 4), with a batch norm -> fc (12,) -> labels (4,)."""
    return EncoderSpec.model_validate(
        {
            "blocks": {
                "block1": [
                    {"layer": "conv", "channels": 4, "kernel": 3, "padding": 1},
                    BATCH_NORM,
                    {"layer": "relu"},
                    {"layer": "max_pool", "size": 2},
                ],
                "fc": [{"layer": "linear", "features": 12}, {"layer": "relu"}],
                "labels": HEAD,
            },
            "initialisation": {"name": "pytorch"},
            "image_shape": (1, 8, 8),
            "classes": CLASSES,
            "data_digest": "synthetic",
        }
    )


@pytest.fixture
def encoder(encoder_spec: EncoderSpec) -> Encoder:
    return Encoder(encoder_spec).freeze()


@pytest.fixture
def level_spec(encoder: Encoder) -> Callable[..., LevelSpec]:
    """A small level: its target, its condition, whether G has a batch norm, and fields of its YAML to replace."""

    def build(target: str, condition: str = "labels", batch_norm: bool = True, **replaced: object) -> LevelSpec:
        branch, before, after = GENERATORS[target]
        parameters = {
            "condition": condition,
            "noise": {"distribution": "uniform", "size": 3},
            "generator": {
                "condition": branch if condition != "none" else [],
                "trunk": [*before, *([BATCH_NORM] if batch_norm else []), {"layer": "leaky_relu"}, *after],
            },
            "discriminator": {"trunk": FULLY_CONNECTED, "adversarial": HEAD, "noise": HEAD},
            "training": {"steps": 1, "batch_size": 16, "learning_rate": 1e-3},
            **replaced,
        }
        return LevelSpec(
            target=target,
            target_shape=encoder.shapes[target],
            condition_shape={**encoder.shapes, "none": (0,)}[condition],
            classes=len(CLASSES),
            parameters=LevelParameters.model_validate(parameters),
            data_digest="synthetic",
        )

    return build


@pytest.fixture
def levels(level_spec: Callable[..., LevelSpec]) -> Callable[..., list[LevelGAN]]:
    """A chain of 1, 2 or 3 levels from the top, the labels or nothing, down to the pixels."""

    def build(count: int, batch_norm: bool = True, top: str = "labels", **replaced: object) -> list[LevelGAN]:
        targets = ["fc", "block1", "pixels"] if count == 3 else ["fc", "pixels"][-count:]
        conditions = [top, *targets[:-1]]
        return [
            LevelGAN(level_spec(target, condition, batch_norm, **replaced))
            for target, condition in zip(targets, conditions, strict=True)
        ]

    return build


@pytest.fixture
def infogan_spec() -> Callable[..., InfoGANSpec]:
    """A small InfoGAN: the shape of its pictures, whether it has batch norms, and fields of its YAML to replace."""

    def build(
        image_shape: tuple[int, int, int] = (1, 8, 8), batch_norm: bool = True, **replaced: object
    ) -> InfoGANSpec:
        norm = [BATCH_NORM] if batch_norm else []
        parameters = {
            "noise": {"distribution": "gaussian", "size": 3},
            "codes": CODES,
            "generator": [{"layer": "project", "channels": 6, "downscale": 2}, *norm, *GENERATORS["pixels"][2]],
            "discriminator": {
                "trunk": [{"layer": "linear", "features": 16}, *norm, {"layer": "leaky_relu"}],
                "adversarial": HEAD,
                "codes": [{"layer": "linear", "features": 10}, *norm, {"layer": "leaky_relu"}, *HEAD],
            },
            "training": {"steps": 1, "batch_size": 16, "learning_rate": 1e-3},
            **replaced,
        }
        return InfoGANSpec(
            parameters=InfoGANParameters.model_validate(parameters), image_shape=image_shape, data_digest="synthetic"
        )

    return build


@pytest.fixture(scope="session")
def catalog_entries() -> dict[str, Any]:
    """The datasets of the smoke experiment, as they stand in the YAML."""
    return ExperimentLoader(str(CONF), "smoke", **LOADER_ARGUMENTS)["catalog"]


@pytest.fixture
def catalog(catalog_entries: dict[str, Any], tmp_path: Path) -> DataCatalog:
    """The datasets of the smoke experiment, with their files in a folder of the test."""
    moved = {name: {**entry, "filepath": str(tmp_path / entry["filepath"])} for name, entry in catalog_entries.items()}
    return DataCatalog.from_config(moved, save_version=generate_timestamp())


@pytest.fixture(params=["from memory", "from a file"])
def kept(request: pytest.FixtureRequest, catalog: DataCatalog) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A table as it is, or after writing and reading it as the catalog says."""
    numbers = count()

    def keep(table: pd.DataFrame) -> pd.DataFrame:
        if request.param == "from memory":
            return table
        dataset = catalog[f"table_{next(numbers)}_scores"]
        dataset.save(table)
        return dataset.load()

    return keep


@pytest.fixture(scope="session")
def smoke_experiment() -> Experiment:
    """The parameters of conf/smoke over those of conf/base."""
    return Experiment.read(ExperimentLoader(str(CONF), "smoke", **LOADER_ARGUMENTS)["parameters"])


def blocks_of(networks: Mapping[str, object]) -> list[dict[str, object]]:
    """Blocks of a classifier as they stand in the YAML, from their layers by name."""
    return [{"name": name, "layers": layers} for name, layers in networks.items()]


@dataclass(frozen=True)
class Record:
    """A real MLflow store in a project's folder, filled by hand, with runs such as `kedro run` records them."""

    project: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.project / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return open_client(self.uri)

    def add(
        self,
        name: str,
        scores: dict[str, float | tuple[float, float, float]],
        experiment: str = "base",
        seed: int = 0,
        parameters: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
        curves: dict[str, dict[str, list[float]]] | None = None,
        pictures: Sequence[str] = (),
        status: str = "FINISHED",
    ) -> str:
        """Record a run and return its id.

        Args:
            scores: by name; a value, or value, low and high.
            curves: values at steps 10, 20, ..., by stage and term.
            pictures: names of small PNG files below `figures`.
        """
        client = self.client
        known = client.get_experiment_by_name(experiment)
        files = (self.project / "mlartifacts" / experiment).as_uri()
        where = known.experiment_id if known else client.create_experiment(experiment, files)
        origin = {COMMIT: "c0ffee" * 6, "data_source": "mnist_5k", "data_sha256": "da7a" * 16, "pipeline": "sgan"}
        origin |= {"judge_sha256": "10d9e" * 12, "reference_sha256": "7e57" * 16}
        run = client.create_run(where, tags={**origin, **(tags or {})}, run_name=name).info.run_id
        values = {"judge.test_accuracy": 0.9, "category.information_nats": 2.0, "joint_stack/unknown.judge.10": 1.0}
        for score, value in scores.items():
            beside = f"uncertainty/{score}"
            names = (score, f"{beside}.low", f"{beside}.high")
            values |= dict(zip(names, value, strict=True)) if isinstance(value, tuple) else {score: value}
        settings = {"run.seed": str(seed), "sgan.joint.upstream_weight": "0.01", **(parameters or {})}
        client.log_batch(
            run,
            [Metric(key, value, 0, 0) for key, value in values.items()],
            [Param(*pair) for pair in settings.items()],
        )
        client.log_dict(run, {}, "parameters.json")
        for picture in pictures:
            client.log_image(run, Image.new("L", (8, 8), 255), f"figures/{picture}.png")
        for stage, terms in (curves or {}).items():
            child = client.create_run(where, tags={"mlflow.parentRunId": run}, run_name=stage).info.run_id
            steps = {**terms, "images_per_second": [1.0]}
            points = [Metric(term, x, 0, 10 * (i + 1)) for term, row in steps.items() for i, x in enumerate(row)]
            client.log_batch(child, points)
            client.set_terminated(child)
        client.set_terminated(run, status)
        return run


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables without any run; making them takes seconds, so projects start from a copy."""
    store = tmp_path_factory.mktemp("empty store") / "mlflow.db"
    open_client(f"sqlite:///{store}")
    return store


@pytest.fixture(scope="session")
def record() -> Callable[[Path], Record]:
    """The record of a project, to be filled."""
    return Record


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals stop trainings as in a run; afterwards none is remembered, and the handlers are the old ones."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    stop_on_signals()
    yield
    stop_on_signals()  # forgets the signal
    for number, handler in before.items():
        signal.signal(number, handler)
