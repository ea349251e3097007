"""The names of classes, and their order."""

import re
from typing import Any

DIGITS = "0123456789"
UNLABELLED = "picture"
"""The class of pictures that have none."""


def natural_key(name: str) -> tuple[tuple[tuple[bool, Any], ...], str]:
    """Sorts names the way people count: 2 before 10.

    Args:
        name: of a class or a file.
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((part[0] not in DIGITS, int(part) if part[0] in DIGITS else part) for part in parts), name
