"""Whether an object store lets everybody read the lake, and under which keys it lies: what its client can tell.

Covered: on S3 the public-access block, the policy status and the ACL of the bucket, and for a sample of objects
whether they lie under the key of their zone (`ft lake check` asks for all).
Not covered: who of the account may read `restricted/` (IAM, bucket policy, access points), the block of the whole
account, lifecycle and replication; every other object store.
"""

from collections.abc import Callable
from typing import Any

from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.files import code_of
from ft_platform.lake.places import Places
from ft_platform.lake.zone_keys import wrong_keys

QUICK = {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 0}}}
"""Seconds, and no second try: a store that does not answer must not hold up the other checks."""

SAMPLE = 20
"""Objects of each zone."""

EVERYBODY = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
ABSENT = ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy")
POLICY = "Only the role of the data stages should read `restricted/` and `vault/`: docs/how_to/protect_the_zones.md"

KEYS = "Find all: ft lake check. `ft lake copy` writes them anew: docs/how_to/lake_on_an_object_store.md"


def problems_of(lake: Places) -> list[str]:
    """What is open, and what was not looked at, a sentence each."""
    protocol = lake.root.split("://", 1)[0]
    if protocol != "s3":
        return [f"who may read {lake.root} was not checked: ft check knows only S3. {POLICY}"]
    bucket = lake.root.split("://", 1)[1].split("/", 1)[0]
    fs, _ = filesystem(lake.root, {**fsspec_options(lake.root, lake.storage_options), **QUICK})
    fs.retries = 1  # pyright: ignore[reportAttributeAccessIssue]
    found = []
    for about, call, judge in LOOKS:
        try:
            found += [f"bucket {bucket}: {sentence}. {POLICY}" for sentence in judge(fs.call_s3(call, Bucket=bucket))]  # pyright: ignore[reportAttributeAccessIssue]
        except Exception as error:  # the client has an exception of its own for every refusal of every store
            found += [f"bucket {bucket}: {sentence}. {POLICY}" for sentence in _refused(about, error)]
    try:
        wrong = list(wrong_keys(lake, SAMPLE, fs))
        found += [f"bucket {bucket}: {len(wrong)} objects, such as {wrong[0]}. {KEYS}"] if wrong else []
    except Exception as error:
        found.append(
            f"bucket {bucket}: keys of objects could not be checked ({code_of(error) or type(error).__name__})"
        )
    return found


def _refused(about: str, error: Exception) -> list[str]:
    code = code_of(error)
    if code == ABSENT[0]:
        return ["it has no public-access block of its own"]
    return [] if code == ABSENT[1] else [f"its {about} could not be checked ({code or type(error).__name__})"]


def _block(answer: dict[str, Any]) -> list[str]:
    off = [name for name in BLOCKS if not answer["PublicAccessBlockConfiguration"].get(name)]
    return [f"its public-access block has {', '.join(off)} switched off"] if off else []


def _policy(answer: dict[str, Any]) -> list[str]:
    return ["its policy lets everyone in"] if answer["PolicyStatus"]["IsPublic"] else []


def _acl(answer: dict[str, Any]) -> list[str]:
    granted = sorted({grant["Permission"] for grant in answer["Grants"] if grant["Grantee"].get("URI") in EVERYBODY})
    return [f"its ACL gives everyone {', '.join(granted)}"] if granted else []


LOOKS: tuple[tuple[str, str, Callable[[dict[str, Any]], list[str]]], ...] = (
    ("public-access block", "get_public_access_block", _block),
    ("policy", "get_bucket_policy_status", _policy),
    ("ACL", "get_bucket_acl", _acl),
)
"""What is looked at, the call of the client, and what its answer means."""
