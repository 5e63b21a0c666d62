"""Each zone of a lake in S3 under its own key (SSE-KMS): what names the key when an object is made, and whether it lies
under that key.

Covered: all that is written below the root of the lake, by Delta's library and by s3fs. Not covered: who may use a key
(its own policy, `infra/aws`); writers that are not the platform, which the policy of the bucket refuses
(`people.bucket_rights`); earlier versions of objects; other stores, whose clients name no key for an object: there the
bucket has one (`infra/gcp`, `infra/azure`)."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from ft_platform.lake.places import Places

STREAMS = 16
"""Questions at once."""


def wrong_keys(lake: Places, most: int | None = None, fs: Any = None) -> Iterator[str]:
    """What lies in a zone and not under its key, a sentence each; nothing where no keys are named.

    Args:
        most: of each zone, so many objects are looked at; default: all.
        fs: another client than the lake's, which asks the same store.
    """
    client: Any = fs or lake.fs
    bucket = lake.folder.partition("/")[0]

    def judged(path: str) -> str:
        try:
            found = client.call_s3("head_object", Bucket=bucket, Key=path.partition("/")[2])
        except FileNotFoundError:  # an erasure, or whoever tidies up
            return ""
        relative = path.removeprefix(f"{lake.folder}/")
        return wrong(relative, lake.keys[relative.partition("/")[0]], found)

    for zone in lake.keys:
        with ThreadPoolExecutor(STREAMS) as pool:
            paths = _objects(client, bucket, f"{lake.folder}/{zone}/".partition("/")[2])
            yield from filter(None, pool.map(judged, islice(paths, most)))


def _objects(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    more: dict[str, Any] = {}
    while True:
        page = client.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        yield from (f"{bucket}/{one['Key']}" for one in page.get("Contents", []))
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def wrong(path: str, key: str, head: Mapping[str, Any]) -> str:
    """What is wrong with an object; empty: nothing.

    Args:
        head: what S3 says of it.
    """
    found = str(head.get("SSEKMSKeyId") or "")
    if head.get("ServerSideEncryption") != "aws:kms" or not found:
        return f"{path} is not encrypted under the key of its zone"
    # S3 tells the whole name of a key, whether the whole or its id was given.
    return "" if found.rpartition("/")[2] == key.rpartition("/")[2] else f"{path} is under another key than its zone"
