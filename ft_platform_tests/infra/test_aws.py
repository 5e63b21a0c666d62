"""What is installed in AWS: the template is judged by cfn-lint, and every role is tried in every zone, by the policies
of the lake's bucket and of its key together. AWS itself was not asked."""

import copy
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("cfnlint")

from cfnlint.api import lint

from ft_platform.people.bucket_rights import (
    NAMED_KEY,
    PROGRAMS,
    Bucket,
    bucket_policy,
    program_trust,
    rights,
    role_policy,
)
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.infra.aws_policies import Json, Request, allowed, read, resolved
from ft_platform_tests.infra.test_bucket_rights import DECLARED, EVERYTHING, HERE, KEYS, MISTAKEN, PLACES, THERE

FILE = REPOSITORY / "infra" / "aws" / "platform.yaml"
ACCOUNT, REGION = "111122223333", "eu-central-1"
LAKE = Bucket("example-lake", "lake", ACCOUNT)
KNOWN = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "LakeBucket": LAKE.name,
    "LakePrefix": LAKE.prefix,
    "Lake.Arn": f"arn:aws:s3:::{LAKE.name}",
}
BACK_ENDS = ("aws_batch", "aws_sagemaker")
KEYS_OF_ZONES = {
    "shared": "SharedKey",
    "restricted": "RestrictedKey",
    "vault": "VaultKey",
    "audit_log": "AuditLogKey",
}
"""Zone -> resource of the template."""
LAKE_KEYS = {zone: f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{name}" for zone, name in KEYS_OF_ZONES.items()}
EVERYTHING_WITH_KEYS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": ["*"]}],
}


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    return read(FILE)["Resources"]


@pytest.fixture(scope="module")
def key_policies(resources: dict[str, Any]) -> Json:
    """Zone -> policy of its key."""
    return {zone: resolved(resources[name]["Properties"]["KeyPolicy"], KNOWN) for zone, name in KEYS_OF_ZONES.items()}


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def zone_of(path: str) -> str:
    return path.removeprefix(f"{LAKE.prefix}/").split("/")[0]


def may(
    role: str, action: str, path: str, own: list[Json], bucket: Json, keys: Json | None, named: str | None = None
) -> bool:
    """Whether a role reads, writes or deletes an object: S3 lets it, and the key opens it.

    Args:
        keys: zone -> policy of its key; None: the bucket alone.
        named: zone whose key the request names; default: that of the object.
    """
    arn, zone = f"arn:aws:s3:::{LAKE.name}/{path}", named or zone_of(path)
    context = {"aws:securetransport": "true", NAMED_KEY: LAKE_KEYS[zone]}
    if not allowed(Request(LAKE.role_arn(role), action, arn, context), own, bucket):
        return False
    with_key = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}.get(action)
    return keys is None or with_key is None or opens(role, with_key, arn, own, keys[zone])


def opens(role: str, action: str, arn: str, own: list[Json], key: Json, **other: str) -> bool:
    """Whether a key opens an object to a role."""
    context = {
        "kms:calleraccount": ACCOUNT,
        "kms:viaservice": f"s3.{REGION}.amazonaws.com",
        "kms:encryptioncontext:aws:s3:arn": arn,
    }
    request = Request(LAKE.role_arn(role), action, LAKE_KEYS["shared"], {**context, **other})
    return allowed(request, own, key, resource_must_grant=True)


def what(role: str, path: str, own: list[Json], bucket: Json, keys: Json | None) -> str:
    done = {"r": "s3:GetObject", "w": "s3:PutObject", "d": "s3:DeleteObject"}
    return "".join(letter for letter, action in done.items() if may(role, action, path, own, bucket, keys)) or "-"


def found_by(role: str, own: list[Json], keys: Json | None) -> tuple[str, ...]:
    bucket = bucket_policy(LAKE, [HERE, THERE], LAKE_KEYS)
    return tuple(
        what(role, KEYS[place], own, bucket, keys)
        if place == "audit log"
        else "/".join(what(role, KEYS[place].format(name), own, bucket, keys) for name in (HERE, THERE))
        for place in PLACES
    )


@pytest.mark.parametrize("name", [*DECLARED, *MISTAKEN])
@pytest.mark.parametrize("with_key", [False, True], ids=["the bucket alone", "with the keys"])
def test_a_role_does_what_is_declared_and_nothing_else(name: str, with_key: bool, key_policies: Json) -> None:
    """The same table, by hand, that a real S3 server is asked about (`test_bucket_rights.py`)."""
    role = f"ft-{name}"
    own = EVERYTHING if name in MISTAKEN else role_policy(LAKE, rights([HERE, THERE])[role])
    assert found_by(role, [own], key_policies if with_key else None) == {**DECLARED, **MISTAKEN}[name]


CLOSED = [path.format(HERE) for place, path in KEYS.items() if place not in ("shared", "audit log")]


@pytest.mark.parametrize("path", CLOSED)
def test_a_training_job_cannot_read_the_restricted_zone_even_if_somebody_gives_it_everything(
    path: str, resources: dict[str, Any], key_policies: Json
) -> None:
    """A job has its own role, and around it are the role of its machine and the one that starts it."""
    bucket = bucket_policy(LAKE, [HERE])
    around = [name.lower() for name in of_type(resources, "AWS::IAM::Role")]
    assert len(around) == 2
    for role in ("ft-workers", *around):
        own = [EVERYTHING_WITH_KEYS]
        assert not may(role, "s3:GetObject", path, own, bucket, key_policies)
        assert not may(role, "s3:GetObject", path, own, bucket, None), "the bucket alone refuses it"
        arn = f"arn:aws:s3:::{LAKE.name}/{path}"
        for zone in KEYS_OF_ZONES:
            assert not opens(role, "kms:Decrypt", arn, own, key_policies[zone]), "the keys alone refuse it"
    assert may("ft-workers", "s3:GetObject", KEYS["shared"].format(HERE), own, bucket, key_policies)


def test_what_is_written_under_the_key_of_another_zone_or_none_is_refused_by_bucket_and_keys(
    key_policies: Json,
) -> None:
    own, open_bucket = [EVERYTHING_WITH_KEYS], {"Version": "2012-10-17", "Statement": []}
    bucket = bucket_policy(LAKE, [HERE], LAKE_KEYS)
    for path, named in itertools.product([KEYS[place].format(HERE) for place in PLACES], KEYS_OF_ZONES):
        right = named == zone_of(path)
        assert may("ft-platform", "s3:PutObject", path, own, bucket, None, named) == right, "by the bucket"
        assert may("ft-platform", "s3:PutObject", path, own, open_bucket, key_policies, named) == right, "by the keys"
        arn, plain = f"arn:aws:s3:::{LAKE.name}/{path}", {"aws:securetransport": "true"}
        assert not allowed(Request(LAKE.role_arn("ft-platform"), "s3:PutObject", arn, plain), own, bucket)
        assert allowed(Request(LAKE.role_arn("ft-platform"), "s3:PutObject", arn, plain), own, bucket_policy(LAKE, []))


def test_the_template_tells_the_keys_as_the_platform_takes_them(resources: dict[str, Any], tmp_path: Path) -> None:
    names = {f"{name}.Arn": LAKE_KEYS[zone] for zone, name in KEYS_OF_ZONES.items()}
    value = resolved(read(FILE)["Outputs"]["LakeKeys"]["Value"], names)
    assert Environment(home=tmp_path, lake_root="s3://b/lake", lake_keys=value).lake_keys == LAKE_KEYS
    (default,) = resources["Lake"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert resolved(default["ServerSideEncryptionByDefault"]["KMSMasterKeyID"], names) == LAKE_KEYS["shared"]


def test_a_fault_in_either_policy_is_seen(key_policies: Json) -> None:
    """Planted: the key opens the restricted zone to workers; the bucket does not refuse."""
    own, restricted = [EVERYTHING_WITH_KEYS], KEYS["restricted"].format(HERE)
    open_key = copy.deepcopy(key_policies["restricted"])
    (one,) = [statement for statement in open_key["Statement"] if statement["Sid"] == "Restricted"]
    one["Condition"]["StringLike"]["aws:PrincipalArn"].append(LAKE.role_arn("ft-workers"))
    assert opens("ft-workers", "kms:Decrypt", f"arn:aws:s3:::{LAKE.name}/{restricted}", own, open_key)
    open_bucket = {"Version": "2012-10-17", "Statement": []}
    assert may("ft-workers", "s3:GetObject", restricted, own, open_bucket, None)
    assert not may("ft-workers", "s3:GetObject", restricted, own, open_bucket, key_policies)


def test_the_key_opens_nothing_outside_s3_and_nothing_to_administrators_of_the_account(key_policies: Json) -> None:
    key_policy = key_policies["restricted"]
    arn, own = f"arn:aws:s3:::{LAKE.name}/{KEYS['restricted'].format(HERE)}", [EVERYTHING_WITH_KEYS]
    assert opens("ft-platform", "kms:Decrypt", arn, own, key_policy)
    other = {"kms:viaservice": f"ebs.{REGION}.amazonaws.com"}
    assert not opens("ft-platform", "kms:Decrypt", arn, own, key_policy, **other)
    assert not opens("ft-platform", "kms:Decrypt", arn, own, key_policy, **{"kms:calleraccount": "999999999999"})
    assert not opens("administrators", "kms:Decrypt", arn, own, key_policy)
    assert opens("administrators", "kms:ScheduleKeyDeletion", arn, own, key_policy)
    elsewhere = "arn:aws:s3:::another/lake/restricted/complaints/record"
    assert not opens("ft-platform", "kms:Decrypt", elsewhere, own, key_policy)


def test_the_reader_of_the_vault_is_taken_by_no_service() -> None:
    services = {
        name: {statement["Principal"].get("Service") for statement in program_trust(LAKE, name)["Statement"]} - {None}
        for name in PROGRAMS
    }
    both = {"ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"}
    assert services == {"platform": both, "workers": {*both, "sagemaker.amazonaws.com"}, "vault_reader": set()}
    for statement in program_trust(LAKE, "workers")["Statement"][1:]:
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


FAULTS = {
    "MinvCpus: 0": ("MinvCpu: 0", "E3002"),
    "!Ref GpuMachines": ("!Ref GpuMachine", "E1020"),
    "BucketOwnerEnforced": ("BucketOwner", "E3030"),
    "      Type: MANAGED\n": ("", "E3003"),
    "!GetAtt Lake.Arn": ("!GetAtt Lake.Arm", "E1010"),
}
"""Text of the template -> what stands there by mistake, and the rule of cfn-lint that finds it."""


@pytest.mark.integration
def test_cloudformation_would_take_the_template() -> None:
    assert lint(FILE.read_text()) == []


@pytest.mark.integration
def test_faults_in_the_template_are_found() -> None:
    text = FILE.read_text()
    for old, (new, _) in FAULTS.items():
        assert old in text
        text = text.replace(old, new)
    assert {rule for _, rule in FAULTS.values()} <= {one.rule.id for one in lint(text)}


def test_the_queue_of_gpus_scales_to_zero_and_containers_do_not_reach_the_role_of_their_machine(
    resources: dict[str, Any],
) -> None:
    gpu = resources["GpuMachines"]["Properties"]["ComputeResources"]
    assert gpu["MinvCpus"] == 0 and "DesiredvCpus" not in gpu
    assert resources["Machines"]["Properties"]["LaunchTemplateData"]["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }


def test_nothing_leads_to_the_internet_and_nothing_is_public(resources: dict[str, Any]) -> None:
    kinds = {one["Type"] for one in resources.values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route", "AWS::EC2::EIP"}
    assert not any("MapPublicIpOnLaunch" in one for one in of_type(resources, "AWS::EC2::Subnet").values())
    assert resources["Database"]["Properties"]["PubliclyAccessible"] is False
    for bucket in of_type(resources, "AWS::S3::Bucket").values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    for group in of_type(resources, "AWS::EC2::SecurityGroup").values():
        assert all(rule.get("CidrIp", "10.20.0.0/16") != "0.0.0.0/0" for rule in group.get("SecurityGroupIngress", []))


def test_programs_reach_no_other_bucket_than_the_lake(resources: dict[str, Any]) -> None:
    policy = resolved(resources["EndpointS3"]["Properties"]["PolicyDocument"], KNOWN)
    empty = {"Version": "2012-10-17", "Statement": []}
    for arn, reached in {f"arn:aws:s3:::{LAKE.name}/lake/x": True, "arn:aws:s3:::bucket-of-a-thief/x": False}.items():
        assert allowed(Request(LAKE.role_arn("ft-platform"), "s3:PutObject", arn), [empty], policy) == reached


def test_what_holds_data_outlives_the_stack_and_an_erasure_reaches_the_lake(resources: dict[str, Any]) -> None:
    keeps = {"AWS::S3::Bucket": "Retain", "AWS::KMS::Key": "Retain", "AWS::RDS::DBInstance": "Snapshot"}
    for one in resources.values():
        if one["Type"] in keeps:
            assert one["DeletionPolicy"] == one["UpdateReplacePolicy"] == keeps[one["Type"]]
    assert "VersioningConfiguration" not in resources["Lake"]["Properties"]
    encryption = resources["Lake"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert [one["BucketKeyEnabled"] for one in encryption] == [False], "the key would not see objects"


def test_reading_of_the_closed_zones_is_recorded(resources: dict[str, Any]) -> None:
    (selector,) = resolved(resources["Trail"]["Properties"]["AdvancedEventSelectors"], KNOWN)
    (arns,) = [one["StartsWith"] for one in selector["FieldSelectors"] if one["Field"] == "resources.ARN"]
    for path, arn in itertools.product(CLOSED, [f"arn:aws:s3:::{LAKE.name}/"]):
        assert any(f"{arn}{path}".startswith(one) for one in arns), path


def test_names_in_profiles_definitions_and_policies_are_those_of_the_template(resources: dict[str, Any]) -> None:
    """Policies of the back ends let nothing pass that is called otherwise."""
    queues = {one["JobQueueName"] for one in of_type(resources, "AWS::Batch::JobQueue").values()}
    starters = {one["RoleName"] for one in of_type(resources, "AWS::IAM::Role").values() if "RoleName" in one}
    roles = starters | {f"ft-{program}" for program in PROGRAMS}
    folder = REPOSITORY / "infra"
    for name, one in [pair for kind in BACK_ENDS for pair in options_of(folder / kind)]:
        assert one.get("queue", "ft-gpu") in queues, name
        assert one.get("definition", "ft-").startswith("ft-"), name
    named = set(re.findall(r":role/([\w-]+)", "".join(file.read_text() for file in folder.glob("aws_*/*"))))
    assert named and named <= roles
    assert queues and all(one.startswith("ft-") for one in queues)
    defined = json.loads((folder / "aws_batch" / "job_definition.json").read_text())["jobDefinitionName"]
    assert defined in {one["definition"] for _, one in options_of(folder / "aws_batch")}


def options_of(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = yaml.safe_load((folder / "ft_environment.yaml").read_text())["profiles"]
    return [(name, one["options"]) for name, one in found.items() if "options" in one]


def test_the_versions_of_postgresql_agree(resources: dict[str, Any]) -> None:
    values = yaml.safe_load((REPOSITORY / "infra" / "kubernetes" / "chart" / "values.yaml").read_text())
    major = resources["Database"]["Properties"]["EngineVersion"].split(".")[0]
    assert values["images"]["postgres"].startswith(f"postgres:{major}.")
    assert values["database"]["name"] == resources["Database"]["Properties"]["DBName"]
    assert values["database"]["user"] == resources["Database"]["Properties"]["MasterUsername"]
