"""What damages or hides data is refused in one sentence that says where and what to do, and never ends the process."""

import io
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from ft_platform.errors import DiskFull, FtError, SourceError
from ft_platform.process.file_names import shown
from ft_platform.sources.failures import plain_failures
from ft_platform.sources.ingest import joined_encodings, read_new_records
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source
from ft_platform_tests.attacks.damaged_files import (
    CANARY,
    COLUMNS,
    csv_bytes,
    excel_bytes,
    jsonl_bytes,
    parquet_bytes,
    rows,
    zip_bytes,
)
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, tzinfo=UTC)
TEXTS = [row["text"] for row in rows()]


def texts_of(uri: Path | str, environment: Environment, **source: object) -> list[str]:
    found = read_new_records(use_case(source={"uri": str(uri), **source}), environment, {}, None, NOW)
    return [row["messages"][0]["content"] for row in found.records.to_pylist()]


def error_of(uri: Path | str, environment: Environment, **source: object) -> str:
    with pytest.raises(FtError) as caught:
        texts_of(uri, environment, **source)
    assert CANARY not in str(caught.value) and str(caught.value).count("\n") < 5
    return str(caught.value)


# Parquet


@pytest.mark.integration
def test_no_changed_byte_of_a_parquet_footer_ends_the_process(environment: Environment, tmp_path: Path) -> None:
    """pyarrow ends it (std::terminate) where the size statistics of a column chunk do not fit and one asks for the
    chunk."""
    good = parquet_bytes(rows())
    (tmp_path / "good.parquet").write_bytes(good)
    program = f"""
import sys
from pathlib import Path
from ft_platform.errors import SourceError
from ft_platform.sources.file_format import OpenFile
from ft_platform.sources.formats.parquet import read
good = Path(sys.argv[1]).read_bytes()
path = Path(sys.argv[1] + ".damaged.parquet")
length = int.from_bytes(good[-8:-4], "little")
refused = 0
for place in range(len(good) - 8 - length, len(good) - 8, 2):
    path.write_bytes(good[:place] + bytes([good[place] ^ 0x15]) + good[place + 1:])
    try:
        list(read(OpenFile("a.parquet", {list(COLUMNS)!r}, path=path)))
    except SourceError:
        refused += 1
print(refused)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "good.parquet")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-300:]
    assert int(done.stdout) > 100


def test_a_parquet_footer_that_names_fewer_rows_than_the_pages_have_is_refused(
    environment: Environment, tmp_path: Path
) -> None:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows(50)), out)
    data = out.getvalue()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8].replace(b"\x16\x64", b"\x16\x28")  # 50 as Thrift writes it, and 20
    (tmp_path / "a.parquet").write_bytes(data[: -8 - length] + footer + data[-8:])
    assert "row group 1: the pages of a column have a different number of values than the group has rows" in error_of(
        tmp_path / "a.parquet", environment
    )


def test_a_damaged_page_is_told_with_row_group_and_row(environment: Environment, tmp_path: Path) -> None:
    data = bytearray(parquet_bytes(rows(), use_dictionary=False, compression="none", write_page_checksum=True))
    data[data.index(b"charged 52")] ^= (
        1  # in the second group of five rows, neither its least nor its greatest text: those stand in headers too
    )
    (tmp_path / "a.parquet").write_bytes(bytes(data))
    message = error_of(tmp_path / "a.parquet", environment)
    assert (
        "a.parquet cannot be read as Parquet: row group 2, behind its row 0:" in message
        and "Export the file again" in message
    )


# Archives and workbooks


def test_a_member_with_a_dot_before_its_name_is_read(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(
        zip_bytes({"./b.csv": csv_bytes(rows()[:6]), "in/./c.jsonl": jsonl_bytes(rows()[6:])})
    )
    assert sorted(texts_of(tmp_path / "a.zip", environment)) == sorted(TEXTS)
    (tmp_path / "a.zip").write_bytes(zip_bytes({"b.csv": csv_bytes(rows()), "./b.csv": csv_bytes(rows())}))
    assert "contains 1 files with a duplicate name" in error_of(tmp_path / "a.zip", environment)


def test_an_archive_behind_another_one_is_refused(environment: Environment, tmp_path: Path) -> None:
    one, two = zip_bytes({"a.csv": csv_bytes(rows()[:6])}), zip_bytes({"b.csv": csv_bytes(rows()[6:])})
    (tmp_path / "a.zip").write_bytes(one + two)
    assert "has bytes before its first member" in error_of(tmp_path / "a.zip", environment)


def test_all_members_of_an_archive_together_are_held_against_its_size(environment: Environment, tmp_path: Path) -> None:
    long = [{**row, "text": "a" * (9 << 20)} for row in rows()[:2]]
    (tmp_path / "a.zip").write_bytes(zip_bytes({f"{number}.csv": csv_bytes([row]) for number, row in enumerate(long)}))
    assert "a.zip: unpacks to more than 200 times" in error_of(tmp_path / "a.zip", environment)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda sheet: re.sub(rb'r="([A-E])6"', rb'r="\g<1>5"', sheet.replace(b'<row r="6"', b'<row r="5"')),
            "a row with the number 5 behind row 5",
        ),
        (lambda sheet: sheet.replace(b'r="B4"', b'r="A4"'), "row 4 of the sheet has cells that repeat"),
        (
            lambda sheet: re.sub(rb'<c r="B4"[^>]*>.*?</c>', b'<c r="B4"><f>A1</f></c>', sheet),
            "row 4 of the sheet has a formula without a result",
        ),
    ],
)
def test_a_workbook_whose_rows_or_cells_would_be_dropped_is_refused(
    environment: Environment, tmp_path: Path, change, expected: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(excel_bytes(rows()))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = change(parts["xl/worksheets/sheet1.xml"])
    (tmp_path / "a.xlsx").write_bytes(zip_bytes(parts))
    assert expected in error_of(tmp_path / "a.xlsx", environment)


# Places


def test_a_file_that_vanishes_or_is_cut_while_it_is_read_is_named(environment: Environment, tmp_path: Path) -> None:
    for name, data in (("a.csv", csv_bytes(rows())), ("a.parquet", parquet_bytes(rows()))):
        path = tmp_path / name
        for change, expected in (
            (path.unlink, "disappeared after"),
            (lambda path=path: path.write_bytes(path.read_bytes()[:-100]), "was changed while it was read"),
        ):
            path.write_bytes(data)
            found = read_new_records(use_case(source={"uri": str(path)}), environment, {}, None, NOW)
            change()
            with pytest.raises(SourceError, match=expected) as caught:
                list(found.batches)
            assert str(path) in str(caught.value)


def test_a_name_that_is_no_utf_8_is_shown_with_numbers(environment: Environment, tmp_path: Path) -> None:
    with open(os.fsencode(str(tmp_path)) + b"/caf\xe9.csv", "wb") as file:
        file.write(csv_bytes(rows()))
    message = error_of(tmp_path, environment)
    assert r"caf\xe9.csv is no plain UTF-8 text" in message and message.isprintable()
    assert shown("a\x1b[2Jb\u202e") == r"a\x1b[2Jb\x202e"


def test_links_in_a_circle_end_and_the_whole_machine_is_not_looked_through(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(csv_bytes(rows()))
    (tmp_path / "in").mkdir()
    for name in ("one", "two"):
        (tmp_path / "in" / name).symlink_to(tmp_path)
    assert texts_of(tmp_path / "**" / "*.csv", environment) == TEXTS
    assert "looks through the whole machine" in error_of("/**", environment)
    for number in range(30):
        (tmp_path / f"folder {number}").mkdir()
    assert "more than 20 directory entries to list. If that is right, raise source.limits.files" in error_of(
        tmp_path, environment, limits={"files": 2}
    )


def test_files_that_the_system_makes_are_not_read(environment: Environment) -> None:
    assert "is not a regular file" in error_of("/proc/self/status", environment, format="csv")


def test_a_private_folder_that_cannot_be_written_is_not_blamed_on_the_source(tmp_path: Path) -> None:
    for error, kind, expected in (
        (OSError(28, "no room", str(tmp_path / "x")), DiskFull, "no room in"),
        (OSError(30, "read-only", str(tmp_path / "x")), SourceError, "cannot be written (Read-only file system)"),
        (OSError(5, "failed"), SourceError, "input/output error"),
        (BufferError("x"), SourceError, "cannot be read beyond data row 7: cut, damaged or of another format"),
        (MemoryError(), SourceError, "needs more memory beyond data row 7 than is available"),
    ):
        with pytest.raises(kind) as caught, plain_failures("a.csv", lambda: "data row 7", tmp_path):
            raise error
        assert expected in str(caught.value) and type(error).__name__ not in str(caught.value)


# Settings and databases


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("delimiter", "ab"),
        ("delimiter", '"'),
        ("encoding", "rot13"),
        ("encoding", "base64"),
        ("encoding", "punycode"),
        ("encoding", "a\0"),
        ("uri", "a\0b"),
    ],
)
def test_settings_that_no_file_can_have_are_refused(setting: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Source.model_validate({"uri": "a.csv", setting: value})
    Source(uri="a.csv", delimiter="\\t", encoding="UTF-8")


def test_a_query_without_an_end_ends_at_the_limit_of_rows(environment: Environment, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").close()
    (tmp_path / "a.db").touch()
    query = (
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, id text, 'a' label, 'y' consent,"
        " 'n' region FROM n"
    )
    message = error_of(f"sqlite:///{tmp_path / 'a.db'}", environment, query=query, limits={"rows": 5_000})
    assert "has more than 5,000 rows. If that is right, raise source.limits.rows" in message


# What is counted


def test_encodings_are_counted_over_files_and_runs_without_their_names(
    environment: Environment, tmp_path: Path
) -> None:
    french = (
        "Le crédit à été refusé et j'ai reçu une lettre de ma banque à Genève et ça fait déjà trois mois que le prêt"
        " n'était pas accordé"
    )
    header = ",".join(COLUMNS)
    (tmp_path / "a.csv").write_bytes(f"{header}\n1,{french},card,yes,north\n".encode("cp1252"))
    (tmp_path / "b.csv").write_text(f"{header}\n2,{french},card,yes,north\n")
    found = read_new_records(use_case(source={"uri": str(tmp_path)}), environment, {}, None, NOW)
    assert found.records.num_rows == 2
    one, two = found.counts["encodings"]
    assert (
        one["encoding"] == "cp1252" and one["files"] == 1 and one["beyond_ascii"] == 14 and 0.85 <= one["certainty"] < 1
    )
    assert two == {"encoding": "utf-8", "how": "detected", "files": 1, "beyond_ascii": 14, "certainty": 1.0}
    again = joined_encodings([one, two], [{**two, "certainty": 0.9}])
    assert again == [one, {**two, "files": 2, "beyond_ascii": 28, "certainty": 0.9}]
