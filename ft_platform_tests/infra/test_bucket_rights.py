"""Each role and program reads and changes in a bucket what the table of rights says, and nothing else: asked of a real
S3 server, which judges by roles and a bucket policy.

SeaweedFS does not know `aws:PrincipalArn` in bucket policies. There the session has the name of its role, and the
policy asks for that (`aws:userid`)."""

import copy
import importlib.util
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from botocore.exceptions import ClientError

from ft_platform.cli import main
from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.opening import audit_log_of, note
from ft_platform.people.bucket_rights import Bucket, bucket_policy, rights, role_policy, template
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.vault import KeyRing, Vault, VaultKeys, VaultWriter, new_vault_ring
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.roles import ROLES
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.infra.s3 import WEED, S3Server, s3_server

ACCOUNT = "000000000000"
BUCKET = Bucket("example-lake", "lake", ACCOUNT)
HERE, THERE = "complaints", "letters"
STRANGER = "somebody-else"
"""A role of the account that may do everything in S3, and is none of the platform's."""
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
}
PLACES = ("shared", "restricted", "vault", "notes of the vault", "audit log")
"""Columns of what is declared, of the use case and, after a slash, of another one."""
DECLARED = {
    #                         shared    restricted  vault   notes   audit log
    "complaints-accountable": ("r/-", "-/-", "-/-", "-/-", "-"),
    "complaints-data_engineering": ("r/-", "r/-", "-/-", "-/-", "-"),
    "complaints-data_science": ("r/-", "-/-", "-/-", "-/-", "-"),
    "complaints-ml_engineering": ("r/-", "-/-", "-/-", "-/-", "-"),
    "complaints-domain_expert": ("r/-", "-/-", "-/-", "-/-", "-"),
    "complaints-compliance": ("r/-", "-/-", "r/-", "r/-", "-"),
    "administrator": ("r/r", "-/-", "-/-", "-/-", "r"),
    "auditor": ("r/r", "-/-", "-/-", "-/-", "r"),
    "platform": ("rwd/rwd", "rwd/rwd", "w/w", "w/w", "rw"),
    "workers": ("rwd/rwd", "-/-", "-/-", "-/-", "-"),
    "vault_reader": ("r/r", "-/-", "r/r", "rw/rw", "rw"),
}
"""What was agreed, by hand: r read (and list), w write, d delete."""
MISTAKEN = {
    "letters-data_engineering": ("r/r", "-/r", "-/-", "-/-", "-"),
    "letters-data_science": ("r/r", "-/-", "-/-", "-/-", "-"),
    "letters-compliance": ("r/r", "-/-", "-/r", "-/r", "-"),
}
"""Roles that somebody gave everything in S3 by mistake: the policy of the bucket still holds."""
KEYS = {
    "shared": "lake/shared/{}/report",
    "restricted": "lake/restricted/{}/record",
    "vault": "lake/vault/{}/v1/00.sealed",
    "notes of the vault": "lake/vault/{}/audit/note",
    "audit log": "lake/audit_log/entries/0",
}


def for_seaweedfs(policy: dict[str, Any], *, plain: bool = True) -> str:
    """The policy as the server can judge it, over HTTP if `plain`."""
    made = copy.deepcopy(policy)
    made["Statement"] = made["Statement"][1:] if plain else made["Statement"]
    text = json.dumps(made).replace("aws:PrincipalArn", "aws:userid")
    return text.replace(f"arn:aws:iam::{ACCOUNT}:role/", "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    roles = {name: role_policy(BUCKET, paths) for name, paths in rights([HERE, THERE]).items()}
    roles |= dict.fromkeys((STRANGER, *(f"ft-{name}" for name in MISTAKEN)), EVERYTHING)
    with s3_server(tmp_path_factory.mktemp("s3"), ACCOUNT, roles) as found:
        client = found.administrator()
        for pattern, name in itertools.product(KEYS.values(), (HERE, THERE)):
            client.put_object(Bucket=BUCKET.name, Key=pattern.format(name), Body=b"x")
        client.put_bucket_policy(Bucket=BUCKET.name, Policy=for_seaweedfs(bucket_policy(BUCKET, [HERE, THERE])))
        yield found


def allowed(act: Any, **about: Any) -> bool:
    try:
        act(Bucket=BUCKET.name, **about)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def what(client: Any, key: str) -> str:
    """What somebody may do with an object, and with one beside it that is not there yet."""
    new = f"{key}-new"
    done = [
        ("r", allowed(client.get_object, Key=key)),
        ("w", allowed(client.put_object, Key=new, Body=b"y")),
        ("d", allowed(client.delete_object, Key=new)),
    ]
    return "".join(letter for letter, may in done if may) or "-"


def found_by(client: Any) -> tuple[str, ...]:
    return tuple(
        what(client, KEYS[place])
        if place == "audit log"
        else "/".join(what(client, KEYS[place].format(name)) for name in (HERE, THERE))
        for place in PLACES
    )


@pytest.mark.components(name="s3_roles")
@pytest.mark.parametrize("name", [*DECLARED, *MISTAKEN])
def test_a_role_does_what_is_declared_and_nothing_else(server: S3Server, name: str) -> None:
    assert found_by(server.as_role(f"ft-{name}")) == {**DECLARED, **MISTAKEN}[name]


@pytest.mark.components(name="s3_roles")
def test_everybody_else_of_the_account_is_refused_whatever_they_may_elsewhere(server: S3Server) -> None:
    client = server.as_role(STRANGER)
    assert set("".join(found_by(client))) <= {"-", "/"}
    assert not allowed(client.list_objects_v2, Prefix="lake/shared/")


@pytest.mark.components(name="s3_roles")
@pytest.mark.parametrize(
    ("role", "prefix", "may"),
    [
        ("complaints-data_engineering", "lake/restricted/complaints/tables/", True),
        ("complaints-data_engineering", "lake/restricted/letters/", False),
        ("complaints-data_engineering", "lake/restricted/", False),
        ("complaints-data_engineering", "lake/", False),
        ("complaints-data_engineering", "", False),
        ("complaints-data_science", "lake/restricted/complaints/", False),
        ("complaints-data_science", "lake/shared/complaints/", True),
        ("workers", "lake/restricted/", False),
        ("platform", "lake/restricted/", True),
    ],
)
def test_names_of_objects_are_listed_where_a_role_has_something_to_do(
    server: S3Server, role: str, prefix: str, may: bool
) -> None:
    assert allowed(server.as_role(f"ft-{role}").list_objects_v2, Prefix=prefix) == may


@pytest.mark.components(name="s3_roles")
def test_the_lake_works_under_the_role_of_the_platform_and_its_records_are_closed_to_workers(
    server: S3Server, tmp_path, monkeypatch
) -> None:
    def environment_as(role: str) -> Environment:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        for name, value in zip(names, server.credentials(f"ft-{role}"), strict=True):
            monkeypatch.setenv(name, value)
        for name, value in {"AWS_ENDPOINT_URL": server.address, "AWS_ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        return Environment(home=tmp_path / "home", lake_root=f"s3://{BUCKET.name}/lake")

    lake = open_lake(environment_as("platform"))
    rows = pa.table({"record_id": ["r1"], "text": ["Mirela Okonjo"]})
    tables = {
        zone: lake.write_table(HERE, name, rows.to_batches(), rows.schema, zone=zone)
        for zone, name in (("restricted", "cleaned_records"), ("shared", "splits"))
    }
    assert lake.read_table(tables["restricted"]).num_rows == 1
    note(lake, HERE, "look_up", "drew records to annotate")
    ring: KeyRing = new_vault_ring()
    (tmp_path / "work").mkdir()
    writer = VaultWriter(lake, HERE, "v1", VaultKeys(ring).public, tmp_path / "work")
    writer.add(pa.array([[{"pseudonym": "<PERSON_aaaaaaaa>", "original": "Mirela Okonjo"}]], ORIGINALS))
    assert writer.finish() == 1
    with pytest.raises(PermissionError):
        Vault(lake, HERE).read("<PERSON_aaaaaaaa>", VaultKeys(ring), "Request 4711")

    reader = open_lake(environment_as("vault_reader"))
    assert Vault(reader, HERE).read("<PERSON_aaaaaaaa>", VaultKeys(ring), "Request 4711") == ["Mirela Okonjo"]
    assert [one.what for one in audit_log_of(reader).entries()][-1] == "looked into the vault"

    workers = open_lake(environment_as("workers"))
    assert workers.read_table(tables["shared"]).num_rows == 1
    with pytest.raises(OSError, match=r"(?i)denied|forbidden"):
        workers.read_table(tables["restricted"])


@pytest.mark.components(name="s3_roles")
def test_nothing_is_answered_without_tls(server: S3Server) -> None:
    """Last, because nobody but the owner of the account could take it back."""
    policy = for_seaweedfs(bucket_policy(BUCKET, [HERE, THERE]), plain=False)
    client = server.as_role("ft-platform")
    assert allowed(client.get_object, Key=KEYS["shared"].format(HERE))
    server.administrator().put_bucket_policy(Bucket=BUCKET.name, Policy=policy)
    assert not allowed(client.get_object, Key=KEYS["shared"].format(HERE))


# Without a server


def test_every_role_and_program_has_a_line_of_what_is_declared() -> None:
    assert {f"ft-{name}" for name in DECLARED} == set(rights([HERE]))


def test_the_example_is_generated_from_the_table_and_cloudformation_takes_it() -> None:
    pytest.importorskip("cfnlint")
    from cfnlint.api import lint

    spec = importlib.util.spec_from_file_location("write", REPOSITORY / "scripts" / "write_bucket_policies.py")
    assert spec and spec.loader
    spec.loader.exec_module(write := importlib.util.module_from_spec(spec))
    text = write.FILE.read_text(encoding="utf-8")
    assert text == write.text(), "run: python scripts/write_bucket_policies.py"
    assert lint(text) == []
    assert lint(text.replace("AWS::IAM::Role", "AWS::IAM::Rule")) != []


def test_who_reads_records_of_persons_takes_the_role_with_a_second_factor_and_for_a_purpose_of_the_policy() -> None:
    made = template(BUCKET, [HERE], ["incident"])["Resources"]
    people = {name: one for name, one in made.items() if "MaxSessionDuration" in one.get("Properties", {})}
    assert len(people) == len(ROLES)
    tag = {"aws:RequestTag/ft-purpose": ["incident"]}
    for name, one in people.items():
        (statement,) = one["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"]["Bool"] == {"aws:MultiFactorAuthPresent": "true"}
        reads = name in ("ftXcomplaintsXdataZengineering", "ftXcomplaintsXcompliance")
        assert statement["Condition"].get("StringEquals") == (tag if reads else None)
        assert one["Properties"]["MaxSessionDuration"] == 3600


def test_what_aws_would_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="64 characters"):
        template(BUCKET, ["x" * 60], ["incident"])
    with pytest.raises(ConfigError, match="bytes, and AWS takes 20,480"):
        template(BUCKET, [f"use_case_{number}" for number in range(40)], ["incident"])


def test_the_command_prints_the_template_of_the_installation(tmp_path, monkeypatch, capsys) -> None:
    for name in [name for name in os.environ if name.startswith("FT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name in (HERE, THERE):
        write_use_case(tmp_path / "defs", name, minimal_attributes("x.csv"))
    Path("ft_environment.yaml").write_text(
        "lake_root: s3://my-lake\ndefs: defs\npolicy: {name: mine, looks: {purposes: [incident]}}\n"
    )
    assert main(["lake", "policies", "--account", ACCOUNT]) == 0
    bucket = Bucket("my-lake", "", ACCOUNT)
    assert yaml.safe_load(capsys.readouterr().out) == template(bucket, [HERE, THERE], ["incident"])
    assert main(["lake", "policies", "--account", ACCOUNT, "--out", "lake.yaml"]) == 0
    assert yaml.safe_load(Path("lake.yaml").read_text()) == template(bucket, [HERE, THERE], ["incident"])
    assert bucket.arn("shared/*") == "arn:aws:s3:::my-lake/shared/*"
    assert main(["lake", "policies", "--account", "12"]) == 1 and "12 digits" in capsys.readouterr().err
    monkeypatch.setenv("FT_LAKE_ROOT", str(tmp_path / "lake"))
    assert main(["lake", "policies", "--account", ACCOUNT]) == 1 and "only S3" in capsys.readouterr().err
