"""Objects that nobody can delete or replace before a day, not even the owner of the account: Object Lock of S3 (mode
COMPLIANCE), object retention of Google Cloud Storage (Locked), policies of versions of Azure Blob (Locked).

S3 refuses a lock that its bucket does not know. The others are asked afterwards whether they hold it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from fsspec.asyn import sync

from ft_platform.errors import TransientError
from ft_platform.lake.files import create
from ft_platform.lake.object_versions import AZURE, GCS, S3, STORES, Store

Put = Callable[[Any, str, bytes, datetime], None]
EARLIER = timedelta(hours=1)
"""So much earlier a lock may end: it is put again where an answer was lost, and stores round."""


def put_locked(protocol: str, fs: Any, path: str, content: bytes, until: datetime) -> None:
    """Writes an object that stays until then.

    Raises:
        TransientError: the store took it and did not lock it.
    """
    PUT[STORES[protocol]](fs, path, content, until)


def _s3(fs: Any, path: str, content: bytes, until: datetime) -> None:
    fs.pipe_file(path, content, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)


def _gcs(fs: Any, path: str, content: bytes, until: datetime) -> None:
    """In two steps, of which each can be done again: what is not locked has not been anchored."""
    create(fs, path, content)
    place = "b/{}/o/{}", *path.split("/", 1)

    def held() -> tuple[str | None, datetime | None]:
        found = fs.call("GET", *place, json_out=True).get("retention", {})
        return found.get("mode"), datetime.fromisoformat(found["retainUntilTime"]) if found else None

    if not _holds(*held(), until):
        wanted = {"mode": "Locked", "retainUntilTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        fs.call("PATCH", *place, json={"retention": wanted})
    _require(*held(), until)


def _azure(fs: Any, path: str, content: bytes, until: datetime) -> None:
    from azure.storage.blob import ImmutabilityPolicy  # pyright: ignore[reportMissingImports]

    bucket, _, key = path.partition("/")

    async def put() -> Any:
        async with fs.service_client.get_blob_client(bucket, key) as blob:
            policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Locked")
            await blob.upload_blob(content, overwrite=True, immutability_policy=policy)
            return (await blob.get_blob_properties()).immutability_policy

    found: Any = sync(fs.loop, put)
    _require(found.policy_mode, found.expiry_time, until)


def _holds(mode: str | None, held: datetime | None, until: datetime) -> bool:
    return str(mode).lower() == "locked" and held is not None and held >= until - EARLIER


def _require(mode: str | None, held: datetime | None, until: datetime) -> None:
    if not _holds(mode, held, until):
        raise TransientError(
            "the store took a checkpoint and does not lock it",
            "Switch it on for the bucket or container: docs/how_to/audit_log.md#anchor-it-outside",
        )


PUT: Mapping[Store, Put] = MappingProxyType({S3: _s3, GCS: _gcs, AZURE: _azure})
