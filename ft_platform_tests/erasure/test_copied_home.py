"""A home that was restored or copied elsewhere writes and deletes only below itself. Persons are fictitious."""

import json
import shutil
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.use_case.environment import load_environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_trackers import place, tracked
from ft_platform_tests.erasure.test_whole import OWNERS, approved, ft
from ft_platform_tests.governance.house import House, rows
from ft_platform_tests.test_wandb import variables_as_before  # noqa: F401

pytestmark = pytest.mark.integration


@pytest.fixture
def house(environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_stages: None) -> House:
    """An installation whose settings are a file, with a backup and a tracked training that learned from the person."""
    for name in environment.to_variables():
        monkeypatch.delenv(name, raising=False)
    # Set first, so that it is put back as it was: commands set it.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    file = tmp_path / "ft_environment.yaml"
    settings = {
        "home": str(environment.home),
        "defs": str(environment.defs),
        "trackers": ["mlflow", "wandb"],
        "backup": {"to": str(tmp_path / "backups"), "keys": str(tmp_path / "keys")},
    }
    file.write_text(json.dumps(settings))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    made = House(load_environment(), name="letters")
    made.attributes["owners"] = OWNERS
    write_use_case(environment.defs, "letters", made.attributes)
    made.write(rows(4, person={1: PERSON}))
    made.build(checkpoint=None)
    tracked(made, "ckpt-tracked")
    return made


def contents(*folders: Path) -> dict[str, tuple[int, bytes]]:
    """Path -> mode and bytes. SQLite lets its index of a journal come and go when a database is read."""
    files = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return {
        str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in files
        if not path.name.endswith(("-wal", "-shm"))
    }


SAYS_WHERE_FROM = {"lake", "dagster", "wandb"}
"""What says where something was when it was made (docs/how_to/back_up.md): nothing is written or deleted by it."""


def names(path: Path, home: Path) -> bool:
    return path.is_file() and f"{home}/".encode() in path.read_bytes()


def moved_to(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FT_HOME", str(home))
    monkeypatch.setenv("FT_LAKE_ROOT", "")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_an_erasure_in_a_drill_changes_nothing_in_production(house, tmp_path, monkeypatch, capsys):
    production = house.environment.home
    assert cli.main(["backup"]) == 0
    before = contents(production, tmp_path / "backups", tmp_path / "keys")
    assert any("mlflow-artifacts" in path and path.endswith(".bin") for path in before)
    drill = tmp_path / "drill"
    moved_to(drill, monkeypatch)
    assert cli.main(["restore"]) == 0
    capsys.readouterr()
    assert {path.relative_to(drill).parts[0] for path in drill.rglob("*") if names(path, production)} <= SAYS_WHERE_FROM

    request = approved(capsys)
    told = ft(capsys, "subject", "letters", PERSON, "--json", fails=1)
    assert "backups" in told and "ft backup --moved" in told
    assert contents(production, tmp_path / "backups", tmp_path / "keys") == before
    assert not list((drill / "mlflow-artifacts").rglob("*.bin")) and not list((drill / "wandb").glob("offline-run-*"))
    assert bytes_below(drill / "mlflow-artifacts", PERSON) == 0 < bytes_below(production, PERSON)

    without = json.loads((tmp_path / "ft_environment.yaml").read_text())
    del without["backup"]
    (tmp_path / "drill.yaml").write_text(json.dumps(without))
    monkeypatch.setenv("FT_ENVIRONMENT", str(tmp_path / "drill.yaml"))
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 0
    assert place(capsys, request, "MLflow")["result"] == place(capsys, request, "Weights")["result"] == "deleted"
    assert contents(production, tmp_path / "backups", tmp_path / "keys") == before


def test_a_copy_tracks_and_keeps_its_files_below_itself(house, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    production, copy = house.environment.home, tmp_path / "copy"
    before = contents(production)
    shutil.copytree(production, copy)
    moved_to(copy, monkeypatch)
    there = House(load_environment(), name="letters")
    there.attributes = house.attributes
    there.lake = open_lake(there.environment)
    _, runs = tracked(there, "ckpt-of-the-copy")
    assert contents(production) == before
    kept = MlflowClient(there.environment.mlflow_uri).get_run(runs["mlflow"]["run_id"]).info.artifact_uri
    assert kept and kept.startswith(f"{copy.as_uri()}/mlflow-artifacts/") and len(list(copy.rglob("adapter.bin"))) > 2


def test_files_of_a_run_that_lie_outside_the_home_stay_and_the_erasure_says_why(house, tmp_path, monkeypatch, capsys):
    import sqlite3
    from contextlib import closing

    outside = tmp_path / "outside"
    shutil.move(house.environment.home / "mlflow-artifacts", outside)
    with closing(sqlite3.connect(house.environment.home / "mlflow.db")) as database, database:
        database.execute("update runs set artifact_uri = ? || '/letters/x'", (outside.as_uri(),))
    before = contents(outside)
    request = approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["not_confirmed"] == 1
    assert contents(outside) == before
    assert "not of this installation" in place(capsys, request, "MLflow")["why"]


def test_a_home_that_took_the_place_of_another_goes_on_with_its_backups(house, tmp_path, monkeypatch, capsys):
    assert cli.main(["backup"]) == 0
    moved_to(tmp_path / "new", monkeypatch)
    assert cli.main(["restore"]) == 0
    capsys.readouterr()
    assert cli.main(["backup"]) == 1
    told = capsys.readouterr().err
    assert str(house.environment.home) in told and "ft backup --moved" in told
    assert cli.main(["backup", "--moved"]) == cli.main(["backup"]) == 0
    entries = AuditLog(open_lake(load_environment())).entries()
    assert sum("takes the place" in entry.what for entry in entries) == 1
