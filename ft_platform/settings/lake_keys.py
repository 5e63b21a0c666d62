"""Keys of a lake in S3: each zone is written under its own."""

from collections.abc import Mapping

ZONES = ("shared", "restricted", "vault", "audit_log")
"""Folders below the root of a lake. Nothing lies outside of them."""
VARIABLE = "FT_LAKE_KEYS"


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
