"""A consent ledger in a database decides as a file does; any change of its rows is noticed, and messages name the
ledger's settings."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ft_platform.errors import SourceError, TransientError
from ft_platform.governance.ledger import pin_ledger
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.governance.tables import case_with, fates
from ft_platform_tests.sources.test_sql import postgres_port

postgres = postgres_port
PERSONS = [("p1", "yes", "2027-01-31"), ("p2", "no", None), ("p3", "yes", "2026-06-14"), (" p4 ", "yes", None)]
COLUMNS = {"subject": "person", "status": "consent", "valid_until": "until_day"}


def database_case(uri: str, **governance: Any) -> NamedUseCase:
    stated = {
        "without_consent_column": "ledger",
        "consent_ledger": uri,
        "ledger_table": "consents",
        "ledger_columns": COLUMNS,
        **governance,
    }
    return case_with({"subject": "person", "consent": None}, **stated)


def sqlite_ledger(path: Path, statements: tuple[str, ...] = ()) -> Path:
    with sqlite3.connect(path) as connection:
        if not statements:
            connection.execute("CREATE TABLE consents (person TEXT, consent TEXT, until_day TEXT, remarks TEXT)")
            connection.executemany("INSERT INTO consents VALUES (?, ?, ?, 'asked twice')", PERSONS)
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path


@pytest.fixture(params=["sqlite:///", "sqlite+adbc:///"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if "adbc" in request.param:
        pytest.importorskip("adbc_driver_sqlite.dbapi")
    return f"{request.param}{sqlite_ledger(tmp_path / 'ledger.db')}"


def test_a_table_decides_as_a_file_does(uri: str) -> None:
    found = fates(database_case(uri), 5, subject_id=["p1", "p2", "p3", "p4", "p5"])
    assert found == ["kept", "consent_not_accepted", "consent_expired", "kept", "not_in_ledger"]


@pytest.mark.components(name="postgres")
def test_postgresql_decides_as_a_file_does(postgres: int, monkeypatch: pytest.MonkeyPatch) -> None:
    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"postgresql://127.0.0.1:{postgres}")
    monkeypatch.setenv("LEDGER_PASSWORD", "a test password")
    with psycopg.connect(
        f"host=127.0.0.1 port={postgres} user=owner password='a test password' dbname=postgres", autocommit=True
    ) as connection:
        connection.execute("DROP TABLE IF EXISTS consents")
        connection.execute("CREATE TABLE consents (person TEXT, consent TEXT, until_day DATE)")
        for row in PERSONS:
            connection.execute("INSERT INTO consents VALUES (%s, %s, %s)", row)
    case = database_case(
        f"postgresql://owner@127.0.0.1:{postgres}/postgres", ledger_password_variable="LEDGER_PASSWORD"
    )
    found = fates(case, 5, subject_id=["p1", "p2", "p3", "p4", "p5"])
    assert found == ["kept", "consent_not_accepted", "consent_expired", "kept", "not_in_ledger"]
    monkeypatch.delenv("LEDGER_PASSWORD")
    with pytest.raises(
        SourceError, match=r"governance\.ledger_password_variable names LEDGER_PASSWORD, which is not set"
    ):
        pin_ledger(case, {})
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "s3://other")
    with pytest.raises(SourceError, match="consent_ledger"):
        pin_ledger(case, {})


def test_any_change_of_a_row_changes_the_content_and_the_order_does_not(uri: str, tmp_path: Path) -> None:
    path, case = tmp_path / "ledger.db", database_case(uri)

    def content() -> str:
        pinned = pin_ledger(case, {})
        assert pinned
        return pinned.content

    first = content()
    sqlite_ledger(
        path,
        (
            "CREATE TABLE copy AS SELECT * FROM consents ORDER BY person DESC",
            "DROP TABLE consents",
            "ALTER TABLE copy RENAME TO consents",
        ),
    )
    sqlite_ledger(path, ("UPDATE consents SET remarks = 'asked again'",))
    assert content() == first
    seen = {first}
    for change in (
        "UPDATE consents SET consent = 'withdrawn' WHERE person = 'p1'",
        "DELETE FROM consents WHERE person = 'p3'",
    ):
        sqlite_ledger(path, (change,))
        seen.add(content())
    assert len(seen) == 3


def test_rows_that_changed_after_they_were_pinned_are_not_used(uri: str, tmp_path: Path) -> None:
    case = database_case(uri)
    pinned = pin_ledger(case, {})
    assert pinned
    sqlite_ledger(tmp_path / "ledger.db", ("UPDATE consents SET consent = 'yes'",))
    (tmp_path / "work").mkdir()
    with pytest.raises(TransientError, match="was changed while it was read"):
        list(pinned.batches(case, tmp_path / "work"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "ALTER TABLE consents RENAME COLUMN consent TO agreed",
            "column 'consent' is missing.*governance.ledger_columns",
        ),
        ("DROP TABLE consents", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_an_error_without_a_person(uri: str, tmp_path: Path, change: str, expected: str) -> None:
    sqlite_ledger(tmp_path / "ledger.db", (change,))
    with pytest.raises(SourceError, match=expected) as caught:
        pin_ledger(database_case(uri), {})
    assert "p1" not in str(caught.value) and "source.uri" not in str(caught.value)


def test_a_database_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"governance.consent_ledger .*there is no file"):
        pin_ledger(database_case(f"sqlite:///{tmp_path}/none.db"), {})


@pytest.mark.parametrize(
    ("governance", "expected"),
    [
        ({"ledger_table": None}, "`ledger_table` is needed"),
        ({"consent_ledger": "ledger.csv"}, "are only for a database"),
        (
            {"consent_ledger": "ledger.csv", "ledger_table": None, "ledger_password_variable": "LEDGER"},
            "are only for a database",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(governance: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        database_case("sqlite:///ledger.db", **governance)
