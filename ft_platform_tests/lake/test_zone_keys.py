"""Each zone of a lake in S3 lies under its own key: SeaweedFS encrypts under keys of a KMS of its own, and the policy
of its bucket refuses what names another key, or none."""

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_platform.cli import main
from ft_platform.compute.backends import ray
from ft_platform.costs.ledger import SCHEMA as COSTS
from ft_platform.costs.ledger import Ledger
from ft_platform.errors import ConfigError, NotWritable
from ft_platform.lake import files
from ft_platform.lake.backup.copying import copy_lake
from ft_platform.lake.lease import lease
from ft_platform.lake.opening import open_lake
from ft_platform.lake.places import Places
from ft_platform.lake.private_folders import problems_of
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.zone_keys import wrong, wrong_keys
from ft_platform.monitoring.traffic.tables import ALL, TrafficTables
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.bucket_rights import NAMED_KEY, Bucket, bucket_policy, template
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.vault import VaultKeys, VaultWriter, new_vault_ring
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.program_variables import program_variables, variables_elsewhere
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.lake_keys import VARIABLE, ZONES, told
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.costs.test_ledger import named
from ft_platform_tests.infra.s3 import ADMIN, WEED, S3Server, s3_server
from ft_platform_tests.lake.object_store.proxy import Faults, proxy

NAME, BUCKET = "complaints", "example-lake"
KEYS = {zone: f"{number}0000000-0000-4000-8000-00000000000{number}" for number, zone in enumerate(ZONES)}
"""As the KMS of SeaweedFS names keys; on AWS they are ARNs."""
ROWS = pa.table({"record_id": ["r1"], "text": ["Mirela Okonjo"]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    with s3_server(tmp_path_factory.mktemp("s3") / "server", "000000000000", {}) as found:
        yield found


@pytest.fixture
def environment(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An installation with a lake of its own, whose keys the policy of the bucket demands."""
    credentials = {"AWS_ACCESS_KEY_ID": ADMIN["accessKey"], "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"]}
    place = {"AWS_ENDPOINT_URL": server.address, "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
    for name, value in {**credentials, **place}.items():
        monkeypatch.setenv(name, value)
    prefix = tmp_path.name
    demand_keys(server, prefix)
    return Environment(home=tmp_path / "home", lake_root=f"s3://{BUCKET}/{prefix}", lake_keys=KEYS)


def demand_keys(server: S3Server, prefix: str) -> None:
    """Puts what `ft lake policies` says of keys into the policy of the bucket."""
    made = bucket_policy(Bucket(BUCKET, prefix, "000000000000"), [NAME], KEYS)
    made["Statement"] = [one for one in made["Statement"] if NAMED_KEY in str(one)]
    assert len(made["Statement"]) == len(ZONES)
    server.administrator().put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(made))


def demand_nothing(server: S3Server) -> None:
    server.administrator().delete_bucket_policy(Bucket=BUCKET)


def keys_by_zone(lake: Places) -> dict[str, set[str]]:
    """Zone -> keys of the objects in it, as the server tells them."""
    found: dict[str, set[str]] = {}
    for path in lake.fs.find(lake.folder):
        head: Any = lake.fs.call_s3("head_object", Bucket=BUCKET, Key=path.partition("/")[2])  # type: ignore[attr-defined]
        found.setdefault(path.removeprefix(f"{lake.folder}/").split("/")[0], set()).add(head.get("SSEKMSKeyId", ""))
    return found


def write_tables(lake: Lake) -> None:
    """By Delta's library: new, more, again after a writer that was killed before its manifest, deleted, replaced."""
    tables = TrafficTables(lake, NAME)
    for zone, name in (("restricted", "cleaned_records"), ("shared", "splits")):
        version = lake.write_table(NAME, name, ROWS.to_batches(), ROWS.schema, zone=zone)
        lake.write_table(NAME, name, ROWS.to_batches(), ROWS.schema, zone=zone, append=True)
        lake.fs.rm_file(lake.path_of(zone, NAME, "manifests", name, "00000001.json"))
        assert lake.read_table(version).num_rows == 1
    for number, kind in enumerate(("requests", "texts", "labelled")):
        row = dict.fromkeys(ALL[kind].names) | {"request_id": "q1", "day": "2027-01-01"}
        tables.append(kind, pa.Table.from_pylist([row], ALL[kind]), "writer", number)
        tables.replace(kind, pa.Table.from_pylist([row | {"request_id": "q2"}], ALL[kind]))
    tables.delete_requests(["q2"])
    row = dict.fromkeys(COSTS.names) | {"run": "r1", "month": "2027-01", "started_at": "2027-01-01T00:00:00+00:00"}
    ledger = Ledger(lake)
    ledger.open(row)
    ledger.close(row)


def write_files(lake: Lake, folder: Path) -> None:
    """By s3fs: an artifact, a saved state, a lease, the vault, the audit log, a file made once, one that is moved."""
    with lake.scratch(NAME, "adapter_checkpoint") as scratch:
        scratch.mkdir()
        (scratch / "weights.bin").write_bytes(b"w" * 100_000)
        checkpoint = lake.publish(
            NAME, "adapter_checkpoint", "ckpt-1", scratch, parents=[], settings_hash="s", input_hash="i"
        )
    with TrainingStates(lake, checkpoint, "ckpt-2").writing(10) as state:
        (state / "optimizer.bin").write_bytes(b"o")
    with lease(lake, NAME, "ckpt-2"):
        pass
    (folder / "work").mkdir()
    writer = VaultWriter(lake, NAME, "v1", VaultKeys(new_vault_ring()).public, folder / "work")
    writer.add(pa.array([[{"pseudonym": "<PERSON_aaaaaaaa>", "original": "Mirela Okonjo"}]], ORIGINALS))
    assert writer.finish() == 1
    note(lake, NAME, "look_up", "drew records to annotate")
    files.create(lake.fs, lake.path_of("restricted", NAME, "once"), b"1")
    lake.fs.pipe_file(lake.path_of("shared", NAME, "half", "manifest.json"), b"{}")
    files.move_folder(lake.fs, lake.path_of("shared", NAME, "half"), lake.path_of("restricted", NAME, "moved"))


@pytest.mark.components(name="s3_lake")
def test_every_way_to_write_names_the_key_of_its_zone_and_the_bucket_demands_it(
    environment: Environment, tmp_path: Path
) -> None:
    lake = open_lake(environment)
    write_tables(lake)
    write_files(lake, tmp_path)
    assert keys_by_zone(lake) == {zone: {key} for zone, key in KEYS.items()}
    assert list(wrong_keys(lake)) == []


@pytest.mark.components(name="s3_lake")
def test_a_lake_that_is_copied_lies_under_the_keys_too(
    server: S3Server, environment: Environment, tmp_path: Path
) -> None:
    on_disk = environment.model_copy(update={"lake_root": str(tmp_path / "lake"), "lake_keys": {}})
    source, target = open_lake(on_disk), open_lake(environment)
    source.write_table(NAME, "cleaned_records", ROWS.to_batches(), ROWS.schema, zone="restricted")
    note(source, "", "settings", "copied the lake")
    assert copy_lake(source, AuditLog(source), target).problems == []
    found = keys_by_zone(target)
    assert set(found) == {"restricted", "shared", "audit_log"} and found == {zone: {KEYS[zone]} for zone in found}


@pytest.mark.components(name="s3_lake")
def test_what_comes_in_parts_lies_under_the_key_of_its_zone(server: S3Server, environment: Environment) -> None:
    """Without the policy: this server asks for the key with each part, AWS with the upload."""
    demand_nothing(server)
    lake = open_lake(environment)
    texts = [os.urandom(512).hex() for _ in range(16_000)]
    rows = pa.table({"record_id": [str(number) for number in range(len(texts))], "text": texts})
    version = lake.write_table(NAME, "cleaned_records", rows.to_batches(), rows.schema, zone="restricted")
    with lake.fs.open(lake.path_of("vault", NAME, "large"), "wb", block_size=5 << 20) as file:
        file.write(os.urandom(11 << 20))  # type: ignore[arg-type]
    heads = [lake.fs.info(path) for path in (*lake.file_paths(version), lake.path_of("vault", NAME, "large"))]
    assert all("-" in head["ETag"] for head in heads), "the server made an object of parts"
    assert keys_by_zone(lake) == {zone: {KEYS[zone]} for zone in ("restricted", "shared", "vault")}
    assert lake.read_table(version).num_rows == len(texts)


@pytest.mark.components(name="s3_lake")
@pytest.mark.parametrize("keys", [{}, {**KEYS, "restricted": KEYS["vault"]}], ids=["no keys", "another key"])
def test_with_wrong_settings_the_bucket_takes_nothing(environment: Environment, keys: dict[str, str]) -> None:
    lake = open_lake(environment.model_copy(update={"lake_keys": keys}))
    with pytest.raises(NotWritable, match="lake_keys"):
        lake.write_table(NAME, "cleaned_records", ROWS.to_batches(), ROWS.schema, zone="restricted")
    with pytest.raises(NotWritable, match="lake_keys"), lake.room_for("a file"):
        lake.fs.pipe_file(lake.path_of("restricted", NAME, "x"), b"1")
    assert not lake.fs.exists(lake.path_of("restricted", NAME))


@pytest.mark.components(name="s3_lake")
def test_a_key_that_is_switched_off_is_told_as_refused_and_is_not_asked_again_and_again(
    server: S3Server, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS answers; the stand-in never does."""
    lake = open_lake(environment)
    lake.fs.pipe_file(lake.path_of("restricted", NAME, "x"), b"1")
    with proxy(server.address) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.address)
        lake = open_lake(environment)
        said = b"<Error><Code>KMS.DisabledException</Code><Message>The key is disabled.</Message></Error>"
        store.faults = Faults(refused=1.0, answer=(400, said))
        with pytest.raises(NotWritable, match="lake_keys"), lake.room_for("a file"):
            lake.fs.pipe_file(lake.path_of("restricted", NAME, "x"), b"1")
        with pytest.raises(NotWritable, match="lake_keys"), lake.room_for("a table"):
            write_deltalake(
                lake.uri("restricted", NAME, "tables", "t"), ROWS, storage_options=lake.delta_options("restricted")
            )
        assert store.faults.refusals < 20


@pytest.mark.components(name="s3_lake")
def test_the_commands_tell_of_what_lies_under_no_key_or_another(
    server: S3Server, environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, client = open_lake(environment), server.administrator()
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    lake.write_table(NAME, "cleaned_records", ROWS.to_batches(), ROWS.schema, zone="restricted")
    assert main(["lake", "check"]) == 0, capsys.readouterr().out
    assert not any("encrypted" in one or "another key" in one for one in problems_of(environment))
    demand_nothing(server)
    prefix = environment.lake_root.rpartition("/")[2]
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/restricted/{NAME}/planted", Body=b"x")
    other = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEYS["shared"]}
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/vault/{NAME}/planted", Body=b"x", **other)
    capsys.readouterr()
    assert main(["lake", "check"]) == 1
    told_of = capsys.readouterr().out
    assert f"restricted/{NAME}/planted is not encrypted under the key of its zone" in told_of
    assert f"vault/{NAME}/planted is under another key than its zone" in told_of
    (one,) = [problem for problem in problems_of(environment) if "ft lake check" in problem]
    assert "2 objects" in one


# Without a server


def test_what_a_store_tells_of_a_key_is_compared_with_its_id_or_its_whole_name() -> None:
    arn = f"arn:aws:kms:eu-central-1:111122223333:key/{KEYS['vault']}"
    for key in (arn, KEYS["vault"]):
        assert wrong("vault/x", key, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn}) == ""
    for head in ({}, {"ServerSideEncryption": "AES256"}, {"ServerSideEncryption": "aws:kms"}):
        assert "not encrypted" in wrong("vault/x", arn, head)
    other = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn.replace("key/3", "key/2").replace("key/2", "key/9")}
    assert "another key" in wrong("vault/x", arn, other)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"restricted": "k"}, "a key for each of shared, restricted, vault, audit_log"),
        ({**KEYS, "raw": "k"}, "a key for each of"),
        ({**KEYS, "vault": "alias/vault"}, "not aliases: vault"),
        ({**KEYS, "vault": "arn:aws:kms:eu-central-1:111122223333:alias/vault"}, "not aliases: vault"),
        ({**KEYS, "vault": ""}, "not aliases: vault"),
        ("shared=a,shared=b", "each zone once"),
        ("shared", "zone=KEY"),
    ],
)
def test_keys_that_prove_nothing_or_leave_a_zone_out_are_refused(tmp_path: Path, keys: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Environment(home=tmp_path, lake_root="s3://example-lake/lake", lake_keys=keys)


def test_programs_get_the_keys_wherever_they_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Environment(home=tmp_path, lake_root="s3://example-lake/lake", lake_keys=KEYS)
    for variables in (program_variables, variables_elsewhere):
        assert variables(made, ComputeProfile(), named())[VARIABLE] == told(KEYS)
    assert VARIABLE in ray.STORES, "of the other variables of a store, Ray gets none"
    monkeypatch.setenv("FT_HOME", str(tmp_path))
    monkeypatch.setenv("FT_LAKE_ROOT", made.lake_root)
    monkeypatch.setenv(VARIABLE, told(KEYS))
    assert load_environment().lake_keys == KEYS
    (tmp_path / "ft_environment.yaml").write_text(f"lake_keys: {json.dumps(KEYS)}")
    monkeypatch.chdir(tmp_path)
    on_disk = made.model_copy(update={"lake_root": "", "lake_keys": {}})
    for name, value in program_variables(on_disk, ComputeProfile(), named()).items():
        monkeypatch.setenv(name, value)
    assert load_environment().lake_keys == {}, "the keys of another lake are not those of this one"


@pytest.mark.parametrize("root", ["gs://example-lake/lake", "abfss://lake@account.dfs.core.windows.net/lake", "lake"])
def test_other_stores_take_no_key_with_an_object_and_say_so(tmp_path: Path, root: str) -> None:
    made = Environment(home=tmp_path, lake_root=root, lake_keys=KEYS)
    with pytest.raises(ConfigError, match="is not in S3"):
        Places(made.lake_uri, made.storage_options())


READ_ONLY = {"_version_number", "_text", "problems_of", "__init__"}
OPTIONS = re.compile(r"\b_?(lake|self)\.storage_options")


def past_the_keys(source: str) -> list[str]:
    """Functions that hand the options of a lake, which name no key, to Delta's library or to a file system."""
    found: list[str] = []
    for function in ast.walk(ast.parse(source)) if OPTIONS.search(source) else ():
        if isinstance(function, ast.FunctionDef) and function.name not in READ_ONLY:
            for call in [one for one in ast.walk(function) if isinstance(one, ast.Call)]:
                to_delta = [one.value for one in call.keywords if one.arg == "storage_options"]
                to_files = call.args if ast.unparse(call.func) == "fsspec_options" else []
                if any(OPTIONS.search(ast.unparse(one)) for one in (*to_delta, *to_files)):
                    found.append(function.name)
    return found


def test_nothing_writes_to_the_lake_past_its_keys() -> None:
    """The vault once had a file system of its own, and the bucket refused what it wrote."""
    code = REPOSITORY / "ft_platform"
    files_of = [path for path in code.rglob("*.py") if path.parent.name != "governance"]  # reads a ledger of others
    assert {str(path): found for path in files_of if (found := past_the_keys(path.read_text("utf-8")))} == {}
    text = (code / "lake" / "tables.py").read_text("utf-8")
    assert past_the_keys(text.replace("self.delta_options(zone)", "self.storage_options or None")) == [
        "_table",
        "_commit",
    ]
    assert past_the_keys("def f(lake):\n    filesystem(uri, fsspec_options(uri, lake.storage_options))") == ["f"]


def test_policies_of_aws_know_keys_by_their_arn_only() -> None:
    bucket = Bucket(BUCKET, "lake", "111122223333")
    with pytest.raises(ConfigError, match="by their ARN"):
        template(bucket, [NAME], ["incident"], KEYS)
    arns = {zone: f"arn:aws:kms:eu-central-1:111122223333:key/{key}" for zone, key in KEYS.items()}
    text = json.dumps(template(bucket, [NAME], ["incident"], arns))
    assert all(f'"StringNotEquals": {{"{NAMED_KEY}": "{arn}"}}' in text for arn in arns.values())
