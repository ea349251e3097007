"""Freed memory is kept for the next step of a training.

glibc gives large blocks back to the system when they are freed, so that every step would ask for its gradients and
activations anew, page by page. On two CPU cores that is a tenth and more of a step of large networks.
"""

import ctypes
import sys
from functools import cache

MALLOPT_TRIM_THRESHOLD, MALLOPT_MMAP_THRESHOLD = -1, -3
"""Numbers in malloc.h: above how many free bytes memory goes back to the system; from how many a block stands alone."""
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""More is not allowed."""


@cache
def keep_freed_memory() -> None:
    """Tell glibc, once a process, to keep up to 1 GiB of freed memory; nothing on other systems."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MALLOPT_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(MALLOPT_TRIM_THRESHOLD, 2**30)
