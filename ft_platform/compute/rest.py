"""One question to the REST API of a cloud, and what its answer means for a `Scheduler`."""

from collections.abc import Callable
from typing import Any

from ft_platform.compute.backend import CredentialsRefused, Unreachable
from ft_platform.compute.cloud_jobs import one_line
from ft_platform.errors import SubmissionRefused

SECONDS = 60
LATER = (408, 425, 429, 500, 502, 503, 504)


class Missing(SubmissionRefused):
    """There is no such thing."""


class Exists(SubmissionRefused):
    """There is one of that name."""


def ask(
    method: str,
    url: str,
    token: Callable[[], str],
    body: dict[str, Any] | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Its answer. The question is not repeated.

    Args:
        token: gives one that is good now, or raises `CredentialsRefused`.

    Raises:
        Missing, Exists: as it says.
        Unreachable, CredentialsRefused: it does not answer now, or does not know who asks.
        SubmissionRefused: it answers that it will not.
    """
    import requests

    def bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token()}"  # as `auth`, or a .netrc would come before it
        return request

    try:
        answer = requests.request(
            method, url, json=body, params=query, auth=bearer, timeout=SECONDS, allow_redirects=False
        )
        said = answer.json() if answer.content else {}
    except requests.RequestException as error:
        raise Unreachable(type(error).__name__) from None
    if 200 <= answer.status_code < 300 and isinstance(said, dict):
        return said
    raise _failure(answer.status_code, said)


def _failure(status: int, said: Any) -> Exception:
    error = said.get("error") if isinstance(said, dict) else None
    error = error if isinstance(error, dict) else {}
    words = one_line(f"{status} {error.get('status') or error.get('code') or ''} {error.get('message') or ''}")
    if status in (401, 403):
        return CredentialsRefused(words)
    if status in LATER:
        return Unreachable(words)
    kind = {404: Missing, 409: Exists}.get(status, SubmissionRefused)
    return kind(f"the service refuses: {words}", "Compare the `options` of the compute profile with the project")
