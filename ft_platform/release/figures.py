"""Whether a figure of the evidence keeps a limit with its whole interval, and how it is told."""

from typing import Any

from ft_platform.release.evidence import NotProven
from ft_platform.release.schema import Figure


def named(found: Any, name: str, where: str) -> Any:
    """The entry of that name.

    Raises:
        NotProven: there is none in `where`.
    """
    if name not in found:
        raise NotProven(f"{where} has no {name}")
    return found[name]


def upper_end(found: Figure) -> float:
    """Of a figure that may not be large. Resamples may all lie below the value itself, which counts as well then."""
    return max(found.value, found.high)


def held(found: Figure, limit: float) -> bool:
    """Whether a limit holds for the whole interval: where the interval reaches above it, the records are too few to say
    so."""
    return upper_end(found) <= limit


def reached(found: Figure, least: float) -> bool:
    """Whether the whole interval is at least as high as asked for."""
    return min(found.value, found.low) >= least


def reaches(found: Figure, limit: float) -> str:
    """What is said of a figure that keeps a limit, and its interval does not."""
    return "; its interval reaches above the limit" if found.value <= limit < found.high else ""


def shown(found: Figure) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def exact(value: float) -> Figure:
    """A figure that was counted, not estimated."""
    return Figure(value=value, low=value, high=value)
