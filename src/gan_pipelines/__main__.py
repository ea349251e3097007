"""`python -m gan_pipelines` and `gan-pipelines`: `kedro run` for the installed package, without its source.

Configuration comes from `--conf-source`, a folder or the archive that `kedro package` makes, or else from `conf/` in
the current folder. Data, models and the record of the runs go below the current folder.
"""

import sys
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project

from gan_pipelines import progress
from gan_pipelines.project import show_expected_errors_plainly

PACKAGE = "gan_pipelines"


def main(*args: Any, **kwargs: Any) -> Any:
    """Run pipelines as the options say, by default those of the command line; `--help` lists them."""
    progress.announce()
    configure_project(PACKAGE)
    sys.excepthook = show_expected_errors_plainly  # Kedro's logging, where conf/ has none, brings a hook of its own
    kwargs.setdefault("standalone_mode", not hasattr(sys, "ps1"))  # in a notebook the results come back
    return find_run_command(PACKAGE)(*args, **kwargs)


if __name__ == "__main__":
    main()
