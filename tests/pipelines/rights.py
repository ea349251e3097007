"""What a user may do who is not root."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

VERSION_3 = 0x20080522
"""Of the structures of capset(2)."""


def use_capabilities(wanted: bool) -> None:
    """Let this thread of root use what it is permitted beyond the rights of files, or not."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then the same for those beyond 32
    assert libc.capget(header, data) == 0, os.strerror(ctypes.get_errno())
    data[0], data[3] = (data[1], data[4]) if wanted else (0, 0)
    assert libc.capset(header, data) == 0, os.strerror(ctypes.get_errno())


@contextmanager
def plain_user() -> Iterator[None]:
    """Files without rights cannot be read or written here, even if the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root cannot lay its rights down here")
    use_capabilities(False)
    try:
        yield
    finally:
        use_capabilities(True)
