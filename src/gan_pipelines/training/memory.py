"""Keep freed memory for the next step, or the next batch.

glibc returns large blocks to the system when they are freed, so every step would request its gradients and activations
again, page by page. On two CPU cores this takes a tenth or more of a step of large networks, and more
than a third of the time in which EfficientNet-Lite0 reads pictures.
"""

import ctypes
import sys
from functools import cache

MALLOPT_TRIM_THRESHOLD, MALLOPT_MMAP_THRESHOLD = -1, -3
"""Option numbers from malloc.h: when free memory is returned to the system, and when a block gets its own mapping."""
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""The largest value that glibc accepts."""


@cache
def keep_freed_memory() -> None:
    """Tell glibc, once per process, to keep up to 1 GiB of freed memory; does nothing on other systems."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MALLOPT_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(MALLOPT_TRIM_THRESHOLD, 2**30)
