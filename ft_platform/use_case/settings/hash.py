"""Whether settings are the same as before."""

import hashlib
import json
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

in_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def settings_hash(parts: dict[str, Any]) -> str:
    """16 hex digits that change when, and only when, one of the given settings changes.

    A section with a method `hashed` says itself what of it counts; one of which nothing counts is as if it were not
    there."""
    said = ((name, _said(parts[name])) for name in sorted(parts))
    text = "{" + ", ".join(f"{in_json(name)}: {value}" for name, value in said if value) + "}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """A section as what JSON has; anything else as it is. To be read only: the next one who asks gets the same."""
    return _dumped(_Same(value)) if isinstance(value, BaseModel) else value


def _said(value: Any) -> str:
    return _text(_Same(value)) if isinstance(value, BaseModel) else in_json(value)


class _Same:
    """A section as a key: sections are frozen, and to compare them costs more than to dump them."""

    def __init__(self, section: BaseModel) -> None:
        self.section = section

    def __hash__(self) -> int:
        return id(self.section)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.section is other.section


# Of one use case, whose stages and checks ask for the same sections: five times each.
@lru_cache(maxsize=64)
def _dumped(of: _Same) -> Any:
    return of.section.model_dump(mode="json")


@lru_cache(maxsize=64)
def _text(of: _Same) -> str:
    """Empty where nothing of it counts."""
    hashed = getattr(of.section, "hashed", None)
    if hashed is None:
        return in_json(_dumped(of))
    counting = hashed()
    return in_json(counting) if counting else ""
