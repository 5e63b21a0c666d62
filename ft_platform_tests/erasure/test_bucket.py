"""A lake in a bucket: rewritten and searched there; what a bucket with versions keeps. Persons are fictitious."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in
from ft_platform.lake.files import read_bytes
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.erasure.test_whole import OWNERS, approved, ft, report
from ft_platform_tests.governance.house import House, rows
from ft_platform_tests.lake.object_store.stores import STORES

pytestmark = [pytest.mark.slow, pytest.mark.components(name="aws")]
BUCKET = "letters-lake"


@pytest.fixture
def bucket(installation: Environment, quick_stages: None, monkeypatch) -> Iterator[tuple[House, Any]]:  # noqa: F811
    """`letters` in a bucket, as `test_whole.house` has it on a disk."""
    with s3_bucket(BUCKET, monkeypatch, own_process=True) as client:
        monkeypatch.setenv("FT_LAKE_ROOT", f"s3://{BUCKET}/lake")
        made = House(load_environment(), name="letters")
        made.attributes["owners"] = OWNERS
        write_use_case(installation.defs, "letters", made.attributes)
        yield made, client


def build(house: House) -> None:
    house.write(rows(4, person={1: PERSON}))
    house.build(checkpoint="ckpt-with")
    report(house)


def bytes_in_bucket(client: Any, *words: str) -> int:
    """Bytes of words in every object, versions that are not the newest among them."""
    needles, found = Needles(words), 0
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for one in page.get("Versions", []):
            body = client.get_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
            found += bytes_in(body, needles)[0]
    return found


def test_a_person_is_gone_from_every_object_and_its_earlier_versions_and_the_rest_verifies(bucket, capsys):
    house, client = bucket
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    build(house)
    client.put_object(Bucket=BUCKET, Key="lake/shared/letters/notes.txt", Body=b"of somebody else")
    client.put_object(Bucket=BUCKET, Key="lake/shared/letters/notes.txt", Body=b"later")
    assert bytes_in_bucket(client, PERSON) > 0
    request = approved(capsys)
    found = json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))
    assert (found["rows"], found["versions"], found["bytes_found_after"]) == (5, 5, 0) and found["certificate"]
    assert json.loads(ft(capsys, "show", "letters", request))["searched"]["files"] > 30
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    assert bytes_in_bucket(client, PERSON, pseudonym) == 0
    assert bytes_in_bucket(client, "somebody else") > 0, "versions that hold nothing of the person stay"
    (place,) = [one for one in places(capsys, request) if "earlier versions" in one["place"]]
    assert place["result"] == "erased" and place["count"] > 5
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_versions_that_may_not_be_deleted_are_counted(bucket, capsys, monkeypatch):
    house, client = bucket
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    build(house)
    request = approved(capsys)
    monkeypatch.setattr("ft_platform.erasure.case_file.remove_versions_of", lambda lake, path: None)
    plain = type(house.lake.fs).call_s3

    def refuses(self: Any, method: str, **asked: Any) -> Any:
        if method == "delete_object" and "VersionId" in asked:
            raise PermissionError("AccessDenied")
        return plain(self, method, **asked)

    monkeypatch.setattr(type(house.lake.fs), "call_s3", refuses)
    ft(capsys, "subject", "letters", PERSON, "--json")
    (place,) = [one for one in places(capsys, request) if "earlier versions" in one["place"]]
    assert place["result"] == "not reached" and place["not_deleted"] > 5 and "PermissionError" in place["why"]


@pytest.mark.components(name="azure_lake")
def test_a_person_is_gone_from_every_object_of_a_container(installation, quick_stages, capsys, monkeypatch, tmp_path):  # noqa: F811
    store = STORES["azure"]
    with store.started(tmp_path / "azurite") as address:
        for name, value in {**store.variables(address), "FT_LAKE_ROOT": f"{store.root}/lake"}.items():
            monkeypatch.setenv(name, value)
        house = House(load_environment(), name="letters")
        house.attributes["owners"] = OWNERS
        write_use_case(installation.defs, "letters", house.attributes)
        build(house)

        def holding(*words: str) -> int:
            fs, needles = house.lake.fs, Needles(words)
            return sum(bytes_in(read_bytes(fs, path), needles)[0] for path in fs.find(house.lake.folder))

        assert holding(PERSON) > 0
        approved(capsys)
        found = json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))
        assert (found["rows"], found["versions"], found["bytes_found_after"]) == (5, 5, 0) and found["certificate"]
        assert holding(PERSON, subject_pseudonyms(house.environment, "letters", PERSON)[1]) == 0
        assert inspect(open_lake(house.environment), "letters").problems == []


def places(capsys: pytest.CaptureFixture, request: str) -> list[dict[str, Any]]:
    return json.loads(ft(capsys, "show", "letters", request))["places"]
