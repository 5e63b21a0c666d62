"""`uc://`, against a server that answers like Unity Catalog's REST API; the table itself is in an S3 server."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_platform.errors import ConfigError, FtError, SourceError, TransientError
from ft_platform.records.rows import TableRows
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.known_records import KnownRecords
from ft_platform.sources.unity_catalog import _options
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.sources import unity_server
from ft_platform_tests.tables import use_case

pytestmark = pytest.mark.components(name="aws")

NOW = datetime(2026, 1, 15, tzinfo=UTC)
LOCATION = "s3://warehouse/received"


def rows(*ids: str, consent: str = "yes") -> pa.Table:
    texts = [f"complaint number {name} about a card" for name in ids]
    return pa.table(
        {
            "id": list(ids),
            "text": texts,
            "label": ["card"] * len(ids),
            "consent": [consent] * len(ids),
            "region": ["north"] * len(ids),
        }
    )


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """File of what the catalogue is asked, line by line. Each server is a process of its own: delta-rs may wait without
    letting other threads run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asked = tmp_path_factory.mktemp("catalogue") / "questions"
    with (
        pytest.MonkeyPatch.context() as patch,
        s3_bucket("warehouse", patch, own_process=True),
        asked.open("w") as output,
    ):
        write_deltalake(LOCATION, rows("1", "2"))
        server = subprocess.Popen([sys.executable, unity_server.__file__, str(port), LOCATION], stdout=output)
        patch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{port}")
        patch.setenv("DATABRICKS_TOKEN", unity_server.TOKEN)
        patch.setenv("FT_SOURCES_ALLOWED", "uc://main.complaints.*")
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield asked
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_a_table_of_the_catalogue_is_read_and_noticed_when_it_changes(
    questions: Path, environment: Environment
) -> None:
    case = use_case(source={"uri": f"uc://{unity_server.TABLE}"})
    first = read_new_records(case, environment, {}, None, NOW)
    assert first.records["source_key"].to_pylist() == ["1", "2"]
    assert fingerprint(case.settings.source, environment) == first.files
    write_deltalake(LOCATION, rows("1", "2", consent="no"), mode="overwrite")
    assert fingerprint(case.settings.source, environment) != first.files
    second = read_new_records(case, environment, first.files, KnownRecords.of(TableRows(first.records)), NOW)
    assert second.records["consent"].to_pylist() == ["no", "no"]
    asked = questions.read_text()
    assert f"GET {unity_server.API}/tables/{unity_server.TABLE} 200" in asked
    assert (
        f"POST {unity_server.API}/temporary-table-credentials 200 READ\n" in asked
    )  # a reader needs no right to write


@pytest.mark.parametrize(
    ("variables", "uri", "error", "words"),
    [
        (
            {"DATABRICKS_TOKEN": "token-of-nobody"},
            unity_server.TABLE,
            SourceError,
            "token or service principal, and its grants",
        ),
        ({}, "main.complaints.missing", SourceError, "knows no such table"),
        ({}, "main.complaints", SourceError, "form uc://catalog.schema.table"),
        ({"DATABRICKS_TOKEN": ""}, unity_server.TABLE, ConfigError, "needs the variables"),
        ({"DATABRICKS_HOST": "http://catalogue.example.org"}, unity_server.TABLE, ConfigError, "unencrypted"),
        ({"DATABRICKS_HOST": "https://catalogue.example.org:port"}, unity_server.TABLE, ConfigError, "must be https"),
        ({"DATABRICKS_TOKEN": "token-of\nnobody"}, unity_server.TABLE, ConfigError, "characters that no token has"),
        ({"DATABRICKS_HOST": "http://127.0.0.1:9"}, unity_server.TABLE, TransientError, "does not answer"),
    ],
)
def test_what_cannot_be_had_is_an_error_without_the_token(
    questions: Path,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    uri: str,
    error: type[FtError],
    words: str,
) -> None:
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "uc://*")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=words) as caught:
        fingerprint(use_case(source={"uri": f"uc://{uri}"}).settings.source, environment)
    assert "token-of" not in str(caught.value)


def test_the_right_to_write_is_never_asked_for(questions: Path, environment: Environment) -> None:
    fingerprint(use_case(source={"uri": f"uc://{unity_server.TABLE}"}).settings.source, environment)
    assert "WRITE" not in questions.read_text()


@pytest.mark.parametrize(
    ("granted", "options"),
    [
        (
            {"azure_user_delegation_sas": {"sas_token": "sig=x"}, "expiration_time": 1},
            {"AZURE_STORAGE_SAS_TOKEN": "sig=x"},
        ),
        ({"gcp_oauth_token": {"oauth_token": "x"}}, {}),
        ({"aws_temp_credentials": {"access_key_id": "x"}}, {}),
        ({"aws_temp_credentials": "x"}, {}),
        ({}, {}),
    ],
)
def test_credentials_of_other_stores(granted: dict, options: dict) -> None:
    assert _options(granted) == options
