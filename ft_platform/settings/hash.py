"""Whether settings are the same as before."""

import hashlib
import json
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel


@runtime_checkable
class Hashed(Protocol):
    """A section of which not everything counts everywhere."""

    def hashed(self) -> dict[str, Any]: ...


def settings_hash(parts: dict[str, Any]) -> str:
    """16 hex digits that change when, and only when, one of the given settings changes.

    A section with a method `hashed` says itself what of it counts; one of which nothing counts is as if it were not
    there."""
    plain = {name: _plain(value) for name, value in parts.items()}
    counting = {name: found for name, found in plain.items() if found or not isinstance(parts[name], Hashed)}
    text = json.dumps(counting, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if not isinstance(value, BaseModel):
        return value
    return value.hashed() if isinstance(value, Hashed) else value.model_dump(mode="json")
