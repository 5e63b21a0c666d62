"""Where a table of Unity Catalog is, and credentials that read it for an hour: two questions to its REST API.

delta-rs knows `uc://` as well, but in some of its runs it waits for ever (deltalake 1.6.6, and its pull request 3113
says so), and it asks for the right to write first. The workspace is named by DATABRICKS_HOST, the reader by
DATABRICKS_TOKEN, as for Databricks' own tools.

Covered by tests: a server that answers like the API, tables in S3. Not run: Databricks itself, tables in Azure.
Not covered: tables in Google Cloud Storage, tables whose catalogue hands out no credentials. Where a table is is the
catalogue's word: the list of allowed sources (`allowed`) names the table, not its bucket.
Sources: https://docs.databricks.com/api/workspace/tables/get and
https://docs.databricks.com/api/workspace/temporarytablecredentials"""

import json
import os
import re
from typing import Any
from urllib.parse import quote, urlsplit

from ft_platform.errors import ConfigError, SourceError, TransientError

SCHEME = "uc://"
API = "/api/2.1/unity-catalog"
SECONDS = 30
MOST_BYTES = 16_000_000
LOCAL = ("localhost", "127.0.0.1")
CREDENTIALS = {
    "aws_temp_credentials": {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "session_token",
    },
    "azure_user_delegation_sas": {"AZURE_STORAGE_SAS_TOKEN": "sas_token"},
}
"""Kind of credentials -> option of delta-rs -> name in the answer."""
NEXT_TIME = (408, 429, 500, 502, 503, 504)


def locate(uri: str) -> tuple[str, dict[str, str]]:
    """URI of the table behind `uc://catalog.schema.table`, and options of the object store.

    Raises:
        ConfigError: the variables that name the catalogue are not set, or would send the token without encryption.
        SourceError: the catalogue knows no such table, does not give it to this reader, or it is in no object store
            that is read.
        TransientError: the catalogue does not answer.
    """
    name = uri.removeprefix(SCHEME)
    if len(name.split(".")) != 3 or not all(name.split(".")):
        raise SourceError(f"source.uri {uri} is not of the form uc://catalog.schema.table", "Correct source.uri")
    table = _asked(uri, "GET", f"/tables/{quote(name, safe='')}")
    granted = _asked(
        uri, "POST", "/temporary-table-credentials", {"table_id": table.get("table_id"), "operation": "READ"}
    )
    location, options = str(table.get("storage_location", "")), _options(granted)
    if not location.startswith(("s3://", "abfss://")) or not options:
        raise SourceError(
            f"{uri}: tables are read from s3:// and abfss:// with credentials of the catalogue, this one is elsewhere",
            "Copy the table",
        )
    return location, options


def _options(granted: dict[str, Any]) -> dict[str, str]:
    """Options of delta-rs; empty: no kind of credentials that is known, or a part of them is missing."""
    for kind, names in CREDENTIALS.items():
        keys = granted.get(kind)
        if isinstance(keys, dict) and all(isinstance(keys.get(name), str) for name in names.values()):
            return {option: keys[name] for option, name in names.items()}
    return {}


def _asked(uri: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    from ft_platform.process.bounded_http import NoAnswer, ask

    workspace, token = _workspace(uri)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    content = json.dumps(body).encode() if body else b""
    try:
        status, _, answer = ask(method, f"{workspace}{API}{path}", headers, content, SECONDS, MOST_BYTES)
    except NoAnswer:
        raise TransientError(
            f"{uri}: the catalogue does not answer", "Check network and DATABRICKS_HOST, then run again"
        ) from None
    if status in NEXT_TIME:
        raise TransientError(f"{uri}: the catalogue answers with status {status}", "Run again later")
    if status in (401, 403):
        raise SourceError(
            f"{uri}: the catalogue does not give this table to the reader (status {status})",
            "Check DATABRICKS_TOKEN and its grants: SELECT",
        )
    if status != 200:
        raise SourceError(
            f"{uri}: the catalogue knows no such table (status {status})", "Correct source.uri or DATABRICKS_HOST"
        )
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SourceError(f"{uri}: the server there is not a Unity Catalog", "Correct DATABRICKS_HOST")
    return found


def _workspace(uri: str) -> tuple[str, str]:
    """`scheme://host[:port]` of the catalogue, and the reader's token."""
    host, token = (os.environ.get(f"DATABRICKS_{name}", "").strip() for name in ("HOST", "TOKEN"))
    if not host or not token:
        raise ConfigError(
            [f"{uri} needs the variables DATABRICKS_HOST and DATABRICKS_TOKEN"], "Set them where the stages run"
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ConfigError(
            ["DATABRICKS_TOKEN contains spaces, line breaks or characters that no token has"], "Correct the variable"
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
    return f"{scheme}://{place}", token
