"""What targets share: asking again, waiting, names that fit, and words of the other side without secrets."""

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ft_platform.errors import EndpointFailed, FtError
from ft_platform.errors.printable import printable

T = TypeVar("T")
TRIES = 5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 20.0
"""Seconds between tries, twice as many each time."""
LONGEST_WORDS = 300


def tried(call: Callable[[], T], passes: Callable[[Exception], bool]) -> T:
    """What `call` gives, after at most `TRIES` tries; it is repeated while what it raises passes by itself."""
    for attempt in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not passes(error):
                raise
        time.sleep(min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE))
    return call()


def until(look: Callable[[], T | str], seconds: float, on_wait: Callable[[str], None] = lambda _: None) -> T:
    """What `look` gives once it is no text any more; a text says what it waits for.

    Raises:
        EndpointFailed: it still is one after `seconds`.
    """
    end, pause = time.monotonic() + seconds, FIRST_PAUSE
    while isinstance(found := look(), str):
        if time.monotonic() >= end:
            raise EndpointFailed(f"not ready within {seconds:.0f} seconds: {found}", "Give it more time, or look there")
        on_wait(found)
        time.sleep(min(pause, max(end - time.monotonic(), 0.0)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return found


def fitting(name: str, most: int) -> str:
    """The name in lower-case letters, digits and hyphens. One longer than `most` ends in a hash of what is cut off, so
    that two names stay two."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name.replace("_", "-") and len(plain) <= most:
        return plain
    return f"{plain[: most - 9].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def without(words: str, secrets: Iterable[str | None]) -> str:
    """What the other side said, short and on one line, with each secret left out."""
    for secret in secrets:
        words = words.replace(secret, "***") if secret else words
    return printable(" ".join(words.split()))[:LONGEST_WORDS]


@contextmanager
def cleared(clear: Callable[[], None]) -> Iterator[None]:
    """Calls `clear` after an error in the block.

    Raises:
        EndpointFailed: `clear` fails too: what it says stands beside the first error, for something may be left.
    """
    try:
        yield
    except BaseException as error:
        try:
            clear()
        except FtError as second:
            first = error.message if isinstance(error, FtError) else type(error).__name__
            raise EndpointFailed(
                f"{first}. Afterwards it could not be taken away, and may cost money: {second.message}",
                "Deploy or delete again",
            ) from error
        raise
