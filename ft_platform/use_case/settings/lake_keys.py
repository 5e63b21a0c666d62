"""Keys of a lake in S3: each zone is written under its own."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

ZONES = ("shared", "restricted", "vault", "audit_log")
"""Folders below the root of a lake. Nothing lies outside of them."""
VARIABLE = "FT_LAKE_KEYS"
KEY = re.compile(r"(?!alias/|arn:.*:alias/)[^\s,=]{1,2048}")
"""Of KMS."""


def parsed(text: str) -> dict[str, str]:
    """Zone -> key, of what the variable says: `shared=KEY,restricted=KEY,vault=KEY,audit_log=KEY`, or `none`.

    Raises:
        ValueError: it says something else, or a zone twice.
    """
    if text.strip() == "none":
        return {}
    pairs = [one.strip().partition("=") for one in text.split(",") if one.strip()]
    if not all(key for _, _, key in pairs) or len({zone for zone, _, _ in pairs}) < len(pairs):
        raise ValueError("must be zone=KEY, separated by commas, each zone once")
    return {zone: key for zone, _, key in pairs}


def told(keys: Mapping[str, str]) -> str:
    """As the variable says it."""
    return ",".join(f"{zone}={key}" for zone, key in keys.items()) or "none"


def _given(value: Any) -> Any:
    return parsed(value) if isinstance(value, str) else value


def _for_every_zone(keys: dict[str, str]) -> dict[str, str]:
    if keys and set(keys) != set(ZONES):
        raise ValueError(f"must name a key for each of {', '.join(ZONES)}, got {', '.join(sorted(keys))}")
    if wrong := sorted(zone for zone, key in keys.items() if not KEY.fullmatch(key)):
        # S3 tells the key of an object, never the alias: nothing could be proved.
        raise ValueError(f"must be the ARNs or ids of keys, not aliases: {', '.join(wrong)}")
    return keys


LakeKeys = Annotated[dict[str, str], BeforeValidator(_given), AfterValidator(_for_every_zone)]
"""Zone -> key: none, or all of them; from a file as they are, from a variable as `told` writes them."""
