"""Versions of objects, as stores that keep them list them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fsspec.asyn import sync


@dataclass(frozen=True)
class ObjectVersion:
    """One of an object.

    Attributes:
        id: empty where the store keeps no versions.
        newest: whether it is what is read without an id.
    """

    key: str
    id: str
    newest: bool


Listing = Callable[[str], Iterator[ObjectVersion]]
"""Prefix of keys -> all versions below it."""


@dataclass(frozen=True)
class Store:
    """How a store lists versions.

    Attributes:
        listing: file system and bucket -> its listing.
        named: what stands before the id in a path of its file system, which must be `version_aware`.
    """

    listing: Callable[[Any, str], Listing]
    named: str

    def path(self, bucket: str, version: ObjectVersion) -> str:
        """Of this version, whichever is the newest."""
        return f"{bucket}/{version.key}{self.named}{version.id}" if version.id else f"{bucket}/{version.key}"


def _s3(fs: Any, bucket: str) -> Listing:
    def listed(prefix: str) -> Iterator[ObjectVersion]:
        more: dict[str, Any] = {}
        while True:
            page = fs.call_s3("list_object_versions", Bucket=bucket, Prefix=prefix, **more)
            for one in page.get("Versions", []):
                yield ObjectVersion(one["Key"], one["VersionId"], one["IsLatest"])
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    return listed


def _gcs(fs: Any, bucket: str) -> Listing:
    def listed(prefix: str) -> Iterator[ObjectVersion]:
        more: dict[str, Any] = {}
        while True:
            page = fs.call("GET", "b/{}/o", bucket, prefix=prefix, versions="true", json_out=True, **more)
            for one in page.get("items", []):
                yield ObjectVersion(one["name"], str(one["generation"]), not one.get("timeDeleted"))
            if not page.get("nextPageToken"):
                return
            more = {"pageToken": page["nextPageToken"]}

    return listed


def _azure(fs: Any, bucket: str) -> Listing:
    def listed(prefix: str) -> Iterator[ObjectVersion]:
        async def found() -> list[ObjectVersion]:
            async with fs.service_client.get_container_client(bucket) as container:
                return [
                    ObjectVersion(one.name, one.version_id or "", not one.version_id or bool(one.is_current_version))
                    async for one in container.list_blobs(name_starts_with=prefix, include=["versions"])
                ]

        yield from sync(fs.loop, found) or []

    return listed


S3, GCS, AZURE = Store(_s3, "?versionId="), Store(_gcs, "#"), Store(_azure, "?versionid=")
STORES: Mapping[str, Store] = MappingProxyType(
    {"s3": S3, **dict.fromkeys(("gs", "gcs"), GCS), **dict.fromkeys(("abfss", "abfs", "az"), AZURE)}
)
"""Protocol -> how it lists them."""
