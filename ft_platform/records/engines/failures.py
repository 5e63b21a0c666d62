"""Errors of batch functions as data: clusters write the text of exceptions into logs and pages, and it may quote a
record."""

import json
import traceback
from typing import Any

from ft_platform import errors
from ft_platform.errors import FtError


def failure_of(error: Exception) -> str:
    """What may be handed on of an error: all of a typed one, kind and place of any other."""
    if isinstance(error, FtError):
        return _text(type(error).__name__, list(error.args), error.__dict__)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return _text("", [f"{type(error).__name__} at {place.filename}:{place.lineno} in a batch function"], {})


def error_of(failure: str) -> Exception:
    """The error again, in another process."""
    found = json.loads(failure)
    if not found["kind"]:
        return RuntimeError(*found["args"])
    return errors.rebuilt(getattr(errors, found["kind"]), tuple(found["args"]), found["attributes"])


def _text(kind: str, args: list[Any], attributes: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, "args": args, "attributes": attributes})
