"""A lake is copied beside its writers, killed at any point, and the copy verifies. Persons are fictitious."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, VersionRefused
from ft_platform.lake.backup.copying import Copied, copy_lake
from ft_platform.lake.backup.moment import listing
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.audit_log.verify import verify
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.governance.house import House, rows
from ft_platform_tests.infra.s3 import ADMIN, WEED, s3_server
from ft_platform_tests.lake.test_store import SCHEMA
from ft_platform_tests.lake.test_store import rows as some_rows


@pytest.fixture
def house(environment: Environment, quick_stages: None) -> House:
    """Two versions of each table, two checkpoints, an entry in the audit log."""
    made = House(environment)
    made.write(rows(4, person={1: PERSON}))
    made.build(checkpoint="ckpt-first")
    made.write(rows(6, person={1: PERSON}))
    made.build(checkpoint="ckpt-second")
    note(made.lake, "", "settings", "began")
    return made


def at(environment: Environment, place: str | Path) -> Lake:
    return open_lake(environment.model_copy(update={"lake_root": str(place)}))


def copied_to(source: Lake, target: Lake) -> Copied:
    return copy_lake(source, AuditLog(source), target)


def contents(lake: Lake) -> dict[str, bytes]:
    return {path: bytes(lake.fs.cat_file(f"{lake.folder}/{path}")) for path in listing(lake)}  # type: ignore[arg-type]


def verifies(environment: Environment, place: str | Path, use_case: str = "tests") -> bool:
    """As whoever opens it next."""
    lake = at(environment, place)
    found = inspect(lake, use_case)
    assert found.problems == [] and verify(AuditLog(lake)).problems == []
    return bool(found.tables and found.artifacts)


def test_a_copy_has_every_byte_and_verifies_and_a_second_one_writes_nothing(house: House, tmp_path: Path) -> None:
    target = at(house.environment, tmp_path / "other")
    first = copied_to(house.lake, target)
    assert first.problems == [] and first.written == first.files == len(listing(house.lake))
    assert contents(target) == contents(house.lake)
    assert verifies(house.environment, target.root)
    again = copied_to(house.lake, at(house.environment, tmp_path / "other"))
    assert (again.files, again.problems) == (first.files, []) and again.written <= 10, (
        "chains and the log's newest file"
    )
    assert (
        os.stat(f"{target.folder}/restricted").st_mode & 0o077 == os.stat(f"{target.folder}/audit_log").st_mode & 0o077
    )
    assert os.stat(f"{target.folder}/restricted").st_mode & 0o077 == 0


def test_a_second_copy_brings_what_is_new_and_takes_away_what_is_gone(house: House, tmp_path: Path) -> None:
    states = Path(house.lake.path_of("shared", "tests", ".training", "ckpt-third", "step-1"))
    states.mkdir(parents=True)
    (states / "state.bin").write_bytes(b"weights")
    target = at(house.environment, tmp_path / "other")
    copied_to(house.lake, target)
    (states / "state.bin").unlink()
    (Path(target.folder) / "note.txt").write_text("not from the source")
    house.write(rows(8))
    house.build(checkpoint="ckpt-third")
    again = copied_to(house.lake, target)
    assert again.removed == 1 and again.problems == []
    assert {**contents(house.lake), "note.txt": b"not from the source"} == contents(target)
    assert verifies(house.environment, target.root)


def test_without_its_memory_a_copy_compares_and_writes_nothing_twice(house: House, tmp_path: Path) -> None:
    target = at(house.environment, tmp_path / "other")
    copied_to(house.lake, target)
    for memory in (house.environment.seals_path / "copies").glob("*.jsonl"):
        memory.unlink()
    assert copied_to(house.lake, at(house.environment, tmp_path / "other")).written == 0


def test_what_is_damaged_at_the_source_is_named(house: House, tmp_path: Path) -> None:
    file = next(Path(house.lake.path_of("shared", "tests", "tables", "splits")).glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    found = copied_to(house.lake, at(house.environment, tmp_path / "other")).problems
    assert found and all(file.name in one and "does not match" in one for one in found)


def test_a_target_with_another_history_is_refused(house: House, tmp_path: Path) -> None:
    target = at(house.environment, tmp_path / "other")
    copied_to(house.lake, target)
    target.write_table("tests", "splits", some_rows("z"), SCHEMA, zone="shared", input_hash="z")
    before = contents(target)
    with pytest.raises(ConfigError, match="was written to since it was copied"):
        copied_to(house.lake, target)
    assert contents(target) == before
    with pytest.raises(ConfigError, match="cannot be copied"):
        copied_to(house.lake, at(house.environment, f"{house.lake.root}/inside"))


@pytest.mark.integration
def test_a_copy_beside_writers_is_one_state_that_verifies(house: House, tmp_path: Path) -> None:
    beside_writers(house.environment, house.lake.root, tmp_path / "other")


def beside_writers(environment: Environment, place: str, other: Path) -> None:
    """Copies while somebody appends to a table, and each verdict is replaced at once."""
    started, stop, wrong = threading.Event(), threading.Event(), []

    def writes() -> None:
        lake, number = at(environment, place), 0
        if not lake.is_local:  # as in a process of its own: what another thread listed is not remembered here
            options = {**fsspec_options(place, lake.storage_options), "skip_instance_cache": True}
            lake.fs, _ = filesystem(place, options)
        try:
            while not stop.is_set():
                rows = some_rows(str(number))
                made = lake.write_table("tests", "splits", rows, SCHEMA, zone="shared", append=number > 0)
                lake.add_verdict(made, "no_leakage", True, "s")
                lake.add_verdict(made, "no_leakage", False, "s")
                number += 1
                if number > 3:
                    started.set()
        except BaseException as error:
            wrong.append(error)
            raise

    writer = threading.Thread(target=writes)
    writer.start()
    try:
        assert started.wait(120)
        newest = at(environment, place).latest("tests", "splits")
        found = copied_to(at(environment, place), at(environment, other))
    finally:
        stop.set()
        writer.join()
    assert wrong == [] and found.problems == [] and verifies(environment, other)
    copied = at(environment, other).latest("tests", "splits")
    assert newest and copied and copied.version >= newest.version, "what was committed at its start is there"


COPIES = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from ft_platform.lake.backup import copying
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.use_case.settings.environment import Environment

    home, place, last, where = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    environment = Environment(home=home)
    taken, kept = [], copying._ToLake._remember

    def remember(*arguments):
        taken.append(0)
        if where == "noted" and len(taken) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        kept(*arguments)

    def replace(*arguments):
        if where == "renamed" and len(taken) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        moved(*arguments)

    moved, copying.os.replace = os.replace, replace
    copying._ToLake._remember = remember
    target = open_lake(environment.model_copy(update={"lake_root": place}))
    source = open_lake(environment)
    copying.copy_lake(source, AuditLog(source), target)
    """
)


@pytest.mark.integration
def test_a_copy_that_is_killed_anywhere_goes_on_and_never_looks_whole(house: House, tmp_path: Path) -> None:
    place, killed = tmp_path / "other", 0
    while killed < 12:
        command = [
            sys.executable,
            "-c",
            COPIES,
            str(house.environment.home),
            str(place),
            "9",
            ("noted", "renamed")[killed % 2],
        ]
        if subprocess.run(command, timeout=120, check=False).returncode != -signal.SIGKILL:
            break
        killed += 1
        assert not any("/seals/" in path for path in listing(at(house.environment, place))), "not before the end"
        with suppress(VersionRefused):  # as long as nothing is signed there, nothing counts
            assert not at(house.environment, place).artifacts("tests", "adapter_checkpoint")
    assert killed > 5
    target = at(house.environment, place)
    assert copied_to(house.lake, target).problems == []
    assert contents(target) == contents(house.lake) and verifies(house.environment, place)
    assert not list(place.rglob("*.tmp"))


@pytest.mark.components(name="aws")
def test_to_s3_and_back_all_hashes_are_equal(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_bucket("copies", monkeypatch, own_process=True):
        there_and_back(house, "s3://copies/lake", tmp_path)


@pytest.mark.components(name="s3_roles")
def test_to_a_real_s3_server_and_back_all_hashes_are_equal(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not WEED.exists():
        pytest.skip("SeaweedFS is not here: scripts/install_clients.sh FOLDER, FT_TEST_CLIENTS=FOLDER")
    with s3_server(tmp_path / "server", "000000000000", {}) as server:
        for name, value in {
            "AWS_ENDPOINT_URL": server.address,
            "AWS_ACCESS_KEY_ID": ADMIN["accessKey"],
            "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"],
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            monkeypatch.setenv(name, value)
        there_and_back(house, "s3://example-lake/lake", tmp_path)
        beside_writers(house.environment, "s3://example-lake/lake", tmp_path / "beside")


def there_and_back(house: House, place: str, tmp_path: Path) -> None:
    before = contents(house.lake)
    far = at(house.environment, place)
    assert copied_to(house.lake, far).problems == []
    assert contents(far) == before and verifies(house.environment, place)
    assert copied_to(house.lake, at(house.environment, place)).written <= 10
    newest = far.latest("tests", "splits")
    assert newest and far.read_table(newest).num_rows == newest.rows
    made = far.write_table("tests", "splits", some_rows("b"), SCHEMA, zone="shared", input_hash="b")
    assert copied_to(far, at(house.environment, tmp_path / "back")).problems == []
    back = at(house.environment, tmp_path / "back")
    assert contents(back) == contents(far) and before.keys() < contents(back).keys()
    assert verifies(house.environment, tmp_path / "back") and back.latest("tests", "splits") is not None
    assert back.read_table(made).num_rows == 1
