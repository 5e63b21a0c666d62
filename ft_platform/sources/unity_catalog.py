"""Where a table of Unity Catalog is, and credentials that read it for an hour: two questions to its REST API.

delta-rs knows `uc://` as well, but in some of its runs it waits for ever (deltalake 1.6.6, and its pull request 3113
says so), and it asks for the right to write first. The workspace and the reader are named by the variables of
Databricks' own tools (`process.unity_catalog`).

Covered by tests: a server that answers like the API, tables in S3. Not run: Databricks itself, tables in Azure.
Not covered: tables in Google Cloud Storage, tables whose catalogue hands out no credentials. Where a table is is the
catalogue's word: the list of allowed sources (`allowed`) names the table, not its bucket.
Sources: https://docs.databricks.com/api/workspace/tables/get and
https://docs.databricks.com/api/workspace/temporarytablecredentials"""

from typing import Any
from urllib.parse import quote

from ft_platform.errors import SourceError
from ft_platform.process.unity_catalog import Catalog

SCHEME = "uc://"
CREDENTIALS = {
    "aws_temp_credentials": {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "session_token",
    },
    "azure_user_delegation_sas": {"AZURE_STORAGE_SAS_TOKEN": "sas_token"},
}
"""Kind of credentials -> option of delta-rs -> name in the answer."""


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
    catalog = Catalog(uri)
    table = _asked(catalog, uri, "GET", f"/tables/{quote(name, safe='')}")
    granted = _asked(
        catalog, uri, "POST", "/temporary-table-credentials", {"table_id": table.get("table_id"), "operation": "READ"}
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


def _asked(catalog: Catalog, uri: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    status, answer = catalog.ask(method, path, body)
    if status in (401, 403):
        raise SourceError(
            f"{uri}: the catalogue does not give this table to the reader (status {status})",
            "Check the reader's token or service principal, and its grants: SELECT",
        )
    if status != 200:
        raise SourceError(
            f"{uri}: the catalogue knows no such table (status {status})", "Correct source.uri or DATABRICKS_HOST"
        )
    return answer
