"""Events, tags, snapshots and output of runs lose the person, and Dagster still loads the runs. Persons are
fictitious."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.erasure.databases import databases_in, mend_database
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.output import mend_output
from ft_platform.erasure.unpacking import bytes_in
from ft_platform.errors import TransientError
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import approved, ft, house  # noqa: F401

RUN = """query run($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status tags { key value }
  executionPlan { steps { key } } eventConnection { events { __typename ... on MessageEvent { message }
  ... on MaterializationEvent { metadataEntries { label } }
  ... on ExecutionStepFailureEvent { error { message } } } } } } }"""


@dg.asset
def of_the_person() -> dg.MaterializeResult:
    """What a careless repository of a company might do."""
    print(f"letter of {PERSON}")
    dg.get_dagster_logger().info(f"read {PERSON}")
    return dg.MaterializeResult(metadata={"who": PERSON, "rows": dg.MetadataValue.json({"of": [PERSON, "p2"]})})


@dg.asset
def that_fails() -> None:
    raise ValueError(f"no label: {PERSON}")


@pytest.fixture
def run_of_dagster(house) -> Iterator[tuple[dg.DagsterInstance, str]]:  # noqa: F811
    """A run whose events hold the person, in a real instance that withholds nothing."""
    home = house.environment.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        done = dg.materialize(
            [of_the_person, that_fails], instance=instance, tags={"about": PERSON}, raise_on_error=False
        )
        yield instance, done.run_id


def asked(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """The run, as Dagster's web page asks for it."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_graphql.cli import execute_query

    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        answer = execute_query(context, RUN, {"id": run_id})
    assert "errors" not in answer, answer
    return answer["data"]["runOrError"]


def test_a_person_goes_from_events_tags_and_output_and_the_page_still_loads_the_run(
    house,  # noqa: F811
    run_of_dagster,
    capsys,
):
    instance, run_id = run_of_dagster
    home = house.environment.dagster_home
    before = asked(instance, run_id)
    assert bytes_below(home, PERSON) > 5 * len(PERSON) and PERSON in json.dumps(before)
    request = approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0
    assert bytes_below(home, PERSON) == 0
    after = asked(instance, run_id)
    as_before = json.loads(json.dumps(before).replace(PERSON, "erased"))
    assert after == as_before and after["status"] == "FAILURE"
    told = json.loads(ft(capsys, "show", "letters", request))["places"]
    found = {one["place"]: one for one in told}
    assert found["databases of Dagster and MLflow in SQLite"]["count"] > 5
    assert found["output of steps, and files of runs"]["result"] == "erased"
    assert "Zebulon" not in json.dumps(told)
    again = dg.materialize([of_the_person], instance=instance)
    assert again.success, "Dagster goes on writing"


def database(path: Path, *rows: tuple[str, bytes | str], wal: bool = False) -> Path:
    with closing(sqlite3.connect(path)) as made:
        made.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        made.execute("CREATE TABLE kept (name TEXT UNIQUE, body BLOB, number INTEGER)")
        made.executemany("INSERT INTO kept VALUES (?, ?, 7)", rows)
        made.commit()
    return path


def test_cells_keep_their_type_and_packed_ones_stay_packed(tmp_path):
    import zlib

    packed = zlib.compress(json.dumps({"of": PERSON, "n": list(range(50))}).encode())
    path = database(tmp_path / "a.db", ("one", packed), ("two", f"text of {PERSON}"), ("three", b"\x00\xff"))
    assert mend_database(path, Needles([PERSON])) == 2
    with closing(sqlite3.connect(path)) as made:
        (first, second, third) = made.execute("SELECT body, typeof(body), number FROM kept ORDER BY rowid").fetchall()
    assert json.loads(zlib.decompress(first[0]))["of"] == "erased" and first[1] == "blob"
    assert second == ("text of erased", "text", 7) and third == (b"\x00\xff", "blob", 7)
    assert mend_database(path, Needles([PERSON])) == 0


def test_rows_that_become_the_same_become_one(tmp_path):
    path = database(tmp_path / "a.db", ("person-one", "a"), ("person-two", "b"), ("other", "c"))
    assert mend_database(path, Needles(["person-one", "person-two"])) == 2
    with closing(sqlite3.connect(path)) as made:
        assert [row[0] for row in made.execute("SELECT name FROM kept ORDER BY name")] == ["erased", "other"]


@pytest.mark.parametrize("wal", [False, True])
def test_what_a_deleted_row_left_in_the_file_and_its_log_goes_too(tmp_path, wal):
    path = database(tmp_path / "a.db", *((f"row {n}", PERSON) for n in range(200)), wal=wal)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("DELETE FROM kept WHERE number = 7")
        other.commit()
        assert bytes_in_raw(tmp_path, PERSON) > 0
        mend_database(path, Needles([PERSON]))
        assert bytes_in_raw(tmp_path, PERSON) == 0


def bytes_in_raw(folder: Path, word: str) -> int:
    return sum(path.read_bytes().count(word.encode()) for path in folder.iterdir())


def test_a_database_that_another_process_holds_makes_it_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("ft_platform.erasure.databases.WAIT_SECONDS", 0.1)
    path = database(tmp_path / "a.db", ("one", PERSON))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="another process holds"):
            mend_database(path, Needles([PERSON]))
        other.execute("ROLLBACK")
    assert mend_database(path, Needles([PERSON])) == 1


def test_only_databases_are_found(tmp_path):
    database(tmp_path / "a.db")
    (tmp_path / "b.db").write_text("no database")
    assert [path.name for path in databases_in([tmp_path, tmp_path / "missing"])] == ["a.db"]


def test_a_process_that_still_prints_into_a_file_loses_nothing(tmp_path):
    path = tmp_path / "step.out"
    with path.open("ab", buffering=0) as printing:
        printing.write(f"before {PERSON} after\n".encode())
        assert mend_output([tmp_path], Needles([PERSON])) == 1
        printing.write(b"later\n")
    assert path.read_bytes() == b"before " + b"*" * len(PERSON) + b" after\nlater\n"
    assert mend_output([tmp_path], Needles([PERSON])) == 0


def test_a_word_at_the_edge_of_a_part_is_found_and_one_of_somebody_else_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("ft_platform.erasure.output.PART_BYTES", 256)
    path = tmp_path / "step.out"
    for place in range(200, 300):
        path.write_bytes(b"." * place + b" customer-47110 customer-4711 " + b"." * 300)
        assert mend_output([tmp_path], Needles(["customer-4711"])) == 1
        assert path.read_bytes() == b"." * place + b" customer-47110 ************* " + b"." * 300, place


def test_databases_and_packed_files_are_left_to_those_who_can_mend_them(tmp_path):
    import gzip

    (tmp_path / "a.gz").write_bytes(gzip.compress(PERSON.encode()))
    (tmp_path / "a.db-wal").write_bytes(PERSON.encode())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert mend_output([tmp_path], Needles([PERSON])) == 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert bytes_in(before[tmp_path / "a.gz"], Needles([PERSON]))[0] > 0
