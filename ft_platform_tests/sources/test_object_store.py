"""Sources in an S3 bucket, against a local server of the S3 protocol."""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_platform.assets.raw_records import ingest_source
from ft_platform.errors import SourceError, TransientError
from ft_platform.lake import tables
from ft_platform.lake.store import Lake
from ft_platform.records.rows import TableRows
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.known_records import KnownRecords
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.tables import use_case

pytestmark = pytest.mark.components(name="aws")

NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = "id,text,label,consent,region\n"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Puts an object into the bucket `records`."""
    with s3_bucket("records", monkeypatch) as client:
        yield lambda key, text: client.put_object(Bucket="records", Key=key, Body=text.encode())


def test_files_of_a_bucket_are_found_read_and_noticed_when_they_change(bucket, environment: Environment) -> None:
    bucket("in/a.csv", HEADER + "1,the first complaint,card,yes,north\n")
    bucket("in/sub/b.csv", HEADER + "2,the second complaint,card,yes,north\n")
    bucket("in/_SUCCESS", "")
    case = use_case(source={"uri": "s3://records/in"})
    first = read_new_records(case, environment, {}, None, NOW)
    assert sorted(first.files) == ["s3://records/in/a.csv", "s3://records/in/sub/b.csv"]
    assert first.records["source_uri"].to_pylist() == sorted(first.files)
    assert fingerprint(case.settings.source, environment) == first.files
    bucket("in/a.csv", HEADER + "1,the first complaint,card,no,north\n")
    second = read_new_records(case, environment, first.files, KnownRecords.of(TableRows(first.records)), NOW)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("1", "no")]
    assert second.counts["files_changed"] == 1 and second.counts["files_unchanged"] == 1
    assert sorted(fingerprint(use_case(source={"uri": "s3://records/in/*.csv"}).settings.source, environment)) == [
        "s3://records/in/a.csv"
    ]


def test_packed_files_checksums_and_saved_datasets_work_in_a_bucket(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [
        {"id": str(i), "text": f"complaint {i}", "label": "card", "consent": "yes", "region": "north"} for i in range(3)
    ]
    with s3_bucket("packed", monkeypatch) as client:
        data = gzip.compress("\n".join(map(json.dumps, rows)).encode())
        client.put_object(Bucket="packed", Key="in/a.jsonl.gz", Body=data)
        client.put_object(
            Bucket="packed", Key="in/SHA256SUMS", Body=f"{hashlib.sha256(data).hexdigest()}  a.jsonl.gz\n".encode()
        )
        case = use_case(source={"uri": "s3://packed/in"})
        assert read_new_records(case, environment, {}, None, NOW).records.num_rows == 3
        client.put_object(Bucket="packed", Key="in/a.jsonl.gz", Body=gzip.compress(b"{}"))
        for uri in ("s3://packed/in", "s3://packed/in/a.jsonl.gz"):
            with pytest.raises(SourceError, match="damaged or exchanged"):
                fingerprint(use_case(source={"uri": uri}).settings.source, environment)
        with pa.ipc.new_stream(tmp_path / "data.arrow", pa.Table.from_pylist(rows).schema) as writer:
            writer.write_table(pa.Table.from_pylist(rows))
        client.upload_file(str(tmp_path / "data.arrow"), "packed", "saved/data.arrow")
        client.put_object(
            Bucket="packed", Key="saved/state.json", Body=b'{"_data_files": [{"filename": "data.arrow"}]}'
        )
        client.put_object(Bucket="packed", Key="saved/dataset_info.json", Body=b"{}")
        found = read_new_records(use_case(source={"uri": "s3://packed/saved"}), environment, {}, None, NOW)
        assert found.records.num_rows == 3 and list(found.files) == ["s3://packed/saved/data.arrow"]


def test_a_delta_table_in_a_bucket_is_read_and_never_taken_for_loose_files(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"id": str(i), "text": f"complaint {i}", "label": "card", "consent": "yes", "region": "north"} for i in range(3)
    ]
    with s3_bucket("records", monkeypatch):
        write_deltalake("s3://records/delta", pa.Table.from_pylist(rows), storage_options=environment.storage_options())
        case = use_case(source={"uri": "s3://records/delta", "format": "delta"})
        assert read_new_records(case, environment, {}, None, NOW).records.num_rows == 3
        with pytest.raises(SourceError, match=r"Set source\.format: delta"):
            fingerprint(use_case(source={"uri": "s3://records/delta"}).settings.source, environment)


def test_what_is_not_there_is_an_error(bucket, environment: Environment) -> None:
    for uri in ("s3://records/nothing.csv", "s3://records/none/*.csv", "s3://nowhere/a.csv"):
        with pytest.raises(SourceError, match=r"there is no file|no file matches"):
            fingerprint(use_case(source={"uri": uri}).settings.source, environment)


def test_a_store_that_does_not_answer_is_a_passing_trouble(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    def unreachable(*_args, **_kwargs) -> bool:
        raise ConnectionError("secret details")

    monkeypatch.setattr(MemoryFileSystem, "isfile", unreachable)
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        fingerprint(use_case(source={"uri": "memory://records/a.csv"}).settings.source, environment)
    assert "secret" not in str(caught.value)


def test_two_runs_at_once_add_rows_once_where_no_lock_holds(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run of the same stage begins and ends inside this one: before the lock, the commit, the rows or the
    manifest."""
    case = use_case(source={"uri": "s3://records/in/a.csv"})
    with s3_bucket("records", monkeypatch, own_process=True) as client:
        for owner, name in (
            (Lake, "write_table"),
            (Lake, "_commit"),
            (tables, "write_deltalake"),
            (Lake, "_write_signed"),
        ):
            lake = Lake(f"s3://records/{name}", environment.storage_options())
            client.put_object(
                Bucket="records", Key="in/a.csv", Body=f"{HEADER}1,the first complaint,card,yes,north\n".encode()
            )
            ingest_source(lake, environment, case)
            client.put_object(
                Bucket="records",
                Key="in/a.csv",
                Body=f"{HEADER}1,the first complaint,card,yes,north\n2,the second,card,yes,north\n".encode(),
            )
            original, waiting = getattr(owner, name), [lambda lake=lake: ingest_source(lake, environment, case)]

            def with_another_run(
                *arguments: Any, original: Any = original, waiting: list[Any] = waiting, **options: Any
            ) -> Any:
                if waiting:
                    waiting.pop()()
                return original(*arguments, **options)

            with monkeypatch.context() as patched, suppress(TransientError):
                patched.setattr(owner, name, with_another_run)
                ingest_source(lake, environment, case)
            version, _ = ingest_source(lake, environment, case)
            assert not waiting and sorted(lake.read_table(version, ["source_key"])["source_key"].to_pylist()) == [
                "1",
                "2",
            ], name
            lake.verify_table(version)
