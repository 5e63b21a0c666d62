"""Code of a use case while it is loaded: what it prints and raises is kept in the restricted folder, and not shown."""

import io
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

from ft_platform.redaction.edge import CODE_PROBLEM
from ft_platform.redaction.withheld import Withheld, open_private


@contextmanager
def prints_kept(use_case: str, withheld: Withheld) -> Iterator[None]:
    """While it is open, what Python prints goes into a file."""
    with ExitStack() as stack:
        kept: Any = io.StringIO()
        with suppress(OSError):  # a folder that cannot be written: what is printed is lost, not shown
            file = open_private(withheld.file("output", f"loading_{use_case}.log"))
            kept = stack.enter_context(io.TextIOWrapper(file, "utf-8", "backslashreplace"))
        stack.enter_context(redirect_stdout(kept))
        stack.enter_context(redirect_stderr(kept))
        yield


def said_of(error: BaseException, use_case: str, withheld: Withheld) -> str:
    """Class and text of an exception where Python makes the text from the code alone. Else the class, and where the
    rest is kept: it may quote a record."""
    try:
        text = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    except Exception:  # its own code makes the text, and fails at it
        text = ""
    if isinstance(error, SyntaxError) or CODE_PROBLEM.fullmatch(text):
        return text
    path = withheld.keep(f"loading_{use_case}", "".join(traceback.format_exception(error)))
    return f"{type(error).__name__}, text withheld: {path}"
