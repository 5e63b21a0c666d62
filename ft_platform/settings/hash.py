"""Whether settings are the same as before."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from ft_platform.settings.section import FOR_HASH


def settings_hash(parts: dict[str, Any]) -> str:
    """16 hex digits that change when, and only when, one of the given settings changes."""
    text = json.dumps({name: _plain(value) for name, value in parts.items()}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", context=FOR_HASH) if isinstance(value, BaseModel) else value
