"""Earlier versions of objects in a bucket that keeps them: what holds something of the persons is deleted for good.

Covered: S3 and what speaks its protocol, Azure Blob, Google Cloud Storage, all objects of the lake. Not covered:
versions that are locked (Object Lock, immutability), or that this account may not delete: they are counted. Versions
that a store keeps for a while after they were deleted (soft delete): turn it off, or wait."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fsspec.asyn import sync

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in_file
from ft_platform.lake.file_systems import refused
from ft_platform.lake.places import Places


@dataclass
class OldVersions:
    """What came of them.

    Attributes:
        deleted, kept: versions that held something; those that were not deleted.
        why: type of the first error.
    """

    deleted: int = 0
    kept: int = 0
    why: str = ""


@dataclass(frozen=True)
class Versions:
    """How a store keeps them.

    Attributes:
        kept: whether it does.
        old: key and id of each below a prefix that is not the newest.
        delete: one of them, for good.
        named: how its file system names one in a path.
    """

    kept: Callable[[], bool]
    old: Callable[[str], Iterator[tuple[str, str]]]
    delete: Callable[[str, str], Any]
    named: str


def erase_old_versions(lake: Places, needles: Needles) -> OldVersions | None:
    """Deletes them. Done again, it goes on where it was. None: nothing keeps versions here."""
    if (versions := _versions(lake)) is None:
        return None
    found, kept = OldVersions(), False
    aware = type(lake.fs)(*lake.fs.storage_args, **{**lake.fs.storage_options, "version_aware": True})
    try:
        kept = versions.kept()
        for key, version in versions.old(_key(f"{lake.folder}/")) if kept else ():
            with aware.open(f"{_bucket(lake)}/{key}{versions.named}{version}", "rb") as file:
                holds = bytes_in_file(file, needles, 0)[0] > 0
            if holds:
                _delete(versions, key, version, found)
    except Exception as error:  # the account may not look at versions: each client has a type of its own for that
        if not isinstance(error, OSError) and not refused(error):
            raise
        found.why = type(error).__name__
    return found if kept or found.why else None


def remove_versions_of(lake: Places, path: str) -> None:
    """Deletes every version of an object, after it was removed. Where this account may not, the certificate says so:
    earlier versions of the same object stayed before it was signed."""
    if versions := _versions(lake):
        with suppress(PermissionError):
            for key, version in versions.old(_key(path)):
                versions.delete(key, version)


def _delete(versions: Versions, key: str, version: str, found: OldVersions) -> None:
    try:
        versions.delete(key, version)
        found.deleted += 1
    except Exception as error:
        if not isinstance(error, OSError) and not refused(error):
            raise
        found.kept, found.why = found.kept + 1, found.why or type(error).__name__


def _versions(lake: Places) -> Versions | None:
    kinds = {"s3": _s3, "gs": _gcs, "gcs": _gcs, "abfss": _azure, "abfs": _azure, "az": _azure}
    made = kinds.get(lake.root.partition("://")[0])
    return None if lake.is_local or made is None else made(lake.fs, _bucket(lake))


def _bucket(lake: Places) -> str:
    return lake.folder.partition("/")[0]


def _key(path: str) -> str:
    return path.partition("/")[2]


def _s3(fs: Any, bucket: str) -> Versions:
    def old(prefix: str) -> Iterator[tuple[str, str]]:
        more: dict[str, Any] = {}
        while True:
            page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **more)
            for one in page.get("Versions", []):
                if not one["IsLatest"] and one["VersionId"] != "null":
                    yield one["Key"], one["VersionId"]
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def delete(key: str, version: str) -> Any:
        return fs.call_s3("delete_object", Bucket=bucket, Key=key, VersionId=version)

    return Versions(
        lambda: bool(fs.call_s3("get_bucket_versioning", Bucket=bucket).get("Status")), old, delete, "?versionId="
    )


def _gcs(fs: Any, bucket: str) -> Versions:
    def old(prefix: str) -> Iterator[tuple[str, str]]:
        more: dict[str, Any] = {}
        while True:
            page = fs.call("GET", "b/{}/o", bucket, prefix=prefix, versions="true", json_out=True, **more)
            for one in page.get("items", []):
                if one.get("timeDeleted"):
                    yield one["name"], str(one["generation"])
            if not page.get("nextPageToken"):
                return
            more = {"pageToken": page["nextPageToken"]}

    def delete(key: str, version: str) -> Any:
        return fs.call("DELETE", "b/{}/o/{}", bucket, key, generation=version)

    # A bucket that has stopped to keep versions still has those from before.
    return Versions(lambda: next(old(""), None) is not None, old, delete, "#")


def _azure(fs: Any, bucket: str) -> Versions:
    def old(prefix: str) -> Iterator[tuple[str, str]]:
        async def listed() -> list[tuple[str, str]]:
            async with fs.service_client.get_container_client(bucket) as container:
                found = container.list_blobs(name_starts_with=prefix, include=["versions"])
                return [(one.name, one.version_id) async for one in found if not one.is_current_version]

        found: list[tuple[str, str]] = sync(fs.loop, listed) or []
        yield from ((key, version) for key, version in found if version)

    def delete(key: str, version: str) -> Any:
        async def deleted() -> None:
            async with fs.service_client.get_blob_client(bucket, key) as blob:
                await blob.delete_blob(version_id=version)

        return sync(fs.loop, deleted)

    # Whether an account keeps versions is told to its managers only; where it keeps none, none are listed.
    return Versions(lambda: next(old(""), None) is not None, old, delete, "?versionid=")
