"""Questions to the REST API of a Unity Catalog, of Databricks or of the open-source server.

The variables are those of Databricks' own tools: DATABRICKS_HOST, and either DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID
and DATABRICKS_CLIENT_SECRET of a service principal (OAuth, machine to machine). Nothing of them is in an error.
Sources: https://docs.databricks.com/api/workspace/tables and
https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m"""

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from ft_platform.errors import ConfigError, SourceError, TransientError

API = "/api/2.1/unity-catalog"
SECONDS = 30
MOST_BYTES = 16_000_000
LOCAL = ("localhost", "127.0.0.1")
NEXT_TIME = (408, 429, 500, 502, 503, 504)
WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 10.0
"""Before a question is repeated, doubled each time; most of what a server may ask for."""
Answer = tuple[int, dict[str, Any]]


class NotGiven(Exception):
    """The catalogue does not give a list; the message is its status."""


class Catalog:
    """A Unity Catalog.

    Args:
        asker: who needs it, for errors.
        tries: how often a question is asked that gets no answer, or one that asks for patience. A question that
            changes something may have been heard before.

    Raises:
        ConfigError: the variables are not set, or would send a secret without encryption.
    """

    def __init__(self, asker: str, tries: int = 1) -> None:
        self._asker, self._tries = asker, tries
        self.workspace, self._secret = _workspace(asker)
        self._token = "" if isinstance(self._secret, tuple) else self._secret

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Status and answer. An access token that has ended is asked for anew, once.

        Raises:
            TransientError: the catalogue does not answer, or asks for patience.
            SourceError: what answers is no Unity Catalog, or it does not know the service principal.
        """
        status, answer = self._bearing(method, path, body)
        if status == 401 and isinstance(self._secret, tuple):
            self._token = ""
            status, answer = self._bearing(method, path, body)
        return status, answer

    def pages(self, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        """What a list has under `key`, page by page. A page may be empty and yet not the last.

        Raises:
            NotGiven: the catalogue does not give this list.
        """
        token = ""
        while True:
            asked = {**query, **({"page_token": token} if token else {})}
            status, answer = self.ask("GET", f"{path}?{urlencode(asked)}" if asked else path)
            if status != 200:
                raise NotGiven(str(status))
            yield from answer.get(key) or ()
            token = answer.get("next_page_token") or ""
            if not token:
                return

    def _bearing(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        self._token = self._token or self._granted()
        content = json.dumps(body).encode() if body is not None else b""
        return self._repeated(
            method,
            f"{API}{path}",
            content,
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )

    def _granted(self) -> str:
        """An access token of the service principal."""
        named = base64.b64encode(":".join(self._secret).encode()).decode()
        headers = {"Authorization": f"Basic {named}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._repeated(
            "POST", "/oidc/v1/token", b"grant_type=client_credentials&scope=all-apis", headers
        )
        token = answer.get("access_token")
        if status != 200 or not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise SourceError(
                f"{self._asker}: the workspace gives this service principal no token (status {status})",
                "Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
            )
        return token

    def _repeated(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> Answer:
        from ft_platform.process.bounded_http import NoAnswer, ask

        wait, asked = WAIT_SECONDS, {"Accept": "application/json", **headers}
        for tries_left in range(self._tries - 1, -1, -1):
            try:
                status, said, answer = ask(method, self.workspace + path, asked, content, SECONDS, MOST_BYTES)
                if status not in NEXT_TIME:
                    return status, self._read(status, answer)
                problem, remedy = f"answers with status {status}", "Run again later"
                patience = _asked_for(said.get("Retry-After", ""))
            except NoAnswer:
                problem, remedy = "does not answer", "Check network and DATABRICKS_HOST, then run again"
                patience = 0.0
            if not tries_left:
                raise TransientError(f"{self._asker}: the catalogue {problem}", remedy)
            time.sleep(max(wait, patience))
            wait *= 2
        raise AssertionError("asked at least once")

    def _read(self, status: int, answer: bytes) -> dict[str, Any]:
        try:
            found = json.loads(answer) if answer.strip() else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            if status != 200:
                return {}
            raise SourceError(f"{self._asker}: the server there is not a Unity Catalog", "Correct DATABRICKS_HOST")
        return found


def _asked_for(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_WAIT_SECONDS) if re.fullmatch(r"\d{1,4}", retry_after) else 0.0


def _workspace(asker: str) -> tuple[str, str | tuple[str, str]]:
    """`scheme://host[:port]` of the catalogue, and a token, or name and secret of a service principal."""
    host, token, client, secret = (
        os.environ.get(f"DATABRICKS_{name}", "").strip() for name in ("HOST", "TOKEN", "CLIENT_ID", "CLIENT_SECRET")
    )
    if not host or not (token or (client and secret)):
        raise ConfigError(
            [
                f"{asker} needs the variables DATABRICKS_HOST and DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and"
                " DATABRICKS_CLIENT_SECRET instead of the token"
            ],
            "Set them where the stages run",
        )
    given = {"TOKEN": token} if token else {"CLIENT_ID": client, "CLIENT_SECRET": secret}
    if wrong := [name for name, value in given.items() if not re.fullmatch(r"[\x21-\x7e]+", value)]:
        raise ConfigError(
            [f"DATABRICKS_{wrong[0]} contains spaces, line breaks or characters that no token has"],
            "Correct the variable",
        )
    try:
        address = urlsplit(host if "://" in host else f"https://{host}")
        scheme, name, place, _ = address.scheme, address.hostname, address.netloc.rpartition("@")[2], address.port
    except ValueError:  # a port that is none
        scheme, name, place = "", None, ""
    if not name or (scheme != "https" and (scheme, name) not in [("http", local) for local in LOCAL]):
        raise ConfigError(
            ["DATABRICKS_HOST must be https://<workspace>: the token would be sent unencrypted"], "Correct the variable"
        )
    return f"{scheme}://{place}", token or (client, secret)
