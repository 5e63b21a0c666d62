"""Exceptions that nobody catches: class and place on standard error, without their text."""

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


def install_hooks() -> None:
    """From now on this process prints no text of an exception that ends it or one of its threads, or that is raised
    where nobody can catch it."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda thrown: _say(
        thrown.exc_value, f" in thread {thrown.thread.name if thrown.thread else '?'}"
    )
    sys.unraisablehook = lambda thrown: _say(thrown.exc_value, ", which cannot be raised")


def place_of_error(error: BaseException) -> str:
    """`ValueError at clean.py:12 clean`: what can be said of an error whose text may quote a record."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__}{reason}{place}"


@contextmanager
def native_errors_dropped() -> Iterator[None]:
    """While it is open, standard error shows what Python writes to it, not what native code writes past Python: a panic
    in Rust quotes what it gave up on."""
    try:
        number = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        number = -1
    if number != 2:  # replaced: native code does not write there
        yield
        return
    before = sys.stderr
    before.flush()
    with (
        os.fdopen(os.dup(2), "w", encoding=before.encoding, errors=before.errors, buffering=1) as own,
        open(os.devnull, "wb") as nowhere,
    ):
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = own
        try:
            yield
        finally:
            sys.stderr = before
            own.flush()
            os.dup2(own.fileno(), 2)


def _uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> Any:
    if isinstance(error, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
    else:
        _say(error)


def _say(error: BaseException | None, where: str = "") -> None:
    if error is not None and sys.stderr is not None:
        print(
            f"{place_of_error(error)}{where}. The text is left out because it may hold personal data.", file=sys.stderr
        )
