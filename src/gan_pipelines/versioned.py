"""Which folders are versions of a file: those that are named for a time, as Kedro names them."""

import re
from pathlib import PurePath

VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}\.[0-9]{2}\.[0-9]{2}\.[0-9]{3}Z", re.ASCII)


class TimedVersions:
    """Lets a versioned dataset take the latest time for the newest version, whatever else lies beside it.

    A copy such as `<version>.bak` sorts after the version itself. Folders of other names can still be asked for.
    """

    def _get_versions(self) -> list[str]:
        found: list[str] = super()._get_versions()  # type: ignore[misc]
        return [path for path in found if VERSION.fullmatch(PurePath(path).parent.name)]
