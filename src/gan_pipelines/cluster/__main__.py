"""A scheduler and two workers of one thread each on this machine, until Ctrl-C: `python -m gan_pipelines.cluster`."""

import argparse
import logging
import signal
import sys
import threading
from contextlib import suppress

from gan_pipelines.cluster.checks import require_dask
from gan_pipelines.parameters import ExperimentError

HOST, PORT, WORKERS = "127.0.0.1", 8786, 2


def main() -> None:
    """Start them, say how to use them, and wait.

    Raises:
        SystemExit: Dask is not installed, or the port is taken.
    """
    parser = argparse.ArgumentParser(prog="python -m gan_pipelines.cluster", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=PORT, help=f"of the scheduler, on {HOST}; {PORT} by default")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        require_dask()
        with suppress(KeyboardInterrupt):
            serve(port)
    except (ExperimentError, OSError, RuntimeError) as error:  # of these the last if the port is taken
        sys.exit(f"Error: {error}")


def serve(port: int) -> None:
    """Start a scheduler and workers, and wait for the end of the process."""
    import dask
    from distributed import LocalCluster

    # Dask would give up a worker that is not back after 15 s, and imports can take longer
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1 day"})
    place = {"host": HOST, "scheduler_port": port, "dashboard_address": None, "silence_logs": logging.ERROR}
    workers = {"n_workers": WORKERS, "threads_per_worker": 1, "memory_limit": 0, "preload": "gan_pipelines.cluster"}
    with LocalCluster(**place, **workers) as cluster:
        address = f"--runner-params=address={cluster.scheduler_address}"
        print(f"{WORKERS} workers are ready, until Ctrl-C; on another terminal, with any other options:")
        print(f"kedro run --runner=gan_pipelines.cluster.DaskRunner {address}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
