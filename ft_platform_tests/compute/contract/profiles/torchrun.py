"""Two processes, because one would be `local`."""

from typing import Any


def settings() -> dict[str, Any]:
    return {"processes": 2}
