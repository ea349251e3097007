"""Opens the pages of MLflow (`ui`) and kedro-viz (`viz`), or serves the experiment's champion with one (`serve`).

All of them on this machine alone: `python -m gan_pipelines.pages ui`.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from kedro.config import MissingConfigException
from kedro.utils import find_kedro_project
from pydantic import ValidationError

from gan_pipelines.configuration import LOADER_ARGUMENTS, ExperimentLoader
from gan_pipelines.parameters import ExperimentError
from gan_pipelines.parameters.base import explain
from gan_pipelines.tracking.registry import CHAMPION, find_champion, registered_name
from gan_pipelines.tracking.store import (
    PAGE_PORT,
    SERVE_PORT,
    Settings,
    describe_error,
    find_store,
    mask,
    open_client,
    server_address,
    store_errors,
)

HOST = "127.0.0.1"
PORTS = {"ui": PAGE_PORT, "viz": 4141, "serve": SERVE_PORT}
"""Where each opens unless told otherwise."""
FIRST_PORT, LAST_PORT = 1024, 49151
"""Lower ports need privileges; kedro-viz refuses higher ones."""

ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "KEDRO_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its jobs are for language models, and each starts processes
}
ENVIRONMENT_DEFAULTS = {"PYTHONWARNINGS": "ignore"}  # both servers warn about their own dependencies at each start

TRACKING = "MLFLOW_TRACKING_URI"
STORE = "MLFLOW_BACKEND_STORE_URI"
"""Environment variable: the store of MLflow's pages. All users of a machine see the arguments of a command."""

SERVER = Path(__file__).with_name("server.py")
"""Started by its path: what imports this package would serve with it, and not with the copy that a model brings."""

MODEL_TRAINING = "workflowType=machine_learning"
"""MLflow opens on its pages for language models without it."""
BOXES_ONLY = "types=nodes"
"""kedro-viz draws a namespace as one box; this hides the datasets between the boxes until the reader asks for them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the address that opens well, and become the server of it.

    Raises:
        SystemExit: the port is taken, or there is nothing to show; the message says what to do.
    """
    options = _parse(arguments)
    port = options.port or PORTS[options.page]
    environment = {**ENVIRONMENT_DEFAULTS, **os.environ, **ENVIRONMENT}
    try:
        require_free(options.page, port)
        uri = store_address(options.conf_source) if options.page != "viz" else ""
        if options.page == "serve":
            name = require_champion(uri)
            address, command = f"http://{HOST}:{port}", serve_command(port, name)
            environment[TRACKING] = uri
        elif options.page == "ui":
            if server := server_address(uri):
                print(f"Runs are recorded on a server of its own: {server}/#/experiments?{MODEL_TRAINING}")
                return
            address, command = runs_address(port, uri), ui_command(port)
            environment[STORE] = uri
        else:
            address, command = f"http://{HOST}:{port}/?{BOXES_ONLY}", viz_command(port)
    except ExperimentError as error:
        sys.exit(f"Error: {error}")
    except store_errors() as error:
        sys.exit(f"Error: the record of runs at {mask(uri)} cannot be read: {describe_error(error)}")
    requests = f", or send requests to {address}/invocations" if options.page == "serve" else ""
    print(f"Starting, which takes some 10 to 30 s; then open {address}{requests}", flush=True)
    os.execve(command[0], command, environment)  # noqa: S606 - a list of arguments, and no shell


def require_free(page: str, port: int) -> None:
    """Refuse a port that another program uses, and offer the next free one.

    Raises:
        ExperimentError: the port is taken.
    """
    if not _is_free(port):
        other = next(x for x in chain(range(port + 1, LAST_PORT + 1), range(FIRST_PORT, port)) if _is_free(x))
        env = f" ENV={name}" if (name := os.environ.get("KEDRO_ENV")) else ""
        raise ExperimentError(f"port {port} is taken; this one is free: make {page}{env} PORT={other} (--port {other})")


def store_address(conf_source: str | None) -> str:
    """The absolute address of MLflow's store: MLFLOW_TRACKING_URI, or else the one in the configuration's mlflow.yml.

    Args:
        conf_source: folder or archive of the configuration; `conf/` of the project by default.

    Raises:
        ExperimentError: there is no such configuration, or it is not valid.
    """
    project = _find_project() or Path.cwd()
    source = conf_source or str(project / "conf")
    if not Path(source).exists():
        raise ExperimentError(f"there is no configuration at {source}. Name its folder or archive: --conf-source=...")
    try:
        raw = ExperimentLoader(source, os.environ.get("KEDRO_ENV"), **LOADER_ARGUMENTS)["mlflow"]
        settings = Settings.model_validate(raw)
    except MissingConfigException as error:
        raise ExperimentError(str(error)) from None
    except ValidationError as error:
        raise ExperimentError(explain(error, raw, "mlflow")) from None
    return find_store(settings, project)


def runs_address(port: int, uri: str) -> str:
    """Where MLflow's page shows the runs of the experiment that ran last, or all experiments if none ran yet."""
    client = open_client(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, order_by=["attributes.start_time DESC"], max_results=1)
    place = f"experiments/{runs[0].info.experiment_id}/runs" if runs else "experiments"
    return f"http://{HOST}:{port}/#/{place}?{MODEL_TRAINING}"


def ui_command(port: int) -> list[str]:
    """The command that serves MLflow's pages from the store that `STORE` names, to this machine alone."""
    place = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "ui", *place]


def require_champion(uri: str) -> str:
    """The registered name of the experiment, if one of its versions is champion.

    Raises:
        ExperimentError: none is.
    """
    experiment = os.environ.get("KEDRO_ENV") or "base"
    name = registered_name(experiment)
    if find_champion(open_client(uri), name) is None:
        env = "" if experiment == "base" else f" --env={experiment}"
        raise ExperimentError(
            f"{name} has no version with the alias {CHAMPION} at {mask(uri)}. Train and score a model, then register "
            f"it: kedro run --pipelines=register{env}"
        )
    return name


def serve_command(port: int, name: str) -> list[str]:
    """The command that serves the champion among a name's versions, to this machine alone."""
    return [sys.executable, "-P", str(SERVER), "--model", f"models:/{name}@{CHAMPION}", "--port", str(port)]


def viz_command(port: int) -> list[str]:
    """The command that serves the graph of the pipelines, to this machine alone.

    Raises:
        ExperimentError: the current folder is outside a project; kedro-viz shows nothing else.
    """
    if not _find_project():
        raise ExperimentError(f"kedro-viz needs a project's folder, with its pyproject.toml; {Path.cwd()} is not one.")
    place = ["--host", HOST, "--port", str(port)]
    return [sys.executable, "-m", "kedro", "viz", "run", "--include-hooks", *place, "--no-browser"]


def _find_project() -> Path | None:
    """The Kedro project around the current folder; an installed package may have none."""
    project: Path | None = find_kedro_project(Path.cwd())
    return project


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just stopped is no obstacle
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gan_pipelines.pages", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "page",
        choices=sorted(PORTS),
        help="ui: the runs, in MLflow; viz: the graph, in kedro-viz; serve: the champion, over HTTP",
    )
    parser.add_argument(
        "--port", type=_port, help=f"on {HOST}; 5000 for ui, 4141 for viz and 5001 for serve by default"
    )
    parser.add_argument("--conf-source", help="folder or archive of the configuration; conf/ by default")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or not FIRST_PORT <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be a number from {FIRST_PORT} to {LAST_PORT}; found {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
