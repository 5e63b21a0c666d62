"""Sources in an S3 bucket, against a local server of the S3 protocol."""

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ft_platform.environment import Environment
from ft_platform.errors import SourceError, TransientError
from ft_platform.sources.ingest import fingerprint, read_new_records
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
HEADER = "id,text,label,consent,region\n"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket="records")
    yield lambda key, text: client.put_object(Bucket="records", Key=key, Body=text.encode())
    server.stop()


def test_files_of_a_bucket_are_found_read_and_noticed_when_they_change(bucket, environment: Environment) -> None:
    bucket("in/a.csv", HEADER + "1,the first complaint,card,yes,north\n")
    bucket("in/sub/b.csv", HEADER + "2,the second complaint,card,yes,north\n")
    bucket("in/_SUCCESS", "")
    case = use_case(source={"uri": "s3://records/in"})
    first = read_new_records(case, environment, {}, set(), NOW)
    assert sorted(first.files) == ["s3://records/in/a.csv", "s3://records/in/sub/b.csv"]
    assert first.records["source_uri"].to_pylist() == sorted(first.files)
    assert fingerprint(case.settings.source, environment) == first.files
    bucket("in/a.csv", HEADER + "1,the first complaint,card,no,north\n")
    known = set(first.records["record_id"].to_pylist())
    second = read_new_records(case, environment, first.files, known, NOW)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("1", "no")]
    assert second.counts["files_changed"] == 1 and second.counts["files_unchanged"] == 1
    assert sorted(fingerprint(use_case(source={"uri": "s3://records/in/*.csv"}).settings.source, environment)) == ["s3://records/in/a.csv"]


def test_what_is_not_there_is_an_error(bucket, environment: Environment) -> None:
    for uri in ("s3://records/nothing.csv", "s3://records/none/*.csv", "s3://nowhere/a.csv"):
        with pytest.raises(SourceError, match=r"there is no file|no file matches"):
            fingerprint(use_case(source={"uri": uri}).settings.source, environment)


def test_a_store_that_does_not_answer_is_a_passing_trouble(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    def unreachable(*_args, **_kwargs) -> bool:
        raise ConnectionError("secret details")

    monkeypatch.setattr(MemoryFileSystem, "isfile", unreachable)
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        fingerprint(use_case(source={"uri": "memory://records/a.csv"}).settings.source, environment)
    assert "secret" not in str(caught.value)
