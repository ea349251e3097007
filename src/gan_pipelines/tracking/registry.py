"""Generators as MLflow's logged models, and as registered versions with the aliases `champion` and `challenger`.

Unlike the record of a training, which may fail while the training goes on, all of this raises what goes wrong.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gan_pipelines.parameters import ExperimentError
from gan_pipelines.tracking import names
from gan_pipelines.tracking.runs import LOST, RUN_ID
from gan_pipelines.tracking.store import describe_error, mask, mlflow_exception, open_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

PACKAGE = Path(__file__).parents[1]
"""This package, which every logged model carries."""
CHAMPION = "champion"
SCORES_FILE, INFLUENCES_FILE = "scores.csv", "influences.csv"
"""Beside a logged model's own files: what it was chosen by."""


@dataclass(frozen=True)
class Servable:
    """A model file and what serves it.

    Attributes:
        name: of the logged model.
        file: the model file.
        loader: the module that loads it.
        requirements: packages that the loader needs.
        signature: what a request must be like.
        example: a request and its parameters.
        tables: by the name of their file, what is kept beside it.
    """

    name: str
    file: Path
    loader: str
    requirements: tuple[str, ...]
    signature: "ModelSignature"
    example: tuple[pd.DataFrame, dict[str, Any]]
    tables: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Page:
    """What the pages of a logged model and of its version show.

    Attributes:
        metrics: its scores.
        tags: facts.
        description: Markdown.
    """

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class Registry:
    """The registered versions of one experiment, as seen by the active run.

    Attributes:
        client: of the store.
        uri: the store's address.
        run: the active run, to which models are logged.
    """

    client: "MlflowClient"
    uri: str
    run: "Run"

    @classmethod
    def open(cls, uri: str) -> "Registry":
        """The registry at this address.

        Raises:
            ExperimentError: it cannot be reached, or nothing is recorded there.
        """
        if RUN_ID not in os.environ or LOST in os.environ:
            why = os.environ.get(LOST, "no run is recorded")
            raise ExperimentError(f"register: a model is registered in MLflow, and MLflow at {mask(uri)} fails: {why}")
        client = open_client(uri)
        return cls(client, uri, client.get_run(os.environ[RUN_ID]))

    @property
    def name(self) -> str:
        """Under which models of the experiment are registered."""
        return registered_name(self.run.data.tags[names.EXPERIMENT])

    def read_champion(self) -> tuple[str, pd.DataFrame, pd.DataFrame] | None:
        """Version, scores and influences of the present champion; None if there is none.

        Raises:
            ExperimentError: its scores cannot be read.
        """
        from mlflow.artifacts import download_artifacts

        champion = find_champion(self.client, self.name)
        if champion is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            try:
                paths = [
                    download_artifacts(f"{champion.source}/{file}", dst_path=folder, tracking_uri=self.uri)
                    for file in (SCORES_FILE, INFLUENCES_FILE)
                ]
                scores, influences = (_read_table(path) for path in paths)
            except (OSError, ValueError, mlflow_exception()) as error:
                raise ExperimentError(
                    f"register: the scores of the champion, version {champion.version} of {self.name}, cannot be read "
                    f"({describe_error(error)}), so nothing can be compared with it. Bring its files back, or take the "
                    f"alias {CHAMPION} from it in MLflow, so that the next model without a verdict gets it."
                ) from None
        return str(champion.version), scores, influences

    def add(self, servable: Servable, page: Page, alias: str) -> tuple[str, str]:
        """Log a model, register it as a version, and give the version its alias.

        Returns:
            The version, and the id of the logged model.
        """
        model = self._log(servable, page)
        try:
            self.client.create_registered_model(self.name)
        except mlflow_exception() as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(
            self.name,
            # not models:/<id>, for which MLflow would look in another store than this client's
            model.artifact_location,
            run_id=self.run.info.run_id,
            tags={**page.tags, names.MODEL_ID: model.model_id},
            description=page.description,
            model_id=model.model_id,
        )
        link = json.dumps([{"name": self.name, "version": version.version}])
        self.client.set_logged_model_tags(model.model_id, {names.MODEL_VERSIONS: link})
        self.client.set_registered_model_alias(self.name, alias, version.version)
        return str(version.version), model.model_id

    def _log(self, servable: Servable, page: Page) -> "LoggedModel":
        """MLflow's own `log_model` would copy all scores of the run, and needs a store for the whole process."""
        from mlflow.entities import LoggedModelOutput, Metric

        run = self.run.info.run_id
        model = self.client.create_logged_model(
            self.run.info.experiment_id,
            servable.name,
            run,
            tags={**page.tags, names.NOTE: page.description},
            params=self.run.data.params,
        )
        status = "FAILED"
        try:
            with tempfile.TemporaryDirectory() as folder:
                self.client.log_model_artifacts(model.model_id, str(_save(servable, model, run, Path(folder))))
            self.client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
            now = time.time_ns() // 10**6
            metrics = [Metric(key, value, now, 0, model_id=model.model_id) for key, value in page.metrics.items()]
            self.client.log_batch(run, metrics)
            status = "READY"
        finally:
            self.client.finalize_logged_model(model.model_id, status)
        return model


def _read_table(path: str) -> pd.DataFrame:
    """As it was written: a class may be named NA, and only an empty cell is missing."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def registered_name(experiment: str) -> str:
    """Under which the models of an experiment are registered."""
    return f"{PACKAGE.name}.{experiment}"


def find_champion(client: "MlflowClient", name: str) -> "ModelVersion | None":
    """The version with the alias `champion`; None if there is none."""
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except mlflow_exception() as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _save(servable: Servable, model: "LoggedModel", run: str, folder: Path) -> Path:
    """Write the folder that MLflow serves: the model file, the package, what it needs, an example, its tables."""
    import mlflow.pyfunc
    from mlflow.models import Model

    package, path = folder / "code" / PACKAGE.name, folder / "model"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    mlflow.pyfunc.save_model(
        str(path),
        loader_module=servable.loader,
        data_path=str(servable.file),
        code_paths=[str(package)],
        mlflow_model=Model(
            artifact_path=model.artifact_location, run_id=run, model_uuid=model.model_id, model_id=model.model_id
        ),
        signature=servable.signature,
        input_example=servable.example,
        pip_requirements=[f"{name}=={installed_version(name)}" for name in servable.requirements],
    )
    for name, table in servable.tables.items():
        table.to_csv(path / name, index=False)
    return path
