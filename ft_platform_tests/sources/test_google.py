"""Files in Google Cloud Storage, against the emulator on which the lake's tests run (`lake.object_store.stores`)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from ft_platform.errors import SourceError
from ft_platform.records.rows import TableRows
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.known_records import KnownRecords
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.object_store.stores import BUCKET, GCS
from ft_platform_tests.tables import use_case

pytestmark = pytest.mark.components(name="gcs_lake")
NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = b"id,text,label,consent,region\n"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], None]]:
    """Puts an object into the bucket."""
    with GCS.started(tmp_path / "server") as address:
        import gcsfs

        for name, value in GCS.variables(address).items():
            monkeypatch.setenv(name, value)

        def put(name: str, data: bytes) -> None:
            place = f"{address}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
            urlopen(Request(place, data=data, headers={"Content-Type": "text/csv"}, method="POST"), timeout=10).close()
            gcsfs.GCSFileSystem.clear_instance_cache()

        gcsfs.GCSFileSystem.clear_instance_cache()
        yield put
        gcsfs.GCSFileSystem.clear_instance_cache()


def test_files_of_a_bucket_are_found_read_and_noticed_when_they_change(
    bucket: Callable[[str, bytes], None], environment: Environment
) -> None:
    bucket("in/a.csv", HEADER + b"1,the first complaint,card,yes,north\n")
    bucket("in/sub/b.csv", HEADER + b"2,the second complaint,card,yes,north\n")
    case = use_case(source={"uri": f"gs://{BUCKET}/in"})
    first = read_new_records(case, environment, {}, None, NOW)
    assert first.records["source_key"].to_pylist() == ["1", "2"]
    assert fingerprint(case.settings.source, environment) == first.files
    bucket("in/a.csv", HEADER + b"1,the first complaint,card,no,north\n")
    second = read_new_records(case, environment, first.files, KnownRecords.of(TableRows(first.records)), NOW)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("1", "no")]
    with pytest.raises(SourceError, match="there is no file or folder"):
        fingerprint(use_case(source={"uri": f"gs://{BUCKET}/none.csv"}).settings.source, environment)
