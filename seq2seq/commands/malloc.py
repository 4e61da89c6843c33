"""Keeps freed memory in the process.

glibc hands every freed block above a threshold back to the kernel and asks for it again a
moment later; the fresh pages must be zeroed and mapped each time. Training frees and fetches
the same large tensors at every update, and search the logits at every step, so on a CPU this costs a
good part of the time.
"""

from __future__ import annotations

import ctypes
import sys

# The numbers of <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGE = 1 << 30    # bytes; blocks up to here come from the heap, and so much of its top stays
_TOP_PAD = 1 << 26  # bytes asked for beyond need whenever the heap grows


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to keep what is freed; False (and nothing done) where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    # Each call answers 1 when it was taken; every one of them is tried.
    return all([mallopt(_M_MMAP_THRESHOLD, _LARGE), mallopt(_M_TRIM_THRESHOLD, _LARGE),
                mallopt(_M_TOP_PAD, _TOP_PAD)])
