"""Files in Azure storage, against Azurite, Microsoft's local server (`npm install azurite`, found on PATH or in
FT_AZURITE)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ft_platform.errors import SourceError
from ft_platform.records.rows import TableRows
from ft_platform.settings.environment import Environment
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.known_records import KnownRecords
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = b"id,text,label,consent,region\n"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published in the documentation of Azurite; opens nothing else."""


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    pytest.importorskip("adlfs")
    from azure.storage.blob import BlobServiceClient  # pyright: ignore[reportMissingImports]

    program = os.environ.get("FT_AZURITE") or shutil.which("azurite-blob")
    if not program:
        pytest.skip("azurite-blob is not installed (npm install -g azurite)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--blobPort", str(port), "--location", str(tmp_path / "azurite"), "--skipApiVersionCheck", "--silent"]
    )
    connection = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    try:
        for _ in range(150):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        made = BlobServiceClient.from_connection_string(connection).create_container("records")
        yield lambda name, data: made.upload_blob(name, data, overwrite=True)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_files_of_a_container_are_found_read_and_noticed_when_they_change(container, environment: Environment) -> None:
    container("in/a.csv", HEADER + b"1,the first complaint,card,yes,north\n")
    container("in/sub/b.csv", HEADER + b"2,the second complaint,card,yes,north\n")
    case = use_case(source={"uri": "abfss://records@devstoreaccount1.dfs.core.windows.net/in"})
    first = read_new_records(case, environment, {}, None, NOW)
    assert first.records["source_key"].to_pylist() == ["1", "2"]
    assert fingerprint(case.settings.source, environment) == first.files
    container("in/a.csv", HEADER + b"1,the first complaint,card,no,north\n")
    second = read_new_records(case, environment, first.files, KnownRecords.of(TableRows(first.records)), NOW)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("1", "no")]
    with pytest.raises(SourceError, match="there is no file or folder"):
        fingerprint(
            use_case(source={"uri": "abfss://records@devstoreaccount1.dfs.core.windows.net/none.csv"}).settings.source,
            environment,
        )
