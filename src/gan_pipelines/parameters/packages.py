"""Packages that only some settings need, and that an installation may lack."""

from collections.abc import Sequence
from importlib.util import find_spec

from gan_pipelines.parameters.base import ExperimentError


def require_packages(field: str, packages: Sequence[str], install: str) -> None:
    """Check that packages are installed.

    Args:
        field: of the YAML or the command line that asks for them.
        packages: by the names under which they are imported.
        install: what `pip install` takes to install them.

    Raises:
        ExperimentError: one is missing; has the command that installs it.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ExperimentError(
            f"{field}: needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. Run "
            f"`pip install '{install}'`. Nothing was run."
        )
