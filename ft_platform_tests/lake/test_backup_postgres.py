"""Dagster's instance in PostgreSQL is backed up and put back, against a real server. Nobody but the server's password
opens it."""

from pathlib import Path

import pytest
import yaml

from ft_platform.errors import FtError
from ft_platform.lake.backup.installation import DUMP, postgres_of
from ft_platform.lake.backup.restoring import restore
from ft_platform.lake.backup.taking import take_backup
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.use_case.settings.backup import BackupSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.sources.test_sql import postgres_port  # noqa: F401

pytestmark = pytest.mark.components(name="postgres")
PASSWORD = "a test password"


def asked(port: int, database: str, *statements: str) -> list[tuple]:
    import psycopg

    address = f"host=127.0.0.1 port={port} user=owner password='{PASSWORD}' dbname={database}"
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements[:-1]:
            connection.execute(statement)  # type: ignore[arg-type]
        found = connection.execute(statements[-1])  # type: ignore[arg-type]
        return found.fetchall() if found.description else []


def installation(environment: Environment, home: Path, folder: Path) -> Environment:
    settings = BackupSettings(to=str(folder / "backups"), keys=str(folder / "keys"))
    return environment.model_copy(update={"home": home, "lake_root": "", "backup": settings})


def write_settings(home: Path, port: int) -> None:
    """A dagster.yaml whose database a variable names."""
    told = {"username": "owner", "password": {"env": "FT_TEST_PASSWORD"}, "hostname": "127.0.0.1"}
    storage = {"postgres": {"postgres_db": {**told, "db_name": {"env": "FT_TEST_DATABASE"}, "port": port}}}
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))


def test_the_instance_in_postgresql_is_backed_up_and_put_back(
    environment: Environment,
    postgres_port: int,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("FT_TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("FT_TEST_DATABASE", "instance")
    asked(postgres_port, "postgres", "CREATE DATABASE instance")
    asked(postgres_port, "instance", "CREATE TABLE runs (id text)", "INSERT INTO runs VALUES ('run-1')")
    here = installation(environment, environment.home, tmp_path)
    write_settings(here.home, postgres_port)
    note(open_lake(here), "", "settings", "began")
    first = take_backup(here, AuditLog(open_lake(here)))
    assert DUMP in first.files and (postgres_of(here) or "").endswith("/instance")
    asked(postgres_port, "instance", "INSERT INTO runs VALUES ('run-2')")
    take_backup(here, AuditLog(open_lake(here)))

    asked(postgres_port, "postgres", "CREATE DATABASE drill", "CREATE DATABASE earlier")
    for database, at, runs in (("drill", "", ["run-1", "run-2"]), ("earlier", first.id, ["run-1"])):
        monkeypatch.setenv("FT_TEST_DATABASE", database)
        restore(installation(environment, tmp_path / database, tmp_path), at)
        assert [one for (one,) in asked(postgres_port, database, "SELECT id FROM runs ORDER BY id")] == runs

    monkeypatch.setenv("FT_TEST_PASSWORD", "another")
    with pytest.raises(FtError, match="pg_dump ended with code") as refused:
        take_backup(here, AuditLog(open_lake(here)))
    assert "another" not in str(refused.value)
