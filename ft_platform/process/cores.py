"""Cores that a program may use."""

import os


def threads() -> int:
    """CPU threads of this program: `FT_THREADS`; without it, or where it is no number, all cores it may use."""
    named = os.environ.get("FT_THREADS", "")
    return (int(named) if named.isdecimal() and len(named) < 5 else 0) or len(os.sched_getaffinity(0))


def spin_count() -> int:
    """How often a waiting OpenMP thread looks again before it sleeps (`GOMP_SPINCOUNT`): 0 if this machine has other
    work.

    In a virtual machine, waking a core takes longer than a small matrix product. Spinning makes training on idle cores
    1.2 to 1.5 times as fast, and 0.6 times as fast beside a busy process (docs/benchmarks.md). Results stay the same.
    """
    return 10_000 if os.getloadavg()[0] < 1.5 else 0  # the run that starts a program is a load of 1
