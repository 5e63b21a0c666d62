from typing import Any


def settings() -> dict[str, Any]:
    return {"options": {"queue": "short"}}
