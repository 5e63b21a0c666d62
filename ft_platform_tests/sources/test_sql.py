"""Tables and queries of real databases: SQLite, and a PostgreSQL server that the test starts. Persons are
fictitious."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.assets.raw_records import ingest_source
from ft_platform.errors import SourceError, TransientError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.sources.discovery import fingerprint
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.postgres_server import is_there, postgres_server
from ft_platform_tests.tables import use_case

CREATE = (
    "CREATE TABLE complaints (id INTEGER PRIMARY KEY, text TEXT, label TEXT, consent TEXT, region TEXT, changed"
    " {stamp}, secret TEXT)"
)
INSERT = (
    "INSERT INTO complaints VALUES ({}, 'complaint number {} about a fee', 'card', 'yes', 'north', '2026-01-{:02d}',"
    " 'never read')"
)

Execute = Callable[..., None]


@pytest.fixture(scope="module")
def postgres_port() -> Iterator[int]:
    """A server of its own on a free port, ended afterwards."""
    if not is_there():
        pytest.skip("no PostgreSQL server program on this machine (package `postgresql`)")
    with postgres_server() as port:
        yield port


POSTGRES = pytest.mark.components(name="postgres")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=POSTGRES),
        "sqlite+adbc",
        pytest.param("postgresql+adbc", marks=POSTGRES),
    ]
)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Execute]:
    """Settings of a source with five complaints, and what runs a statement on it."""
    if "adbc" in request.param:
        pytest.importorskip("adbc_driver_sqlite.dbapi")
        pytest.importorskip("adbc_driver_postgresql.dbapi")
    if request.param.startswith("sqlite"):
        path = tmp_path / "records.db"

        def execute(*statements: str) -> None:
            with sqlite3.connect(path) as connection:
                for statement in statements:
                    connection.execute(statement)
            connection.close()

        settings = {"uri": f"{request.param}:///{path}"}
    else:
        import psycopg

        port = request.getfixturevalue("postgres_port")
        monkeypatch.setenv("FT_SOURCES_ALLOWED", f"postgresql://127.0.0.1:{port}")
        monkeypatch.setenv("RECORDS_PASSWORD", "a test password")

        def execute(*statements: str) -> None:
            address = f"host=127.0.0.1 port={port} user=owner password='a test password' dbname=postgres"
            with psycopg.connect(address, autocommit=True) as connection:
                for statement in statements:
                    connection.execute(statement)  # type: ignore[arg-type]

        execute("DROP TABLE IF EXISTS complaints")
        settings = {
            "uri": f"{request.param}://owner@127.0.0.1:{port}/postgres",
            "password_variable": "RECORDS_PASSWORD",
        }
    execute(
        CREATE.format(stamp="TEXT" if request.param.startswith("sqlite") else "TIMESTAMPTZ"),
        *[INSERT.format(i, i, i) for i in range(1, 6)],
    )
    return settings, execute


def keys(lake: Lake, version: TableVersion) -> list[str]:
    return sorted(lake.read_table(version, ["source_key"])["source_key"].to_pylist())


def case_of(settings: dict[str, Any], **more: Any) -> NamedUseCase:
    return use_case(source={**settings, **more})


@pytest.mark.parametrize(
    "what", [{"table": "complaints"}, {"query": "SELECT * FROM complaints WHERE label <> ':none' -- all; of them"}]
)
def test_rows_are_read_once_and_again_only_when_they_change(
    database: Any, environment: Environment, lake: Lake, what: dict
) -> None:
    settings, execute = database
    if "query" in what:
        what = {"query": what["query"].split(" --")[0]}
    case = case_of(settings, **what)
    first, reused = ingest_source(lake, environment, case)
    assert not reused and keys(lake, first) == list("12345")
    row = lake.read_table(first).to_pylist()[0]
    assert row["messages"][0]["content"] == f"complaint number {row['source_key']} about a fee" and row[
        "source_uri"
    ].startswith(settings["uri"] + "#")
    assert "never read" not in str(lake.read_table(first).to_pylist())
    assert ingest_source(lake, environment, case) == (first, True)
    execute(INSERT.format(6, 6, 6), "UPDATE complaints SET consent = 'no' WHERE id = 2")
    second, _ = ingest_source(lake, environment, case)
    assert keys(lake, second) == list("1223456")


def test_with_a_high_water_column_only_later_rows_are_asked_for(
    database: Any, environment: Environment, lake: Lake
) -> None:
    settings, execute = database
    case = case_of(settings, table="complaints", high_water_column="changed")
    first, _ = ingest_source(lake, environment, case)
    assert first.rows == 5
    before = fingerprint(case.settings.source, environment)
    assert ingest_source(lake, environment, case) == (first, True)
    execute(INSERT.format(6, 6, 6), "UPDATE complaints SET consent = 'no', changed = '2026-01-07' WHERE id = 2")
    assert fingerprint(case.settings.source, environment) != before
    second, _ = ingest_source(lake, environment, case)
    counts = lake.manifest(second).counts
    assert counts["rows_read"] == 3 and counts["rows_new"] == 2, (
        "the row of the last time, which may have others of the same time, and two later ones"
    )
    assert keys(lake, second) == list("1223456")
    execute(INSERT.format(7, 7, 7))
    third, _ = ingest_source(lake, environment, case)
    assert lake.manifest(third).counts["rows_read"] == 2 and third.rows == 8


def test_rows_that_vanished_from_a_table_go_if_so_set(database: Any, environment: Environment, lake: Lake) -> None:
    settings, execute = database
    case = case_of(settings, table="complaints", vanished_rows="remove")
    ingest_source(lake, environment, case)
    execute("DELETE FROM complaints WHERE id = 3")
    second, _ = ingest_source(lake, environment, case)
    assert keys(lake, second) == list("1245")


def test_nothing_can_be_written_and_no_value_is_in_a_message(
    database: Any, environment: Environment, lake: Lake
) -> None:
    settings, execute = database
    postgres = settings["uri"].startswith("postgresql")
    queries = ["SELECT 1) AS x; DELETE FROM complaints; --", "SELECT nothing FROM complaints"]
    if postgres:
        execute(
            "CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'WITH gone AS (DELETE FROM complaints"
            " RETURNING 1) SELECT 1'"
        )
        queries = [
            "SELECT * FROM complaints WHERE wipe() = 1",
            "SELECT text::int AS id, text, label, consent, region FROM complaints",
        ]
    for query in queries:
        with pytest.raises(SourceError, match=r"cannot be read|no column|is missing") as caught:
            ingest_source(lake, environment, case_of(settings, query=query))
        assert "complaint number" not in str(caught.value)
    with pytest.raises(SourceError, match="is not a SELECT"):
        ingest_source(lake, environment, case_of(settings, query="DELETE FROM complaints"))
    first, _ = ingest_source(lake, environment, case_of(settings, table="complaints"))
    assert first.rows == 5
    for wrong in (
        {"table": "nowhere"},
        {"table": "complaints", "high_water_column": "nothing"},
        {"table": 'complaints" --'},
    ):
        with pytest.raises(SourceError, match=r"cannot be read|has no column"):
            ingest_source(lake, environment, case_of(settings, **wrong))


def test_a_type_that_the_driver_does_not_translate_is_an_error_and_text_is_read(
    database: Any, environment: Environment, lake: Lake
) -> None:
    settings, execute = database
    if not settings["uri"].startswith("postgresql"):
        pytest.skip("SQLite has no types of this kind")
    execute(
        "ALTER TABLE complaints ADD COLUMN place inet DEFAULT '192.0.2.7', ADD COLUMN fee numeric(9, 2) DEFAULT 7.5"
    )
    query = "SELECT id, text, label, consent, {} AS region FROM complaints"
    for wanted, expected in (("place::text", "192.0.2.7/32"), ("fee", "7.50")):
        first, _ = ingest_source(lake, environment, case_of(settings, query=query.format(wanted)))
        assert set(lake.read_table(first)["feature_region"].to_pylist()) == {expected}
    if "adbc" in settings["uri"]:
        with pytest.raises(SourceError, match="column 'region' is of a type that ADBC does not translate"):
            ingest_source(lake, environment, case_of(settings, query=query.format("place")))


def test_limits_and_texts_are_watched_as_in_files(database: Any, environment: Environment, lake: Lake) -> None:
    settings, execute = database
    with pytest.raises(SourceError, match="more than 3 rows"):
        ingest_source(lake, environment, case_of(settings, table="complaints", limits={"rows": 3}))
    execute(f"UPDATE complaints SET text = '{'x' * 2000}' WHERE id = 4")
    with pytest.raises(SourceError, match="have more than 1,000 characters in column 'text'"):
        ingest_source(lake, environment, case_of(settings, table="complaints", limits={"field_characters": 1000}))


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+adbc"])
def test_a_database_that_does_not_answer_is_a_passing_trouble(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "postgresql://*")
    monkeypatch.setenv("RECORDS_PASSWORD", "hunter2")
    if "adbc" in scheme:
        pytest.importorskip("adbc_driver_postgresql.dbapi")
    source = {
        "uri": f"{scheme}://reader@127.0.0.1:{port}/x",
        "table": "complaints",
        "password_variable": "RECORDS_PASSWORD",
    }
    with pytest.raises(TransientError, match="cannot be reached") as caught:
        fingerprint(use_case(source=source).settings.source, environment)
    assert "hunter2" not in str(caught.value)
    monkeypatch.delenv("RECORDS_PASSWORD")
    with pytest.raises(SourceError, match="RECORDS_PASSWORD, which is not set"):
        fingerprint(use_case(source=source).settings.source, environment)


def test_other_databases_are_not_read_through_adbc_and_no_request_is_sent(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("adbc_driver_postgresql.dbapi")
    source = use_case(source={"uri": "mysql+adbc://reader@db.example.org/x", "table": "complaints"}).settings.source
    with pytest.raises(SourceError, match=r"mysql://db\.example\.org is not on the list of allowed sources"):
        fingerprint(source, environment)
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "mysql://db.example.org")
    with pytest.raises(SourceError, match="mysql is not read through ADBC"):
        fingerprint(source, environment)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"uri": "sqlite:///a.db"}, "`source.table` or `source.query` is needed"),
        ({"uri": "sqlite:///a.db", "table": "a", "query": "SELECT 1"}, "name either"),
        ({"uri": "a.csv", "table": "a"}, "are only for a database"),
        ({"uri": "a.csv", "high_water_column": "a"}, "needs `source.table`"),
        (
            {"uri": "sqlite:///a.db", "table": "a", "high_water_column": "b", "vanished_rows": "remove"},
            "needs all rows",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_errors(source: dict, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        use_case(source=source)
