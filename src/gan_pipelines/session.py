"""A Kedro session with a version of its own, which refuses pipelines, nodes, datasets, namespaces that do not exist."""

import os
import re
import time
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from kedro.config import AbstractConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines, settings
from kedro.framework.session import KedroSession
from kedro.io.core import generate_timestamp
from kedro.pipeline import Pipeline
from kedro.utils import find_kedro_project

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import Experiment, ExperimentError

RENAMED: Mapping[str, str] = {
    "yardstick": "real_evaluation",
    "real_readings": "real_features",
    "independent_samples": "independent_stack_samples",
    "joint_samples": "joint_stack_samples",
    "independent_sample_grid": "independent_stack_sample_grid",
    "joint_sample_grid": "joint_stack_sample_grid",
    "joint_noise_variations": "joint_stack_noise_variations",
}
"""Pipelines and datasets of earlier versions."""
SHOWN_NAMES = 40
STRANGE = re.compile(r"[?*\[\]{}]|%[0-9a-fA-F]{2}")
"""What the path of a project must not have: to Kedro's globs and catalog or to SQLAlchemy it means something else."""
SLOTS = 50
"""Processes with different numbers, modulo this, never take the same millisecond as a version."""


class ExperimentSession(KedroSession):
    """Kedro's session; what it is asked to run is checked before anything else."""

    _selection: dict[str, Any] | None = None
    _loader: ExperimentLoader | None = None
    """Has read the parameters already; the first context takes it over."""

    _versions: ClassVar[set[str]] = set()
    """Those that this process has used."""

    def __init__(self, **kwargs: Any) -> None:
        version = next(version for version in iter(own_version, None) if version not in self._versions)
        self._versions.add(version)
        super().__init__(**{**kwargs, "session_id": version})

    @classmethod
    def create(
        cls,
        project_path: Path | str | None = None,
        save_on_close: bool = True,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        conf_source: str | None = None,
    ) -> Self:
        """Kedro's session, once the parameters are right: what its hooks import takes longer than reading them.

        Raises:
            ExperimentError: the project's path, the experiment or a parameter is wrong.
        """
        project = Path(project_path or find_kedro_project(Path.cwd()) or Path.cwd()).resolve()
        require_plain_path(project)
        conf, experiment = conf_source or str(project / settings.CONF_SOURCE), env or os.environ.get("KEDRO_ENV")
        loader = ExperimentLoader(conf, experiment, runtime_params=runtime_params, **LOADER_ARGUMENTS)
        Experiment.read(loader["parameters"])
        session = cast("Self", super().create(project, save_on_close, env, runtime_params, conf_source))
        session._loader = loader
        return session

    def _get_config_loader(self) -> AbstractConfigLoader:
        loader, self._loader = self._loader, None
        return super()._get_config_loader() if loader is None else loader

    def run(self, *args: Any, **selection: Any) -> dict[str, Any]:
        """Run a pipeline, or the part of it that is selected; arguments are Kedro's.

        Raises:
            ExperimentError: something selected does not exist.
        """
        self._selection = selection
        result: dict[str, Any] = super().run(*args, **selection)
        return result

    def load_context(self) -> KedroContext:
        """The context of this session, with which Kedro begins a run."""
        context = super().load_context()
        if self._selection is not None:
            check_selection(dict(pipelines), **self._selection)
        return context


def require_plain_path(project: Path) -> None:
    """Refuse a path with letters by which files would be looked for, or written, elsewhere.

    Args:
        project: the project's folder.

    Raises:
        ExperimentError: it has one.
    """
    if found := STRANGE.search(str(project)):
        raise ExperimentError(
            f"{project}: the project's path must have none of ? * [ ] {{ }} and no % before two hexadecimal digits; "
            f"found {found[0]}. Rename the folder. Nothing was run."
        )


def own_version() -> str:
    """The time in milliseconds, which Kedro makes a run's version, in a slot of this process.

    Two runs that begin in the same millisecond would otherwise write the same files.
    """
    while True:
        version: str = generate_timestamp()
        if int(version[-4:-1]) % SLOTS == os.getpid() % SLOTS:
            return version
        time.sleep(0.0005)


def check_selection(
    known: Mapping[str, Pipeline],
    pipeline_names: Iterable[str] | None = None,
    namespaces: Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
    load_versions: Mapping[str, str] | None = None,
    **selection: Any,
) -> None:
    """Refuse names that are not there, and say which are.

    Args:
        known: every pipeline by name.
        pipeline_names: what is run; `__default__` if there is none.
        namespaces: of nodes.
        tags: of nodes.
        load_versions: versions by dataset.
        selection: `node_names`, `from_nodes`, `to_nodes`, `from_inputs`, `to_outputs`; others are not looked at.
    """
    names = list(pipeline_names or ["__default__"])
    require_known("--pipelines", "a pipeline", names, known)
    chosen = sum((known[name] for name in names), Pipeline([]))
    where = f"of {'+'.join(names)}"
    spaces = {prefix for node in chosen.nodes for prefix in node.namespace_prefixes}
    require_known("--namespaces", f"a namespace {where}", namespaces, spaces)
    require_known("--tags", f"a tag {where}", tags, {tag for node in chosen.nodes for tag in node.tags})
    nodes = {node.name for node in chosen.nodes}
    for option, field in {"--nodes": "node_names", "--from-nodes": "from_nodes", "--to-nodes": "to_nodes"}.items():
        require_known(option, f"a node {where}", selection.get(field), nodes)
    datasets = chosen.datasets()
    for option, field in {"--from-inputs": "from_inputs", "--to-outputs": "to_outputs"}.items():
        require_known(option, f"a dataset {where}", selection.get(field), datasets)
    require_known("--load-versions", f"a dataset {where}", load_versions, datasets)
    fields = ("node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs")
    try:
        chosen.filter(tags, node_namespaces=namespaces, **{field: selection.get(field) for field in fields})
    except ValueError:
        raise ExperimentError(
            f"{where.removeprefix('of ')}: no node is left by all of these selections together."
        ) from None


def require_known(option: str, what: str, asked: Iterable[str] | None, known: Collection[str]) -> None:
    """Refuse names that are not there, and say which are.

    Args:
        option: of the command line, or a place in the YAML, that asks for them.
        what: they should be.
        asked: the names.
        known: those that are there.

    Raises:
        ExperimentError: one is not there.
    """
    for name in asked or ():
        if name in known:
            continue
        if RENAMED.get(name) in known:
            raise ExperimentError(f"{option}: {name!r} was renamed; write {RENAMED[name]}.")
        near = get_close_matches(name, known, n=5, cutoff=0.5) if len(known) > SHOWN_NAMES else []
        found = ", ".join(near or sorted(known)[:SHOWN_NAMES])
        more = " among others" if near or len(known) > SHOWN_NAMES else ""
        raise ExperimentError(f"{option}: {name!r} is not {what}; found {found or 'none'}{more}.")
