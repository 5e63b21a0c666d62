"""Files in Google Cloud Storage, against a local server that speaks its protocol (`pip install gcsfs
gcp-storage-emulator`)."""

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote
from urllib.request import Request, urlopen

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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], None]]:
    """Puts an object into the bucket `records`."""
    gcsfs = pytest.importorskip("gcsfs", reason="gcsfs is not installed (extra gcp)")
    server_module = pytest.importorskip("gcp_storage_emulator.server", reason="gcp-storage-emulator is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    gcsfs.GCSFileSystem.clear_instance_cache()
    server = server_module.create_server("127.0.0.1", port, in_memory=True)
    server.start()

    def put(name: str, data: bytes) -> None:
        address = f"{url}/upload/storage/v1/b/records/o?uploadType=media&name={quote(name, safe='')}"
        urlopen(Request(address, data=data, headers={"Content-Type": "text/csv"}, method="POST"), timeout=10).close()
        gcsfs.GCSFileSystem.clear_instance_cache()

    try:
        body = json.dumps({"name": "records"}).encode()
        urlopen(
            Request(
                f"{url}/storage/v1/b?project=p", data=body, headers={"Content-Type": "application/json"}, method="POST"
            ),
            timeout=10,
        ).close()
        yield put
    finally:
        server.stop()
        gcsfs.GCSFileSystem.clear_instance_cache()


def test_files_of_a_bucket_are_found_read_and_noticed_when_they_change(
    bucket: Callable[[str, bytes], None], environment: Environment
) -> None:
    bucket("in/a.csv", HEADER + b"1,the first complaint,card,yes,north\n")
    bucket("in/sub/b.csv", HEADER + b"2,the second complaint,card,yes,north\n")
    case = use_case(source={"uri": "gs://records/in"})
    first = read_new_records(case, environment, {}, None, NOW)
    assert first.records["source_key"].to_pylist() == ["1", "2"]
    assert fingerprint(case.settings.source, environment) == first.files
    bucket("in/a.csv", HEADER + b"1,the first complaint,card,no,north\n")
    second = read_new_records(case, environment, first.files, KnownRecords.of(TableRows(first.records)), NOW)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("1", "no")]
    with pytest.raises(SourceError, match="there is no file or folder"):
        fingerprint(use_case(source={"uri": "gs://records/none.csv"}).settings.source, environment)
