"""Which release the platform's own server answers with now."""

import os
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from ft_platform.errors import FtError
from ft_platform.models.endpoint import require_allowed_endpoint
from ft_platform.use_case.settings.serving_targets import LocalTarget

SECONDS = 1.0
"""A server has so long to answer: a page waits for it."""
KEPT_SECONDS = 3.0
"""A page of many use cases asks their one server once."""
NOT_RUNNING = "no server runs there"
_KEPT: dict[tuple[str, str | None], tuple[float, dict[tuple[str, str], str] | str | None]] = {}
_ALONE = threading.Lock()


def answering(target: LocalTarget, use_case: str) -> str | None:
    """Id of the release that has the traffic there; empty: none has, or no server runs. None: nobody can tell, because
    it is busy, wants a key that this process lacks, or the installation does not allow its address."""
    listed = _listed(target.url, os.environ.get(target.api_key_env) if target.api_key_env else None)
    if listed is None:
        return None
    return listed.get((use_case, use_case), "") if isinstance(listed, dict) else ""


def _listed(url: str, key: str | None) -> dict[tuple[str, str], str] | str | None:
    """Use case and name of a model -> its release; `NOT_RUNNING`; None: nobody can tell."""
    with _ALONE:
        at, found = _KEPT.get((url, key), (0.0, None))
        if not at or time.monotonic() - at > KEPT_SECONDS:
            found = _asked(url, key)
            _KEPT[url, key] = time.monotonic(), found
        return found


def _asked(url: str, key: str | None) -> Any:
    from ft_platform.serving.client import call

    address = urlsplit(url)
    try:
        require_allowed_endpoint(url)
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 80), SECONDS).close()
        models = call(url, "/v1/models", key=key, timeout=SECONDS)["data"]
        return {(one["use_case"], one["id"]): one["release"] for one in models if "use_case" in one}
    except ConnectionRefusedError:
        return NOT_RUNNING
    except (FtError, OSError, KeyError, TypeError):
        return None
