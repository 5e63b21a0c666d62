"""Standard output and error of a process into private files, also what native code writes: a panic in Rust goes past
Python."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from ft_platform.redaction.withheld import open_private


@contextmanager
def output_to(out: Path, err: Path) -> Iterator[None]:
    """While it is open, what this process and those that it starts write to standard output and error goes into these
    files, and nowhere else."""
    with ExitStack() as stack:
        for number, stream, redirect, path in (
            (1, sys.stdout, redirect_stdout, out),
            (2, sys.stderr, redirect_stderr, err),
        ):
            file = stack.enter_context(open_private(path))
            stack.enter_context(_descriptor(number, stream, file))
            if _number(stream) != number:  # replaced by an object of Python, as a notebook or a test does
                stack.enter_context(
                    redirect(
                        stack.enter_context(
                            io.TextIOWrapper(open_private(path), "utf-8", "backslashreplace", write_through=True)
                        )
                    )
                )
        yield


@contextmanager
def _descriptor(number: int, stream: Any, file: Any) -> Iterator[None]:
    try:
        before = os.dup(number)
    except OSError:  # closed: a daemon
        yield
        return
    _flush(stream)
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        _flush(stream)
        os.dup2(before, number)
        os.close(before)


@contextmanager
def terminal(stream: TextIO) -> Iterator[TextIO]:
    """The same stream, which stays the terminal's while `output_to` is open."""
    number = _number(stream)
    if number is None:
        yield stream
        return
    stream.flush()
    with os.fdopen(os.dup(number), "w", encoding=stream.encoding, errors=stream.errors, buffering=1) as own:
        yield own


def _flush(stream: Any) -> None:
    if stream is not None and not getattr(stream, "closed", False):
        stream.flush()


def _number(stream: Any) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None
