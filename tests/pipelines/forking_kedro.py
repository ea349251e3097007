"""A process that has imported everything a run needs, and forks a `kedro` command for each request.

The imports take longer than a whole run of the smoke experiment. Each command is a process of its own, in a process
group of its own, which goes through Kedro's command line from its start to the interpreter's exit.

Each line of standard input is a request in JSON, each line of standard output its answer:

    {"arguments": [...], "folder": ..., "log": ..., "environment": {...}, "file_size": ...,
     "plain_user": ...}  ->  its process id
    {"ended": <process id>}  ->  its exit code, minus the signal that killed it, or null while it runs
"""

import importlib
import json
import os
import resource
import signal
import sys
from typing import Any

from kedro.framework.cli import main
from rights import use_capabilities  # beside this script

USED_BY_RUNS = (
    "gan_pipelines.hooks.checks",
    "gan_pipelines.hooks.recording",
    "gan_pipelines.hooks.showing",
    "gan_pipelines.pipeline_registry",
    "kedro_datasets.json",
    "kedro_datasets.pandas",
    "kedro_datasets.plotly",
    "kedro_viz.integrations.kedro.hooks",
    "mlflow.store.tracking.sqlalchemy_store",
    "scipy.optimize",
    "scipy.stats",
    "sqlalchemy.dialects.sqlite",
    "torch_fidelity",
)


def become(request: dict[str, Any]) -> None:
    """Turn this process into the requested one."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["file_size"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
    if request["plain_user"] and os.geteuid() == 0:
        use_capabilities(False)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    sys.argv = ["kedro", *request["arguments"]]
    with open(os.devnull, "rb") as nothing, open(request["log"], "wb") as log:
        for ours, standard in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(ours.fileno(), standard)


def exit_code(process: int) -> int | None:
    found, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def is_forked() -> bool:
    """Answer requests until there are no more; true in a requested process."""
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            print(json.dumps(exit_code(request["ended"])), flush=True)
            continue
        process = os.fork()
        if not process:
            become(request)
            return True
        print(process, flush=True)
    return False


if __name__ == "__main__":
    for module in USED_BY_RUNS:
        importlib.import_module(module)
    if is_forked():
        main()
