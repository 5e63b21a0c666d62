"""The Dagster instance of an installation has the settings of the package, above all the limit of the pool `gpu`."""

import errno
import fcntl
import os
import sqlite3
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

import ft_platform
from ft_platform.errors import ConfigError, DiskFull, NotWritable, StateDamaged
from ft_platform.orchestration import instance
from ft_platform.process.system_errors import in_words
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def no_instance_yet(monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")


@pytest.fixture
def installation(tmp_path) -> Environment:
    return Environment(home=tmp_path / "home", defs=tmp_path / "defs")


def test_the_packaged_settings_are_those_of_the_repository():
    assert instance.INSTANCE_SETTINGS.read_bytes() == (REPOSITORY / "dagster.yaml").read_bytes()


def test_the_settings_lie_inside_the_package_so_that_a_wheel_has_them():
    assert Path(ft_platform.__file__).parent in instance.INSTANCE_SETTINGS.parents
    assert instance.INSTANCE_SETTINGS.is_file() and not instance.INSTANCE_SETTINGS.is_symlink()


@pytest.mark.integration
def test_a_new_installation_runs_one_step_of_the_gpu_pool_at_a_time(installation):
    instance.prepare_home(installation)
    with dg.DagsterInstance.get() as made:
        assert made.get_concurrency_config().pool_config.default_pool_limit == 1


@pytest.mark.integration
def test_a_run_waits_for_a_code_server_that_takes_minutes_to_start(installation):
    instance.prepare_home(installation)
    with dg.DagsterInstance.get() as made:
        queue = made.get_concurrency_config().run_queue_config
        assert queue and queue.max_concurrent_runs == 10
        waits = queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay
        assert waits >= made.code_server_process_startup_timeout == 900


def test_without_the_packaged_settings_nothing_is_created_half(installation, monkeypatch, tmp_path):
    monkeypatch.setattr(instance, "INSTANCE_SETTINGS", tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"there is no .*nowhere\.yaml\. Install ft-platform again"):
        instance.prepare_home(installation)
    with instance.existing_instance(installation) as found:
        assert found is None


@pytest.mark.integration
def test_settings_that_are_there_stay(installation):
    installation.dagster_home.mkdir(parents=True)
    (installation.dagster_home / "dagster.yaml").write_text("concurrency: {pools: {default_limit: 3}}\n")
    instance.prepare_home(installation)
    with instance.existing_instance(installation) as found:
        assert found and found.get_concurrency_config().pool_config.default_pool_limit == 3


@pytest.mark.parametrize("linked", [False, True])
def test_settings_of_an_earlier_version_are_mended_whole_or_not_at_all(tmp_path, monkeypatch, linked):
    """As beside a link, where a secret or a folder of settings is mounted."""
    before = "telemetry: {enabled: false}\n"
    file, settings = tmp_path / "there" / "own.yaml", tmp_path / "dagster.yaml"
    file.parent.mkdir()
    (file if linked else settings).write_text(before)
    if linked:
        settings.symlink_to(file)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            instance._mend(settings)
    assert settings.read_text() == before
    instance._mend(settings)
    assert settings.read_text() == before + instance.GUARD and settings.is_symlink() == linked
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1 + linked


EDITED = {
    "a: [": r"expected the node content.*dagster\.yaml:1\)",
    "surprise: 1": r'unexpected config entry "surprise" at the root\. \(.*dagster\.yaml\)',
    "- 1": r"not those of a Dagster instance \(.*dagster\.yaml\)",
    "a: !!python/object:os.system x": r"could not determine a constructor.*dagster\.yaml:1\)",
    "storage: {sqlite: {base_dir: 3}}": r"Invalid scalar at path root:storage:sqlite:base_dir",
    "a: " + "b" * 300_000: r"it has more than 262,144 bytes",
}


@pytest.mark.parametrize(("text", "said"), EDITED.items(), ids=[text[:12] for text in EDITED])
def test_settings_that_were_edited_wrongly_are_named_with_file_and_remedy(installation, text, said):
    (home := installation.dagster_home).mkdir(parents=True)
    (home / "dagster.yaml").write_text(text)
    with pytest.raises(StateDamaged, match=rf"Dagster's settings cannot be used: .*{said}.*move it away"):
        instance.prepare_home(installation)
    with pytest.raises(StateDamaged, match=said), instance.existing_instance(installation):
        pass


def test_a_pipe_in_place_of_the_settings_is_not_waited_for(installation):
    (home := installation.dagster_home).mkdir(parents=True)
    os.mkfifo(home / "dagster.yaml")
    with pytest.raises(StateDamaged, match="must be a regular file"), instance.existing_instance(installation):
        pass


@pytest.mark.integration
@pytest.mark.parametrize("content", [b"garbage" * 100, None], ids=["garbage", "cut"])
@pytest.mark.parametrize("database", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_damaged_database_is_named_and_a_new_one_takes_its_place_once_it_is_moved_away(
    installation, database, content
):
    instance.prepare_home(installation)
    file = installation.dagster_home / database
    whole = file.read_bytes()
    file.write_bytes(content or whole[:1000])
    with pytest.raises(StateDamaged, match=rf"{database} is damaged: .*the lake is not touched.*move it away"):
        instance.prepare_home(installation)
    with pytest.raises(StateDamaged, match=database), instance.existing_instance(installation):
        pass
    file.unlink()
    instance.prepare_home(installation)
    file.write_bytes(whole)
    instance.prepare_home(installation)


def test_a_file_in_place_of_the_home_is_named(installation):
    installation.home.mkdir()
    installation.dagster_home.write_text("")
    with pytest.raises(NotWritable, match=r"dagster cannot be used: File exists\. Move it away"):
        instance.prepare_home(installation)


REFUSALS = [
    (
        OSError(errno.ENOSPC, "No space left on device", "/x/run.db"),
        DiskFull,
        "no space is left on the disk of /x/run.db",
    ),
    (
        OSError(errno.EROFS, "Read-only file system", "/x/lock"),
        NotWritable,
        "/x/lock cannot be used: Read-only file system",
    ),
    (
        PermissionError(errno.EACCES, "Permission denied", "/x/lock"),
        NotWritable,
        "/x/lock cannot be used: Permission denied",
    ),
    (sqlite3.OperationalError("database or disk is full"), DiskFull, "where Dagster keeps its runs"),
    (
        sqlite3.OperationalError("attempt to write a readonly database"),
        NotWritable,
        "cannot be written: attempt to write a readonly database",
    ),
    (sqlite3.OperationalError("database is locked"), NotWritable, "another process keeps a database"),
    (sqlite3.OperationalError("unable to open database file"), NotWritable, "unable to open database file"),
    (
        sqlite3.DatabaseError("database disk image is malformed"),
        StateDamaged,
        "is damaged: database disk image is malformed",
    ),
]


@pytest.mark.parametrize(("error", "kind", "said"), REFUSALS, ids=[str(error) for error, *_ in REFUSALS])
def test_what_the_system_refuses_is_told_in_words_also_where_a_library_wraps_it(tmp_path, error, kind, said):
    wrapped = RuntimeError("of a library")
    wrapped.__cause__ = OperationalError("insert ...", {"body": "Ada Lovelace"}, error)
    for one in (error, wrapped):
        found = in_words(one, tmp_path)
        assert isinstance(found, kind) and said in str(found)
        assert "Lovelace" not in str(found)
    with pytest.raises(kind), instance.told(tmp_path):
        raise wrapped


def test_other_errors_stay_what_they_are(tmp_path):
    assert in_words(ValueError("x"), tmp_path) is None
    assert in_words(OSError(errno.EIO, "Input/output error"), tmp_path) is None
    with pytest.raises(ValueError, match="x"), instance.told(tmp_path):
        raise ValueError("x")


def test_one_process_opens_it_at_a_time_and_writes_nothing_for_that(tmp_path):
    """In containers the settings lie on a root that nobody can write."""
    with instance._lock(tmp_path):
        other = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert list(tmp_path.iterdir()) == []
