"""Who may do what in a bucket with the lake, from the table of rights (`people.actions`): roles and a bucket policy of
AWS, as a CloudFormation template.

Each role of a use case is a role of AWS, and so is each kind of program. People only read there; what they change goes
through the platform, which has a role of its own.

Covered: reading, writing, deleting and listing by zone and use case; everybody else of the account is refused even with
`s3:*`; a role that reads records is taken for a purpose, with a second factor, for an hour at most. Not covered:
whoever may change roles or the bucket policy; other stores."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from ft_platform.errors import ConfigError
from ft_platform.people.actions import ACTIONS
from ft_platform.use_case.settings.roles import OWNER_ROLES, ROLES

ZONES = MappingProxyType({"shared": "see", "restricted": "read_records", "vault": "look_up_person"})
"""Zones with a folder for each use case -> the action that reads there."""
AUDIT_LOG, READS_AUDIT_LOG = "audit_log", "read_audit_log"
"""It is not divided by use cases, so only who may read all of it reads it in the bucket."""

DO = MappingProxyType(
    {
        "read": ("s3:GetObject", "s3:GetObjectVersion"),
        "write": ("s3:PutObject", "s3:AbortMultipartUpload"),
        "delete": ("s3:DeleteObject",),
    }
)
ALL = tuple(DO)
REFUSED = MappingProxyType({"read": "s3:GetObject*", "write": "s3:PutObject*", "delete": "s3:DeleteObject*"})
"""What is refused to everybody else: with attributes, tags, versions, ACLs and retention of objects."""
PROGRAMS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "platform": {
            "shared/*": ALL,
            "restricted/*": ALL,
            "vault/*": ("write",),
            f"{AUDIT_LOG}/*": ("read", "write"),
        },
        "workers": {"shared/*": ALL},
        "vault_reader": {
            "shared/*": ("read",),
            "vault/*": ("read",),
            "vault/*/audit/*": ("write",),
            f"{AUDIT_LOG}/*": ("read", "write"),
        },
    }
)
"""`platform`: runs data stages, commands and pages, and keeps the audit log. `workers`: train, evaluate and serve.
`vault_reader`: `ft vault read`, for whoever holds the vault key. Each -> path below the lake -> what it does there."""

SERVICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ecs-tasks.amazonaws.com": ("sts:AssumeRole",), "pods.eks.amazonaws.com": ("sts:AssumeRole", "sts:TagSession")}
)
"""What starts programs in AWS -> how it takes their role: tasks of ECS and jobs of Batch, pods of EKS."""
RUN_BY_SERVICES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"platform": SERVICES, "workers": {**SERVICES, "sagemaker.amazonaws.com": ("sts:AssumeRole",)}}
)
"""Program -> by which of them it is run; training jobs of SageMaker are workers."""
LONGEST_NAME = 64
LARGEST_POLICY = 20_480
"""Characters of the name of a role, bytes of a bucket policy (AWS)."""
NAMED_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"
"""Condition key: under which key an object is to be written. It knows whole names (ARN) only."""
PURPOSE_TAG = "ft-purpose"
SESSION_SECONDS = 3600
"""The shortest longest session that AWS allows for a role."""


@dataclass(frozen=True)
class Bucket:
    """Where a lake lies.

    Attributes:
        account: number of the AWS account.
        prefix: of the lake in the bucket; empty: all of it.
    """

    name: str
    prefix: str
    account: str

    def arn(self, path: str) -> str:
        return f"arn:aws:s3:::{self.name}/{self.key(path)}"

    def key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"


def role_names(use_cases: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name of a role of AWS -> role of people, and use case or empty.

    Raises:
        ConfigError: a name is longer than AWS allows.
    """
    found = {f"ft-{name}-{role}": (role, name) for name in use_cases for role in OWNER_ROLES}
    found |= {f"ft-{role}": (role, "") for role in ROLES if role not in OWNER_ROLES}
    if long := [name for name in found if len(name) > LONGEST_NAME]:
        problem = f"names of roles may have {LONGEST_NAME} characters, which {', '.join(long)} exceed"
        raise ConfigError([problem], "Shorten the name of the use case")
    return found


def readable(role: str, use_case: str) -> list[str]:
    """What a role of people reads below the lake. As an owner of a use case: nothing outside of it."""
    if use_case:
        return [f"{zone}/{use_case}/*" for zone, action in ZONES.items() if role in ACTIONS[action].roles]
    reads = {**{f"{zone}/*": action for zone, action in ZONES.items()}, f"{AUDIT_LOG}/*": READS_AUDIT_LOG}
    return [path for path, action in reads.items() if ACTIONS[action].roles.get(role) == "all"]


def rights(use_cases: Iterable[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Name of a role of AWS -> path below the lake -> `read`, `write`, `delete`: the matrix of people and programs."""
    found: dict[str, dict[str, tuple[str, ...]]] = {
        name: dict.fromkeys(readable(role, use_case), ("read",))
        for name, (role, use_case) in role_names(use_cases).items()
    }
    return found | {f"ft-{name}": dict(paths) for name, paths in PROGRAMS.items()}


def role_policy(bucket: Bucket, paths: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """What a role may; everything else is refused."""
    statements = [
        _statement("Allow", [action for do in done for action in DO[do]], [bucket.arn(path)])
        for path, done in paths.items()
    ]
    listing = _statement("Allow", ["s3:ListBucket"], [f"arn:aws:s3:::{bucket.name}"])
    prefixes = {"StringLike": {"s3:prefix": [bucket.key(path) for path in paths]}}
    return _document([*statements, listing | {"Condition": prefixes}])


def bucket_policy(
    bucket: Bucket, use_cases: Iterable[str], keys: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Who is refused, whatever their own policies say.

    Args:
        keys: zone -> ARN of the key under which it must be written.

    Raises:
        ConfigError: AWS takes no policy of this size.
    """
    use_cases = list(use_cases)
    matrix, whole = rights(use_cases), [f"arn:aws:s3:::{bucket.name}", bucket.arn("*")]
    plain = _statement("Deny", ["s3:*"], whole) | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    statements = [plain | {"Principal": "*"}, _all_but(bucket, ["ft-*"], [*REFUSED.values(), "s3:ListBucket*"], whole)]
    roles = {_pattern(name): paths for name, paths in matrix.items()}
    for zone in (*ZONES, AUDIT_LOG):
        for do, action in REFUSED.items():
            may = [name for name, paths in roles.items() if any(p.startswith(f"{zone}/") for p in _where(paths, do))]
            statements.append(_all_but(bucket, may, [action], [bucket.arn(f"{zone}/*")]))
    for zone in ("restricted", "vault"):
        for use_case in use_cases:
            path = f"{zone}/{use_case}/*"
            readers = [name for name, paths in matrix.items() if _where(paths, "read") & {path, f"{zone}/*"}]
            statements.append(_all_but(bucket, readers, [REFUSED["read"]], [bucket.arn(path)]))
    for zone, key in keys.items():
        named = {"StringNotEquals": {NAMED_KEY: key}}  # true too where a request names none
        put = _statement("Deny", ["s3:PutObject"], [bucket.arn(f"{zone}/*")])
        statements.append(put | {"Principal": "*", "Condition": named})
    made = _document(statements)
    if (size := len(json.dumps(made))) > LARGEST_POLICY:
        problem = f"the policy of the bucket would have {size:,} bytes, and AWS takes {LARGEST_POLICY:,}"
        raise ConfigError([problem], "Give some use cases an installation and a bucket of their own")
    return made


def _pattern(name: str) -> str:
    """A role in whichever use case, whose name has no hyphen: with all names the policy would soon be too large."""
    parts = name.split("-")
    return f"ft-*-{parts[2]}" if len(parts) == 3 else name


def _where(paths: Mapping[str, tuple[str, ...]], do: str) -> set[str]:
    return {path for path, done in paths.items() if do in done}


def _all_but(bucket: Bucket, allowed: Iterable[str], actions: list[str], resources: list[str]) -> dict[str, Any]:
    """Refuses everybody but some roles."""
    refused = {**_statement("Deny", actions, resources), "Principal": "*"}
    if names := [bucket.role_arn(name) for name in allowed]:
        refused["Condition"] = {"StringNotLike": {"aws:PrincipalArn": names}}
    return refused


def _statement(effect: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": effect, "Action": actions, "Resource": resources}


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def trust_policy(bucket: Bucket, role: str, purposes: Iterable[str]) -> dict[str, Any]:
    """Who takes a role of people: whoever the account lets, with a second factor; where it reads records of persons,
    for a purpose of the policy, which CloudTrail notes with the session."""
    trusted: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{bucket.account}:root"}}
    condition: dict[str, Any] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    actions = ["sts:AssumeRole"]
    if any(role in ACTIONS[ZONES[zone]].roles for zone in ("restricted", "vault")):
        condition["StringEquals"] = {f"aws:RequestTag/{PURPOSE_TAG}": list(purposes)}
        actions.append("sts:TagSession")
    return _document([{**trusted, "Action": actions, "Condition": condition}])


def program_trust(bucket: Bucket, program: str) -> dict[str, Any]:
    """Who takes a role of programs: the principal that the template asks for, and services of AWS of this account.
    The role that reads the vault is given to no service: a person runs `ft vault read`."""
    principal: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": {"Ref": "ProgramsPrincipal"}}}
    here = {"StringEquals": {"aws:SourceAccount": bucket.account}}
    services: list[dict[str, Any]] = [
        {"Effect": "Allow", "Principal": {"Service": name}, "Action": list(actions), "Condition": here}
        for name, actions in RUN_BY_SERVICES.get(program, {}).items()
    ]
    return _document([principal | {"Action": ["sts:AssumeRole"]}, *services])


def template(
    bucket: Bucket,
    use_cases: Iterable[str],
    purposes: Iterable[str],
    keys: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """A CloudFormation template with all roles and the policy of a bucket that exists.

    Args:
        keys: `lake_keys` of the installation.

    Raises:
        ConfigError: AWS takes no policy of this size, or no name of this length; a key is not named by its ARN.
    """
    if short := [zone for zone, key in keys.items() if not key.startswith("arn:")]:
        problem = f"policies of AWS know keys by their ARN only, `lake_keys` has something else for {', '.join(short)}"
        raise ConfigError([problem])
    use_cases, purposes = list(use_cases), list(purposes)
    people, matrix = role_names(use_cases), rights(use_cases)
    resources: dict[str, Any] = {}
    for name, paths in matrix.items():
        role, _ = people.get(name, ("", ""))
        resources[_logical(name)] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": name,
                "AssumeRolePolicyDocument": (
                    trust_policy(bucket, role, purposes) if role else program_trust(bucket, name.removeprefix("ft-"))
                ),
                **({"MaxSessionDuration": SESSION_SECONDS} if role else {}),
                "Policies": [{"PolicyName": "lake", "PolicyDocument": role_policy(bucket, paths)}] if paths else [],
            },
        }
    policy = bucket_policy(bucket, use_cases, keys)
    resources["LakePolicy"] = {
        "Type": "AWS::S3::BucketPolicy",
        "DependsOn": [_logical(name) for name in matrix],
        "Properties": {"Bucket": bucket.name, "PolicyDocument": policy},
    }
    about = "Roles and bucket policy of a lake of ft_platform, from its table of rights."
    parameter = {"Type": "String", "Description": "ARN of the principal that takes the roles of programs."}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": about,
        "Parameters": {"ProgramsPrincipal": parameter},
        "Resources": resources,
    }


def text_of(made: dict[str, Any]) -> str:
    """A template as YAML."""
    plain = json.loads(json.dumps(made))  # without it YAML would write what is said twice as a reference
    return yaml.safe_dump(plain, sort_keys=False, width=150)


def bucket_of(uri: str, account: str) -> Bucket:
    """The bucket of a lake.

    Raises:
        ConfigError: it does not lie in S3, or the account is none.
    """
    found = re.fullmatch(r"s3://([a-z0-9.-]{3,63})(?:/(.+?))?/*", uri)
    if found is None:
        raise ConfigError(
            [f"the lake is in {uri}, and only S3 has such policies"], "See docs/how_to/protect_the_zones.md"
        )
    if not re.fullmatch(r"\d{12}", account):
        raise ConfigError([f"an AWS account has 12 digits, got {account!r}"])
    return Bucket(found[1], found[2] or "", account)


def _logical(name: str) -> str:
    """A name as CloudFormation takes it, letters and digits; different ones stay different."""
    return name.replace("-", "X").replace("_", "Z")
