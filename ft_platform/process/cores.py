"""Cores that a program may use."""

import os


def threads() -> int:
    """CPU threads of this program: `FT_THREADS`; without it, or where it is no number, all cores it may use."""
    named = os.environ.get("FT_THREADS", "")
    return (int(named) if named.isdecimal() and len(named) < 5 else 0) or len(os.sched_getaffinity(0))


def turns_awake() -> int:
    """Turns for which a thread of OpenMP that waits for the others stays awake (`GOMP_SPINCOUNT`); none where this
    machine has other work.

    Waking a core of a virtual machine takes longer than a small matrix product, so training on idle cores is 1.2
    to 1.5 times as fast where threads stay awake for a moment; beside a busy process it would be 0.6 times as fast
    (docs/benchmarks.md). Results are the same.
    """
    return 10_000 if os.getloadavg()[0] < 1.5 else 0  # the run that starts a program makes a load of 1 itself
