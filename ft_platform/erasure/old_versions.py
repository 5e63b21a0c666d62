"""Earlier versions of objects in a bucket that keeps them: what holds something of the persons is deleted for good.

Covered: S3 and what speaks its protocol, Azure Blob, Google Cloud Storage, all objects of the lake. Not covered:
versions that are locked (Object Lock, immutability), or that this account may not delete: they are counted. Versions
that a store keeps for a while after they were deleted (soft delete): turn it off, or wait."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from fsspec.asyn import sync

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in_file
from ft_platform.lake.file_systems import refused
from ft_platform.lake.object_versions import AZURE, GCS, S3, STORES, ObjectVersion, Store
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
        old: each below a prefix that is not the newest.
        delete: one of them, for good.
        path: of one of them, as its file system names it.
    """

    kept: Callable[[], bool]
    old: Callable[[str], Iterator[ObjectVersion]]
    delete: Callable[[ObjectVersion], Any]
    path: Callable[[ObjectVersion], str]


def erase_old_versions(lake: Places, needles: Needles) -> OldVersions | None:
    """Deletes them. Done again, it goes on where it was. None: nothing keeps versions here."""
    if (versions := _versions(lake)) is None:
        return None
    found, kept = OldVersions(), False
    aware = type(lake.fs)(*lake.fs.storage_args, **{**lake.fs.storage_options, "version_aware": True})
    try:
        kept = versions.kept()
        for version in versions.old(_key(f"{lake.folder}/")) if kept else ():
            with aware.open(versions.path(version), "rb") as file:
                holds = bytes_in_file(file, needles)[0] > 0
            if holds:
                _delete(versions, version, found)
    except Exception as error:  # the account may not look at versions: each client has a type of its own for that
        if not isinstance(error, OSError) and not refused(error):
            raise
        found.why = type(error).__name__
    return found if kept or found.why else None


def remove_versions_of(lake: Places, path: str) -> None:
    """Deletes every version of an object, after it was removed. Where this account may not, the certificate says so:
    earlier versions of the same object stayed before it was signed."""
    if versions := _versions(lake):
        try:
            for version in versions.old(_key(path)):
                versions.delete(version)
        except Exception as error:  # each client has a type of its own for a refusal
            if not refused(error):
                raise


def _delete(versions: Versions, version: ObjectVersion, found: OldVersions) -> None:
    try:
        versions.delete(version)
        found.deleted += 1
    except Exception as error:
        if not isinstance(error, OSError) and not refused(error):
            raise
        found.kept, found.why = found.kept + 1, found.why or type(error).__name__


def _versions(lake: Places) -> Versions | None:
    store = STORES.get(lake.root.partition("://")[0])
    if lake.is_local or store is None:
        return None
    fs, bucket = lake.fs, _bucket(lake)
    listing = store.listing(fs, bucket)
    kept, delete = KINDS[store](fs, bucket)

    def old(prefix: str) -> Iterator[ObjectVersion]:
        return (one for one in listing(prefix) if not one.newest and one.id not in ("", "null"))

    # Only S3 tells whether it keeps versions. A bucket of the others that has stopped still has those from before, and
    # one that never did lists none.
    return Versions(kept or (lambda: next(old(""), None) is not None), old, delete, partial(store.path, bucket))


def _bucket(lake: Places) -> str:
    return lake.folder.partition("/")[0]


def _key(path: str) -> str:
    return path.partition("/")[2]


Kind = tuple[Callable[[], bool] | None, Callable[[ObjectVersion], Any]]


def _s3(fs: Any, bucket: str) -> Kind:
    def delete(version: ObjectVersion) -> Any:
        return fs.call_s3("delete_object", Bucket=bucket, Key=version.key, VersionId=version.id)

    return lambda: bool(fs.call_s3("get_bucket_versioning", Bucket=bucket).get("Status")), delete


def _gcs(fs: Any, bucket: str) -> Kind:
    def delete(version: ObjectVersion) -> Any:
        return fs.call("DELETE", "b/{}/o/{}", bucket, version.key, generation=version.id)

    return None, delete


def _azure(fs: Any, bucket: str) -> Kind:
    def delete(version: ObjectVersion) -> Any:
        async def deleted() -> None:
            async with fs.service_client.get_blob_client(bucket, version.key) as blob:
                await blob.delete_blob(version_id=version.id)

        return sync(fs.loop, deleted)

    return None, delete


KINDS: Mapping[Store, Callable[[Any, str], Kind]] = MappingProxyType({S3: _s3, GCS: _gcs, AZURE: _azure})
"""Store -> whether a bucket keeps versions, and what deletes one."""
