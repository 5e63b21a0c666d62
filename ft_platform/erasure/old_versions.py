"""Earlier versions of objects in a bucket that keeps them: what holds something of the persons is deleted for good.

Covered: S3 and what speaks its protocol, all objects of the lake. Not covered: versions that are locked (Object Lock),
or that this account may not delete: they are counted. Other object stores."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in_file
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


def erase_old_versions(lake: Places, needles: Needles) -> OldVersions | None:
    """Deletes them. Done again, it goes on where it was. None: nothing keeps versions here."""
    if lake.is_local or not hasattr(lake.fs, "call_s3"):
        return None
    found, versioned = OldVersions(), False
    aware = type(lake.fs)(*lake.fs.storage_args, **{**lake.fs.storage_options, "version_aware": True})
    try:
        versioned = bool(lake.fs.call_s3("get_bucket_versioning", Bucket=_bucket(lake)).get("Status"))
        for key, version in _old(lake, f"{lake.folder}/") if versioned else ():
            if _holds(aware, f"{_bucket(lake)}/{key}", version, needles):
                _delete(lake, key, version, found)
    except OSError as error:  # the account may not look at versions: s3fs tells it as this
        found.why = type(error).__name__
    return found if versioned or found.why else None


def remove_versions_of(lake: Places, path: str) -> None:
    """Deletes every version of an object, after it was removed. Where this account may not, the certificate says so:
    earlier versions of the same object stayed before it was signed."""
    if not lake.is_local and hasattr(lake.fs, "call_s3"):
        with suppress(PermissionError):
            for key, version in _old(lake, path):
                lake.fs.call_s3("delete_object", Bucket=_bucket(lake), Key=key, VersionId=version)


def _bucket(lake: Places) -> str:
    return lake.folder.partition("/")[0]


def _old(lake: Places, path: str) -> Iterator[tuple[str, str]]:
    """Key and id of each version below a path that is not the newest."""
    more: dict[str, Any] = {}
    while True:
        prefix = path.partition("/")[2]
        page = lake.fs.call_s3("list_object_versions", Bucket=_bucket(lake), Prefix=prefix, **more)
        for one in page.get("Versions", []):
            if not one["IsLatest"] and one["VersionId"] != "null":
                yield one["Key"], one["VersionId"]
        if not page.get("IsTruncated"):
            return
        more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def _holds(aware: Any, path: str, version: str, needles: Needles) -> bool:
    with aware.open(path, "rb", version_id=version) as file:
        return bytes_in_file(file, needles, 0)[0] > 0


def _delete(lake: Places, key: str, version: str, found: OldVersions) -> None:
    try:
        lake.fs.call_s3("delete_object", Bucket=_bucket(lake), Key=key, VersionId=version)
        found.deleted += 1
    except OSError as error:
        found.kept, found.why = found.kept + 1, found.why or type(error).__name__
