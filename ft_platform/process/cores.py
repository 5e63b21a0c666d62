"""Cores that a program may use."""

import os


def threads() -> int:
    """CPU threads of this program: `FT_THREADS`; without it, or where it is no number, all cores it may use."""
    named = os.environ.get("FT_THREADS", "")
    return (int(named) if named.isdecimal() and len(named) < 5 else 0) or len(os.sched_getaffinity(0))
