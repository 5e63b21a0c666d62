"""Ids of requests that other servers answered."""

import hashlib
import re

OURS = re.compile(r"[a-z]{3,10}-[0-9a-f]{32}")
OTHERS = re.compile(r"[!-~]{8,512}")


def hashed(told: str) -> str:
    """An id of our form that only the other id decides, and whose last digits are as good as random."""
    return f"log-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def request_id(told: str) -> str | None:
    """How a request is called in the tables, from what its server calls it; None: that is no id."""
    if OURS.fullmatch(told):
        return told
    return hashed(told) if OTHERS.fullmatch(told) else None
