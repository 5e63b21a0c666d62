"""Dagster's storage in PostgreSQL loses the person, row by row and in the files of the server. Persons are
fictitious."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from ft_platform.erasure.dagster_places import dagster_places, with_driver
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.postgres import count_in_postgres, mend_postgres, place_of
from ft_platform.errors import ConfigError, TransientError
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.erasure.test_whole import approved, ft, house  # noqa: F401
from ft_platform_tests.sources.test_sql import postgres_port  # noqa: F401

POSTGRES = pytest.mark.components(name="postgres")
STORAGE = """
storage:
  postgres:
    postgres_db:
      hostname: {env: DAGSTER_POSTGRES_HOST}
      port: %s
      db_name: dagster
      username: owner
      password: {env: DAGSTER_POSTGRES_PASSWORD}
"""


@pytest.fixture
def address(postgres_port: int) -> str:  # noqa: F811
    """An empty database."""
    import psycopg

    admin = f"host=127.0.0.1 port={postgres_port} user=owner password='a test password' dbname=postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS dagster WITH (FORCE)")
        connection.execute("CREATE DATABASE dagster")
    return f"postgresql://owner:a%20test%20password@127.0.0.1:{postgres_port}/dagster"


def tables_of_dagster(address: str) -> Any:
    """Dagster's own tables, with events of a run about the person as it writes them."""
    import dagster as dg
    import sqlalchemy
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._serdes import serialize_value

    @dg.asset
    def letters() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"who": PERSON, "of": dg.MetadataValue.json({"of": [PERSON]})})

    engine = sqlalchemy.create_engine(with_driver(address), poolclass=sqlalchemy.NullPool)
    for metadata in (SqlEventLogStorageMetadata, RunStorageSqlMetadata):
        metadata.create_all(engine)
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([letters], instance=instance, tags={"about": PERSON})
        told = instance.all_logs(run.run_id)
    with engine.begin() as connection:
        for event in told:
            connection.execute(
                sqlalchemy.text("INSERT INTO event_logs (run_id, event, asset_key) VALUES (:r, :e, :k)"),
                {"r": run.run_id, "e": serialize_value(event), "k": "letters"},
            )
        connection.execute(
            sqlalchemy.text("INSERT INTO snapshots VALUES (1, 'abc', :body, 'JOB')"),
            {"body": zlib.compress(json.dumps({"who": PERSON}).encode())},
        )
        for name in (PERSON, "Mirela Okonjo"):
            connection.execute(
                sqlalchemy.text("INSERT INTO dynamic_partitions (partitions_def_name, partition) VALUES ('p', :n)"),
                {"n": name},
            )
    return engine


def count_in_files(engine: Any, word: str) -> int:
    """Bytes of a word in the files of the tables, as they lie on the server's disk."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar(), "base")
    return sum(path.read_bytes().count(word.encode()) for path in folder.rglob("*") if path.is_file())


@POSTGRES
def test_a_person_goes_from_rows_and_from_the_files_of_the_tables_and_events_are_still_read(address: str) -> None:
    from dagster import EventLogEntry
    from dagster._serdes import deserialize_value

    engine, needles = tables_of_dagster(address), Needles([PERSON])
    before = count_in_postgres(address, needles)
    assert {name.rsplit(".", 1)[1] for name in before} >= {"event_logs", "snapshots", "dynamic_partitions"}
    assert count_in_files(engine, PERSON) > 0
    done = mend_postgres(address, needles)
    assert done["rows"] >= 3 and done["not_rewritten"] == []
    assert count_in_postgres(address, needles) == {} and count_in_files(engine, PERSON) == 0
    with engine.connect() as connection:
        events = [row[0] for row in connection.exec_driver_sql("SELECT event FROM event_logs ORDER BY id")]
        snapshot = connection.exec_driver_sql("SELECT snapshot_body FROM snapshots").scalar()
        partitions = [row[0] for row in connection.exec_driver_sql("SELECT partition FROM dynamic_partitions")]
    entries = [deserialize_value(event, EventLogEntry) for event in events]
    made = [one.asset_materialization for one in entries if one.asset_materialization]
    assert made[0].metadata["who"].value == "erased" and made[0].metadata["of"].value == {"of": ["erased"]}
    assert json.loads(zlib.decompress(snapshot)) == {"who": "erased"}
    assert sorted(partitions) == ["Mirela Okonjo", "erased"]
    assert mend_postgres(address, needles) == {"rows": 0, "not_rewritten": []}


@POSTGRES
def test_a_table_that_is_in_use_is_mended_and_its_unused_space_is_told(address: str, monkeypatch) -> None:
    engine, needles = tables_of_dagster(address), Needles([PERSON])
    monkeypatch.setattr("ft_platform.erasure.postgres.LOCK_SECONDS", 1)
    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event_logs")
        done = mend_postgres(address, needles)
    assert done["not_rewritten"] == ['"public"."event_logs"'] and count_in_postgres(address, needles) == {}
    assert mend_postgres(address, needles, done["not_rewritten"]) == {"rows": 0, "not_rewritten": []}
    assert count_in_files(engine, PERSON) == 0, "done again, it is written anew"


@POSTGRES
def test_killed_before_tables_are_written_anew_the_next_call_does_it(house, capsys, address, monkeypatch) -> None:  # noqa: F811
    engine = tables_of_dagster(address)
    home = house.environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{address}'}}}}")

    def killed(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("ft_platform.erasure.postgres._written_anew", killed)
    request = approved(capsys)
    ft(capsys, "subject", "letters", PERSON, fails=130)
    assert count_in_postgres(address, Needles([PERSON])) == {} and count_in_files(engine, PERSON) > 0
    monkeypatch.undo()
    for name, value in house.environment.to_variables().items():
        monkeypatch.setenv(name, value)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["certificate"]
    assert count_in_files(engine, PERSON) == 0
    told = json.loads(ft(capsys, "show", "letters", request))["places"]
    (found,) = [one for one in told if one["place"].startswith("PostgreSQL")]
    assert found["result"] == "erased" and "write-ahead log" in found["why"]


@POSTGRES
def test_rows_that_become_the_same_become_one(address: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(with_driver(address), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (name TEXT PRIMARY KEY, said JSONB)")
        for name in ("person-one", "person-two", "other"):
            connection.exec_driver_sql(f"""INSERT INTO kept VALUES ('{name}', '{{"of": "{name}"}}')""")
    assert mend_postgres(address, Needles(["person-one", "person-two"]))["rows"] == 2
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, said FROM kept ORDER BY name").fetchall()
    assert [tuple(row) for row in rows] == [("erased", {"of": "erased"}), ("other", {"of": "other"})]


@POSTGRES
def test_an_erasure_mends_the_storage_that_dagster_yaml_names_and_says_what_the_server_may_keep(
    house,  # noqa: F811
    capsys,
    address: str,
    postgres_port: int,  # noqa: F811
    monkeypatch,
) -> None:
    engine = tables_of_dagster(address)
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD", "a test password")
    home = house.environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(STORAGE % postgres_port)
    request = approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0
    assert count_in_files(engine, PERSON) == 0
    told = json.loads(ft(capsys, "show", "letters", request))["places"]
    (found,) = [one for one in told if one["place"].startswith("PostgreSQL")]
    assert found["place"] == place_of(address) and "a test password" not in json.dumps(told)
    assert found["result"] == "erased" and "write-ahead log" in found["why"]


@POSTGRES
def test_a_storage_that_does_not_answer_leaves_the_request_open(house, capsys, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD", "x")
    home = house.environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(STORAGE % 1)
    request = approved(capsys)
    assert "PostgreSQL at 127.0.0.1:1/dagster does not answer" in ft(capsys, "subject", "letters", PERSON, fails=1)
    assert "is not done" in ft(capsys, "show", "letters", request, fails=1)
    (home / "dagster.yaml").unlink()
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["certificate"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("storage: {postgres: {postgres_url: 'postgresql://a:b@h/d'}}", ["postgresql://a:b@h/d"]),
        (
            "storage: {postgres: {postgres_db: {hostname: h, username: u, password: 'p@ss', db_name: d}}}",
            ["postgresql://u:p%40ss@h:5432/d"],
        ),
        (
            "storage: {postgres: {postgres_db: {scheme: postgresql+psycopg2, port: 1, hostname: {env: PG_HOST},"
            " username: u, db_name: d, params: {sslmode: require}}}}",
            ["postgresql+psycopg2://u@here:1/d?sslmode=require"],
        ),
        (
            "run_storage: {module: dagster_postgres.run_storage, class: X, config: {postgres_url: 'postgresql://h/d'}}",
            ["postgresql://h/d"],
        ),
        ("storage: {sqlite: {base_dir: /elsewhere}}", []),
        ("telemetry: {enabled: false}", []),
    ],
)
def test_the_address_is_read_as_dagster_reads_it(environment: Environment, monkeypatch, said, expected) -> None:
    monkeypatch.setenv("PG_HOST", "here")
    environment.dagster_home.mkdir(parents=True, exist_ok=True)
    (environment.dagster_home / "dagster.yaml").write_text(said)
    found = dagster_places(environment)
    assert found.postgres == expected
    assert (Path("/elsewhere") in found.databases) is ("elsewhere" in said)


def test_a_storage_that_cannot_be_searched_is_an_error_and_not_left_out(environment: Environment) -> None:
    environment.dagster_home.mkdir(parents=True, exist_ok=True)
    (environment.dagster_home / "dagster.yaml").write_text("storage: {mysql: {mysql_url: 'mysql://h/d'}}")
    with pytest.raises(ConfigError, match="mysql"):
        dagster_places(environment)


def test_the_place_is_told_without_the_password_and_a_dead_server_as_such() -> None:
    pytest.importorskip("psycopg")
    assert place_of("postgresql://u:secret@h:99/d") == "PostgreSQL at h:99/d"
    with pytest.raises(TransientError, match=r"PostgreSQL at 127\.0\.0\.1:1/d does not answer") as caught:
        mend_postgres("postgresql://u:secret@127.0.0.1:1/d", Needles([PERSON]))
    assert "secret" not in str(caught.value)
