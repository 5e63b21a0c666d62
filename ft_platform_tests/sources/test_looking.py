"""A look at a source: all columns, some rows, bounded, and of every format."""

import json
import sqlite3
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ft_platform.errors import SourceError
from ft_platform.sources import looking
from ft_platform.sources.looking import look, sampled
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

ROWS = [{"id": str(number), "text": f"question {number}", "extra": "x"} for number in range(30)]


def source(folder: Path, kind: str) -> Source:
    path = folder / f"a.{kind}"
    if kind == "csv":
        path.write_text("\n".join(["id;text;extra", *[";".join(row.values()) for row in ROWS]]))
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif kind == "json":
        path.write_text(json.dumps(ROWS))
    elif kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    elif kind == "db":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE cases (id TEXT, text TEXT, extra TEXT)")
            database.executemany("INSERT INTO cases VALUES (?, ?, ?)", [tuple(row.values()) for row in ROWS])
        return Source(uri=f"sqlite:///{path}", table="cases")
    return Source(uri=str(path))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet", "db"])
def test_every_column_is_seen_before_anything_is_mapped(tmp_path: Path, environment: Environment, kind: str) -> None:
    seen = look(source(tmp_path, kind), environment)
    assert seen.rows.to_pylist() == ROWS and seen.complete and seen.files == 1


@pytest.mark.parametrize("kind", ["csv", "jsonl", "db"])
def test_some_rows_are_not_all(tmp_path: Path, environment: Environment, kind: str) -> None:
    seen = look(source(tmp_path, kind), environment, rows=10)
    assert seen.rows.num_rows == 10 and not seen.complete


def test_files_that_lack_a_column_are_said(tmp_path: Path, environment: Environment) -> None:
    (tmp_path / "a.csv").write_text("text,label\none,a\n")
    (tmp_path / "b.csv").write_text("text\ntwo\n")
    seen = look(Source(uri=str(tmp_path)), environment)
    assert seen.rows.to_pylist() == [{"text": "one", "label": "a"}, {"text": "two", "label": None}]
    assert seen.differing == {"label"} and seen.files == 2


def test_columns_that_cannot_be_named_are_left_out(tmp_path: Path, environment: Environment) -> None:
    (tmp_path / "a.csv").write_text("text,,label,label\none,2,a,b\n")
    assert look(Source(uri=str(tmp_path / "a.csv")), environment).rows.schema.names == ["text"]


def test_a_look_ends_when_its_time_is_over(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "find_parts", lambda *_: time.sleep(60))
    with pytest.raises(SourceError, match="was not read within 1 seconds"):
        look(source(tmp_path, "csv"), environment, seconds=1)


def test_a_sample_has_rows_of_the_whole_file() -> None:
    chosen = sampled(pa.table({"n": list(range(100))}), 5).column("n").to_pylist()
    assert chosen == [0, 24, 49, 74, 99]
    assert sampled(pa.table({"n": [1, 2]}), 5).num_rows == 2
