"""An installation is backed up, lost, and restored into an empty place; an erasure reaches backups. Persons are
fictitious."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import ask, decide
from ft_platform.errors import ConfigError, CorruptVersion, FtError, KeyMissing, TransientError, VersionRefused
from ft_platform.lake.backup import moment
from ft_platform.lake.backup.repository import Backup, Repository, Saved
from ft_platform.lake.backup.restoring import check, restore
from ft_platform.lake.backup.taking import listed, repository_of, take_backup
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.use_case.settings.backup import BackupSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.governance.house import House, rows
from ft_platform_tests.lake.test_copying import contents, copied_to

ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
OWNERS = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}


@pytest.fixture(autouse=True)
def no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


@pytest.fixture
def house(environment: Environment, tmp_path: Path, quick_stages: None) -> House:
    """An installation with a lake, keys, users, a database of Dagster that is being written, and an audit log."""
    settings = BackupSettings(to=str(tmp_path / "backups"), keys=str(tmp_path / "keys"))
    made = House(environment.model_copy(update={"backup": settings}))
    made.attributes["owners"] = OWNERS
    made.write(rows(4, person={1: PERSON}))
    made.build(checkpoint="ckpt-first")
    note(made.lake, "", "settings", "began")
    home = made.environment.home
    (home / "people").mkdir()
    for name, mode in (("samples", 0o700), ("group", 0o750)):
        (home / name / "of").mkdir(parents=True, mode=0o755)
        (home / name).chmod(mode)
        (home / name / "of" / "rows.csv").write_text("readable by others, if the folder were")
        (home / name / "of" / "rows.csv").chmod(0o644)
    (home / "people" / "users.json").write_text(json.dumps({"users": [ANA]}))
    database(home / "dagster" / "storage" / "runs.db", "run-1")
    return made


def backed_up(environment: Environment, **more: Any) -> Backup:
    return take_backup(environment, AuditLog(open_lake(environment)), **more)


def database(path: Path, *values: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists runs (id text)")
        connection.executemany("insert into runs values (?)", [(one,) for one in values])
        connection.commit()


def runs_in(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [one for (one,) in connection.execute("select id from runs")]


def folder_modes(home: Path) -> dict[str, int]:
    """Without what is made again: locks, and what was verified."""
    found = {str(path.relative_to(home)): path.stat().st_mode & 0o777 for path in home.rglob("*") if path.is_dir()}
    return {name: mode for name, mode in found.items() if not name.startswith(("seals/", "lake/"))}


def elsewhere(environment: Environment, tmp_path: Path, name: str = "drill") -> Environment:
    """Another, empty machine with the same settings."""
    return environment.model_copy(update={"home": tmp_path / name, "lake_root": ""})


def is_whole(environment: Environment, use_case: str = "tests") -> bool:
    lake = open_lake(environment)
    found = inspect(lake, use_case)
    assert found.problems == [] and verify(AuditLog(lake)).problems == []
    return bool(found.tables and found.artifacts)


def test_a_lost_installation_is_put_back_and_goes_on(house: House, tmp_path: Path) -> None:
    home = house.environment.home
    with closing(sqlite3.connect(home / "dagster" / "storage" / "runs.db")) as writer:
        writer.execute("begin immediate")
        writer.execute("insert into runs values ('not committed')")
        backup = backed_up(house.environment)
    before, modes = contents(house.lake), folder_modes(home)
    assert modes["samples"] == 0o700 and modes["group"] == 0o750
    assert backup.problems == [] and backup.told["bytes"] > backup.told["files"] > 30
    shutil.rmtree(home)

    drill = elsewhere(house.environment, tmp_path)
    assert restore(drill).problems == []
    assert contents(open_lake(drill)) == before and is_whole(drill)
    assert runs_in(drill.home / "dagster" / "storage" / "runs.db") == ["run-1"]
    assert json.loads((drill.home / "people" / "users.json").read_text()) == {"users": [ANA]}
    assert drill.key_path.stat().st_mode & 0o777 == drill.signing_key_path.stat().st_mode & 0o777 == 0o600
    assert os.stat(drill.home / "lake" / "restricted").st_mode & 0o077 == 0
    assert not list(drill.home.glob(".restoring"))
    assert {name: mode for name, mode in folder_modes(drill.home).items() if name in modes} == modes

    again = House(drill)
    again.attributes["owners"] = OWNERS
    again.source = house.source
    again.write(rows(6, person={1: PERSON}))
    made = again.build(checkpoint="ckpt-after")
    assert made["splits"].version == 1 and made["splits"].rows == 6 and is_whole(drill)
    note(again.lake, "", "settings", "goes on")
    assert verify(AuditLog(again.lake)).problems == []


def test_a_second_backup_costs_the_difference_and_no_name_or_byte_of_a_person_is_in_it(
    house: House, tmp_path: Path
) -> None:
    first = backed_up(house.environment)
    second = backed_up(house.environment)
    assert second.told["files"] == first.told["files"]
    assert second.told["new_blocks"] <= 3 < first.told["new_blocks"]
    (house.environment.home / "note.txt").write_text("one more")
    assert backed_up(house.environment).told["new_blocks"] <= second.told["new_blocks"] + 1
    assert bytes_below(tmp_path / "backups", PERSON) == 0 < bytes_below(house.environment.home, PERSON)
    names = [path.name for path in (tmp_path / "backups").rglob("*")]
    assert not any("tests" in name or "splits" in name for name in names)


def test_a_point_in_time_brings_back_the_lake_of_then_and_no_right_that_was_taken_away(
    house: House, tmp_path: Path
) -> None:
    first = backed_up(house.environment)
    then = contents(house.lake)
    house.write(rows(6, person={1: PERSON}))
    house.build(checkpoint="ckpt-second")
    (house.environment.home / "people" / "users.json").write_text(json.dumps({"users": []}))
    note(house.lake, "", "people", "ft users remove")
    second = backed_up(house.environment)
    assert [one["backup"] for one in listed(house.environment)] == [second.id, first.id]

    drill = elsewhere(house.environment, tmp_path)
    assert restore(drill, at=first.id).backup == first.id
    now = contents(open_lake(drill))
    for path in (then.keys() | now.keys()) - {one for one in now if one.startswith("audit_log/")}:
        assert then.get(path) == now.get(path), path
    assert json.loads((drill.home / "people" / "users.json").read_text()) == {"users": []}
    assert [one.what for one in AuditLog(open_lake(drill)).entries()][-1] == "ft users remove" and is_whole(drill)
    with pytest.raises(ConfigError, match="no backup of 2020-01-01"):
        restore(elsewhere(house.environment, tmp_path, "none"), at="2020-01-01")


def test_an_erased_person_is_in_no_backup_any_more_nor_in_a_copy_of_an_earlier_one(
    house: House, tmp_path: Path
) -> None:
    """The copy lies where nobody can delete it."""
    earlier = backed_up(house.environment)
    shutil.copytree(tmp_path / "backups", tmp_path / "tape")
    certificate = erase(house)
    assert certificate["backup"] > earlier.id and certificate["bytes_found_after"] == 0
    assert [one["backup"] for one in listed(house.environment)] == [certificate["backup"]]

    shutil.rmtree(house.environment.home / "lake")
    drill = elsewhere(house.environment, tmp_path)
    restore(drill)
    pseudonym = subject_pseudonyms(drill, "tests", PERSON)[1]
    assert bytes_below(drill.home, PERSON) == bytes_below(drill.home, pseudonym) == 0 and is_whole(drill)
    raw = open_lake(drill).latest("tests", "raw_records")
    assert raw and raw.rows == 3
    again = House(drill)
    again.attributes["owners"], again.source = OWNERS, house.source
    assert again.permit().rows == 3, "the source still names the person, and cannot bring the person back"

    tape = house.environment.model_copy(
        update={"backup": BackupSettings(to=str(tmp_path / "tape"), keys=str(tmp_path / "keys"))}
    )
    assert listed(tape) == []
    opened = dict(plain_blocks(repository_of(tape)))
    assert 0 < len(opened) < len(list((tmp_path / "tape" / "blocks").rglob("*"))), "what was not changed still opens"
    for name, content in opened.items():
        assert PERSON.encode() not in content, name
    (tmp_path / "opened").mkdir()
    for number, content in enumerate(opened.values()):
        (tmp_path / "opened" / str(number)).write_bytes(content)
    assert bytes_below(tmp_path / "opened", PERSON) == bytes_below(tmp_path / "opened", pseudonym) == 0


def test_an_erasure_while_a_backup_is_taken_is_in_it_whole_and_one_with_backups_waits(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are rewritten in place after they were taken: only they are taken again."""
    other = House(house.environment.model_copy(update={"backup": None}))
    other.attributes, other.source = house.attributes, house.source
    looks, read = [], moment._Look.read_chains

    def read_later(look: moment._Look) -> None:
        looks.append(look)
        if len(looks) == 1:
            assert erase(other)["bytes_found_after"] == 0
            with pytest.raises(TransientError, match="another process is at the backup"):
                backed_up(house.environment, end_earlier=True)
        read(look)

    monkeypatch.setattr(moment._Look, "read_chains", read_later)
    assert backed_up(house.environment).problems == []
    drill = elsewhere(house.environment, tmp_path)
    restore(drill)
    assert bytes_below(drill.home, PERSON) == 0 and is_whole(drill)


def test_the_proof_above_can_fail(house: House, tmp_path: Path) -> None:
    """With the keys of before, the person is found in the blocks."""
    backed_up(house.environment)
    (tmp_path / "opened").mkdir()
    for number, content in enumerate(dict(plain_blocks(repository_of(house.environment))).values()):
        (tmp_path / "opened" / str(number)).write_bytes(content)
    assert bytes_below(tmp_path / "opened", PERSON) > 0


def plain_blocks(repository: Repository) -> Iterator[tuple[str, bytes]]:
    """Every block that opens with the keys that are here."""
    with repository.opened():
        for path in Path(repository.root, "blocks").rglob("*"):
            if path.is_file():
                try:
                    yield path.name, b"".join(repository.load(Saved([path.name], "", 0)))
                except KeyMissing:
                    continue


def erase(house: House) -> dict[str, Any]:
    ana, bo = named(ANA), named(BO)
    lake, environment, case = house.lake, house.environment, house.case
    permissions, day = Permissions(use_cases={case.name: case}), datetime.now(UTC).date()
    about: dict[str, Any] = {"reason": "Letter of 3 March", "received": day, "today": day}
    request = ask(lake, environment, case, permissions, ana, [PERSON], **about)
    request = decide(lake, case, permissions, bo, request.id, approved=True)
    return erase_approved(lake, environment, case, request, ana)


def test_an_erasure_waits_and_ends_no_backup_where_the_new_one_does_not_match(house: House, tmp_path: Path) -> None:
    earlier = backed_up(house.environment)
    file = next(Path(house.lake.path_of("shared", "tests", "adapter_checkpoint")).rglob("*.safetensors"), None)
    file = file or next(
        path
        for path in Path(house.lake.path_of("shared", "tests", "adapter_checkpoint")).rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(VersionRefused, match="earlier backups stay"):
        backed_up(house.environment, end_earlier=True)
    assert earlier.id in [one["backup"] for one in listed(house.environment)]


def test_only_the_newest_backups_stay(house: House, tmp_path: Path) -> None:
    settings = BackupSettings(to=str(tmp_path / "backups"), keys=str(tmp_path / "keys"), keep=2)
    environment = house.environment.model_copy(update={"backup": settings})
    made = []
    for number in range(3):
        (environment.home / "changes.txt").write_text(f"state {number}" * 100)
        made.append(backed_up(environment).id)
    assert [one["backup"] for one in listed(environment)] == made[:0:-1]
    with repository_of(environment).opened() as repository:
        needed = set().union(*(repository.moment(one).blocks() for one in repository.readable()))
    assert {path.name for path in (tmp_path / "backups" / "blocks").rglob("*") if path.is_file()} == needed
    assert check(environment).backup == made[-1]


@pytest.mark.parametrize("damage", ["changed", "lost", "swapped"])
def test_a_block_that_was_tampered_with_is_named_and_a_lost_one_is_stored_again(
    house: House, tmp_path: Path, damage: str
) -> None:
    backed_up(house.environment)
    blocks = sorted(path for path in (tmp_path / "backups" / "blocks").rglob("*") if path.is_file())
    if damage == "changed":
        blocks[0].write_bytes(blocks[0].read_bytes()[:-1] + b"x")
    elif damage == "swapped":
        shutil.copyfile(blocks[1], blocks[0])
    else:
        blocks[0].unlink()
    with pytest.raises(CorruptVersion, match=r"was changed|is missing"):
        check(house.environment)
    with pytest.raises(CorruptVersion, match=r"was changed|is missing"):
        restore(elsewhere(house.environment, tmp_path))
    if damage == "lost":
        backed_up(house.environment)
        assert check(house.environment).problems == []


def test_places_that_would_not_survive_and_keys_that_are_not_there_are_refused(house: House, tmp_path: Path) -> None:
    home = house.environment.home
    for to, keys in ((str(home / "b"), "/keys"), (str(tmp_path / "b"), str(home / "k")), ("/b", "/b/keys")):
        changed = house.environment.model_copy(update={"backup": BackupSettings(to=to, keys=keys)})
        with pytest.raises(ConfigError, match="lies in"):
            backed_up(changed)
    with pytest.raises(ConfigError, match="there is no place for backups"):
        backed_up(house.environment.model_copy(update={"backup": None}))
    with pytest.raises(ConfigError, match="there is no backup in"):
        restore(elsewhere(house.environment, tmp_path))
    backed_up(house.environment)
    with pytest.raises(ConfigError, match="a restore writes over nothing"):
        restore(house.environment)
    (tmp_path / "keys").rename(tmp_path / "lost")
    with pytest.raises(KeyMissing, match="are not in"):
        restore(elsewhere(house.environment, tmp_path))
    (tmp_path / "keys").rmdir() if not any((tmp_path / "keys").iterdir()) else shutil.rmtree(tmp_path / "keys")
    (tmp_path / "lost").rename(tmp_path / "keys")
    with repository_of(house.environment).opened(), pytest.raises(TransientError, match="another process"):
        backed_up(house.environment)


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from ft_platform.lake.backup import repository, restoring, taking
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.use_case.settings.backup import BackupSettings
    from ft_platform.use_case.settings.environment import Environment

    what, home, folder, last = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    settings = BackupSettings(to=f"{folder}/backups", keys=f"{folder}/keys")
    environment = Environment(home=home, tracking_uri="none", backup=settings)
    done, replace = [], os.replace

    def replaced(*arguments):
        replace(*arguments)
        done.append(0)
        if len(done) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replaced
    repository.WAITING = 4
    if what == "backup":
        taking.take_backup(environment, AuditLog(open_lake(environment)))
    else:
        restoring.restore(environment)
    """
)


def killed(what: str, home: Path, folder: Path, last: int) -> bool:
    command = [sys.executable, "-c", KILLED, what, str(home), str(folder), str(last)]
    variables = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    done = subprocess.run(command, timeout=300, check=False, env=variables, capture_output=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()[-2000:]
    return done.returncode != 0


@pytest.mark.integration
def test_killed_anywhere_a_backup_and_a_restore_go_on(house: House, tmp_path: Path) -> None:
    home = house.environment.home
    for last in (1, 2, 9, 30):
        assert killed("backup", home, tmp_path, last)
        with pytest.raises((ConfigError, FtError)):
            restore(elsewhere(house.environment, tmp_path, f"none-{last}"))
    backed_up(house.environment)
    before = contents(house.lake)
    drill = elsewhere(house.environment, tmp_path)
    for last in (1, 3, 9, 16):
        assert killed("restore", drill.home, tmp_path, last)
        assert not list((drill.home / "lake").glob("shared/*/seals/*.jsonl"))
    restore(drill)
    assert contents(open_lake(drill)) == before and is_whole(drill)
    assert not list(drill.home.rglob("*.tmp"))


def test_the_commands_back_up_restore_and_note_what_they_do(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ft(*words: str) -> str:
        capsys.readouterr()
        assert cli.main(words) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    file, home = tmp_path / "ft_environment.yaml", house.environment.home
    places = {"to": str(tmp_path / "backups"), "keys": str(tmp_path / "keys")}
    file.write_text(json.dumps({"home": str(home), "tracking_uri": "none", "backup": places}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    monkeypatch.setenv("DAGSTER_HOME", "")  # commands set it
    monkeypatch.delenv("DAGSTER_HOME")
    first = json.loads(ft("backup", "--json"))
    assert first["problems"] == [] and first["new_bytes"] > 0
    assert ft("backup", "--end-earlier").startswith("20")
    assert [one.what for one in AuditLog(house.lake).entries()][-1] == "ended earlier backups"
    [left] = json.loads(ft("restore", "--list", "--json"))
    assert left["backup"] > first["backup"] and left["backup"] in ft("restore", "--check")
    shutil.rmtree(home)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert left["backup"] in ft("restore")
    assert [one.what for one in AuditLog(open_lake(house.environment)).entries()][-1] == "restored a backup"
    assert "the lake is intact" in ft("lake", "check")


@pytest.mark.components(name="aws")
def test_a_lake_in_s3_is_backed_up_to_s3_and_restored_to_another_bucket(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_bucket("backups", monkeypatch, own_process=True):
        settings = BackupSettings(to="s3://backups/here", keys=str(tmp_path / "keys"))
        update = {"lake_root": "s3://backups/lake", "backup": settings}
        far = house.environment.model_copy(update=update)
        assert copied_to(house.lake, open_lake(far)).problems == []
        assert backed_up(far).problems == []
        assert backed_up(far).told["new_blocks"] <= 5
        drill = far.model_copy(update={"home": tmp_path / "drill", "lake_root": "s3://backups/another"})
        assert restore(drill).problems == [] and check(far).problems == []
        assert contents(open_lake(drill)) == contents(open_lake(far)) and is_whole(drill)


def test_the_newest_backup_is_the_one_taken_last_though_the_clock_was_set_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else rights that were taken away come back with the next restore."""
    first = backed_up(house.environment)
    clock = type("Clock", (datetime,), {"now": classmethod(lambda _, zone: datetime.now(zone) - timedelta(400))})
    monkeypatch.setattr("ft_platform.lake.backup.repository.datetime", clock)
    second = backed_up(house.environment)
    with repository_of(house.environment).opened() as repository:
        assert repository.ids() == [second.id, first.id]
