"""Runs on the workers of a Dask cluster: `kedro run --runner=gan_pipelines.cluster.DaskRunner`; the extra `cluster`.

`python -m gan_pipelines.cluster` starts a scheduler and two workers on this machine; `dask worker ... --preload
gan_pipelines.cluster` starts a worker elsewhere.
"""

from gan_pipelines.cluster.runner import DaskRunner
from gan_pipelines.cluster.worker import dask_setup

__all__ = ["DaskRunner", "dask_setup"]
