"""The stand-ins in front of emulators of object stores answer as the vendors' clients and models want it, and a lake
lies on Azurite and on fake-gcs-server; `test_object_store.py` tries it hard there."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform.lake.inspection import inspect
from ft_platform_tests.compute.discovery import faults
from ft_platform_tests.lake.object_store.azure_versions import keeping_versions
from ft_platform_tests.lake.object_store.stores import ACCOUNT, BUCKET, KEY, STORES
from ft_platform_tests.lake.object_store.work import (
    CHECKPOINT,
    NAME,
    SCHEMA,
    TABLE,
    USE_CASE,
    opened,
    publish,
    publish_checkpoint,
    rows,
)


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[str]:
    with STORES["azure"].started(tmp_path) as address, keeping_versions(address, ACCOUNT, KEY) as found:
        yield found.address


@pytest.mark.components(name="azure_lake")
def test_microsofts_client_reads_and_deletes_versions(azurite: str) -> None:
    from azure.core.exceptions import HttpResponseError  # pyright: ignore[reportMissingImports]
    from azure.storage.blob import BlobServiceClient  # pyright: ignore[reportMissingImports]

    client = BlobServiceClient(f"{azurite}/{ACCOUNT}", {"account_name": ACCOUNT, "account_key": KEY})
    container = client.get_container_client(BUCKET)
    made = [container.upload_blob("a", text, overwrite=True) for text in (b"first", b"second", b"third")]
    assert made[0].get_blob_properties()["version_id"] is None, "not asked for"
    container.upload_blob("b", b"x")

    def versions() -> list[tuple[str, str, bool, int]]:
        found = list(container.list_blobs(include=["versions"]))
        assert all(one.version_id and one.etag and one.last_modified for one in found)
        return sorted((one.name, one.version_id, bool(one.is_current_version), one.size) for one in found)

    found = versions()
    assert [(name, newest, size) for name, _, newest, size in found] == [
        *(("a", False, 5), ("a", False, 6), ("a", True, 5)),
        ("b", True, 1),
    ]
    first, second, third = (container.get_blob_client("a", version_id=one[1]) for one in found[:3])
    assert first.download_blob().readall() == b"first" and third.download_blob().readall() == b"third"
    assert second.download_blob(offset=1, length=3).readall() == b"eco"
    with pytest.raises(HttpResponseError, match="OperationNotAllowedOnRootBlob"):
        third.delete_blob()
    first.delete_blob()
    container.delete_blob("a")
    assert [(name, newest) for name, _, newest, _ in versions()] == [("a", False), ("a", False), ("b", True)]
    with pytest.raises(HttpResponseError, match="BlobNotFound"):
        first.download_blob()


@pytest.fixture
def fake_gcs(tmp_path: Path) -> Iterator[str]:
    with STORES["gcs"].started(tmp_path) as address, STORES["gcs"].with_versions(address, "kept") as found:
        yield found


def asked(method: str, address: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, body, {**named, "content-type": "text/plain"}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read(), {}


@pytest.mark.components(name="gcs_lake")
def test_an_upload_by_the_xml_api_is_judged_and_a_generation_goes(fake_gcs: str) -> None:
    place, listed = f"{fake_gcs}/kept/a%2Fb", f"{fake_gcs}/storage/v1/b/kept/o?versions=true"
    status, _, headers = asked("PUT", place, b"first", x_goog_if_generation_match="0")
    assert status == 200 and headers["etag"].startswith('"') and headers["x-goog-generation"].isdigit()
    assert asked("PUT", place, b"other", x_goog_if_generation_match="0")[0] == 412
    assert asked("PUT", place, b"second", x_goog_if_generation_match=headers["x-goog-generation"])[0] == 200
    assert asked("GET", place)[1] == b"second"

    def generations() -> list[str]:
        found = json.loads(asked("GET", listed)[1])
        assert faults("storage.v1", "Objects", found) == []
        return [one["generation"] for one in found["items"]]

    assert len(generations()) == 2
    earlier = f"{fake_gcs}/storage/v1/b/kept/o/a%2Fb?generation={headers['x-goog-generation']}"
    assert asked("GET", f"{earlier}&alt=media")[1] == b"first"
    assert asked("DELETE", earlier)[0] == 204 and asked("GET", earlier)[0] == asked("DELETE", earlier)[0] == 404
    assert len(generations()) == 1 and asked("GET", place)[1] == b"second"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("azure", marks=pytest.mark.components(name="azure_lake")),
        pytest.param("gcs", marks=pytest.mark.components(name="gcs_lake")),
    ],
)
def test_a_lake_lies_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with STORES[name].started(tmp_path / "server") as address:
        place = STORES[name].variables(address), str(tmp_path / "home"), f"{STORES[name].root}/lake"
        for variable, value in place[0].items():
            monkeypatch.setenv(variable, value)
        publish(place)
        lake = opened(place)
        second = lake.write_table(USE_CASE, TABLE, rows("more"), SCHEMA, zone="restricted", append=True)
        lake.verify_table(second)
        assert sorted(lake.read_table(second)["record_id"].to_pylist()) == ["more", "new"]
        first = lake.artifact(USE_CASE, NAME, CHECKPOINT)
        publish_checkpoint(lake, b"other")
        assert first and lake.artifact(USE_CASE, NAME, CHECKPOINT) == first
        found = inspect(opened(place), USE_CASE)
        assert (found.problems, found.tables, found.artifacts) == ([], 2, 1)
