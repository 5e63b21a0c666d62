"""Files in Azure storage, against Azurite, Microsoft's local server, on which the lake's tests run too
(`lake.object_store.stores`)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ft_platform.errors import SourceError
from ft_platform.records.rows import TableRows
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.known_records import KnownRecords
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.object_store.stores import ACCOUNT, AZURE, KEY
from ft_platform_tests.tables import use_case

pytestmark = pytest.mark.components(name="azure_lake")
NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = b"id,text,label,consent,region\n"


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], object]]:
    """Puts a blob into the container `records`."""
    with AZURE.started(tmp_path / "server") as address:
        from azure.storage.blob import BlobServiceClient  # pyright: ignore[reportMissingImports]

        connection = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={address}/{ACCOUNT};"
        )
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        made = BlobServiceClient.from_connection_string(connection).create_container("records")
        yield lambda name, data: made.upload_blob(name, data, overwrite=True)


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
