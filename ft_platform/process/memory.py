"""Memory that allocators keep although nothing needs it any more."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

GROWN_BYTES = 128 * 2**20
"""A process that grew less since the last time is left alone: a collection takes up to seconds where libraries hold
many objects."""

LIBRARY_BYTES = 256 * 2**20
"""What libraries take: below it there is nothing to give back."""
_left = LIBRARY_BYTES
"""The least that the process was seen to hold since the last time: it may have been asked while a stage held much."""


def give_back() -> None:
    """Returns unused memory to the system where a process has grown: the next stage would come on top of what
    allocators kept of the last."""
    global _left
    held = anonymous_bytes()
    if held < _left + GROWN_BYTES:
        _left = max(LIBRARY_BYTES, min(_left, held))
        return
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc has it, musl has not
        trim(0)
    _left = anonymous_bytes()


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Collections inside the block look at what was made in it: at all that libraries hold, each takes half a second. A
    process that has set that aside for good is left as it is."""
    aside = gc.get_freeze_count()
    if not aside:
        gc.collect()
        gc.freeze()
    try:
        yield
    finally:
        if not aside:
            gc.unfreeze()


def anonymous_bytes() -> int:
    """Resident memory of this process without mapped files; 0 where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon")), 0)
    except OSError:
        return 0
