"""Each format reads what it should, and every damage is an error that says where."""

import csv
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import SourceError
from ft_platform.sources import formats as package
from ft_platform.sources.budget import Budget
from ft_platform.sources.file_format import OpenFile, format_name, formats, known_endings
from ft_platform.sources.ingest import read_new_records
from ft_platform.sources.table_sources import table_sources
from ft_platform.sources.text_encoding import detect_encoding
from ft_platform.use_case.fields import fields, file_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.file_names import file_names
from ft_platform.use_case.settings.source import FORMATS, Source
from ft_platform_tests.conftest import minimal_attributes

CANARY = "Zebulon Quartermain"


def read(path: Path, mapped: list[str], optional: tuple[str, ...] = (), **settings: Any) -> list[dict]:
    """Rows of a file as the platform sees them."""
    source = Source.model_validate({"uri": str(path), **settings})
    reader = formats()[format_name(str(path), source.format) or ""]
    encoding = detect_encoding(path, path.name, source.encoding).name if reader.IS_TEXT else ""
    file = OpenFile(path.name, mapped, frozenset(optional), source, Budget(source.limits), path=path, encoding=encoding)
    return [row for batch in reader.read(file) for row in batch.to_pylist()]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def error_of(path: Path, mapped: list[str], **settings: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(path, mapped, **settings)
    assert CANARY not in str(caught.value)
    return str(caught.value)


LINES = """
from ft_platform.sources.file_format import OpenFile

ENDINGS = (".lines",)
IS_TEXT = True


def read(file: OpenFile):
    columns = file.require(["text"])
    with open(file.path, encoding=file.encoding) as lines:
        yield from file.batches(columns, ([line.rstrip("\\n")] for line in lines))
"""


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[None]:
    """A new file in the folder of the formats, as far as Python sees; everything that is worked out once is worked out
    anew."""
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "lines_of_text.py").write_text(LINES)
    package.__path__.append(str(folder))
    for worked_out in (formats, fields):
        worked_out.cache_clear()
    yield
    package.__path__.remove(str(folder))
    sys.modules.pop(f"{package.__name__}.lines_of_text", None)
    for worked_out in (formats, fields):
        worked_out.cache_clear()


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("settings", [{}, {"format": "lines_of_text"}], ids=["by its ending", "by its name"])
def test_a_format_is_a_file_in_the_folder_and_is_read(
    environment: Environment, tmp_path: Path, settings: dict[str, str]
) -> None:
    attributes = minimal_attributes(str(written(tmp_path, "letters.lines", "first letter\nsecond letter\n")))
    attributes["source"] |= settings
    attributes = {name: value for name, value in attributes.items() if name not in ("fairness", "privacy")}
    attributes["record"] = {"text": "text", "label": "text", "consent": "text"}
    case = NamedUseCase(name="letters", settings=UseCase.model_validate(attributes))
    found = read_new_records(case, environment, {}, None, datetime(2026, 1, 1, tzinfo=UTC))
    assert found.records.num_rows == 2


@pytest.mark.usefixtures("planted")
def test_a_format_is_a_file_in_the_folder_and_stands_in_schema_scaffold_and_reference() -> None:
    for path in ("source.format", "business.measurements[].format"):
        assert "`lines_of_text`" in fields()[path].kind and "`csv`" in fields()[path].kind
    assert "lines_of_text" in json.dumps(file_schema()["$defs"]["Source"]["properties"]["format"]["enum"])
    assert "lines_of_text" in scaffold_yaml("letters", every_field=True)
    assert ".lines" in known_endings()


def test_a_format_that_is_no_file_of_the_folder_is_an_error_with_those_that_are() -> None:
    known = "auto, arrow, csv, delta, eml, excel, json, jsonl, parquet"
    with pytest.raises(ValueError, match=rf"must be one of {known}, got 'parket' \(did you mean 'parquet'\?\)"):
        Source(uri="x", format="parket")
    for no_format in ("sql", "unpacking", "__init__", "lines_of_text"):
        with pytest.raises(ValueError, match="must be one of auto"):
            Source(uri="x", format=no_format)


def test_each_file_of_the_folders_reads_files_or_a_table() -> None:
    assert sorted({*formats(), *table_sources()}) == sorted(
        file_names(FORMATS) + file_names("ft_platform.sources.databases")
    )
    assert format_name("a/B.CSV") == "csv" and format_name("x.ndjson") == "jsonl" and format_name("x.docx") is None
    assert ".parquet" in known_endings()


@pytest.mark.real_data
def test_csv_spectrum_reads_as_its_gold_standard(shared_data: Path) -> None:
    files = sorted((shared_data / "csv_spectrum" / "csvs").glob("*.csv"))
    assert len(files) == 12
    for file in files:
        gold = json.loads((file.parent.parent / "json" / f"{file.stem}.json").read_text(encoding="utf-8"))
        if file.stem == "location_coordinates":  # its gold standard holds other values than the file
            continue
        assert read(file, list(gold[0]), encoding="utf-8") == gold, file.name


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "mapped", "expected"),
    [
        ("invalid.csv", ["id"], "3 data rows (1, 2, 3)|too few"),
        ("capital-invalid.csv", ["id"], "too few fields and data row 10 with too many fields"),
        ("matrix-with-comment.csv", ["f1"], "column 'f1' is missing"),
    ],
)
def test_broken_public_files_are_errors_with_row_numbers(
    shared_data: Path, name: str, mapped: list[str], expected: str
) -> None:
    message = error_of(shared_data / "frictionless_tricky" / name, mapped)
    assert any(part in message for part in expected.split("|")), message


@pytest.mark.real_data
def test_a_latin_1_file_with_one_character_is_asked_about_and_read_as_set(shared_data: Path) -> None:
    path = shared_data / "frictionless_tricky" / "latin1.csv"
    assert "no other encoding is certain" in error_of(path, ["name"])
    assert read(path, ["name"], encoding="latin-1")[1] == {"name": "©"}


@pytest.mark.real_data
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_naughty_strings_survive_every_format(shared_data: Path, tmp_path: Path, ending: str) -> None:
    strings = [s for s in json.loads((shared_data / "blns" / "blns.json").read_text(encoding="utf-8")) if s]
    path = tmp_path / f"naughty.{ending}"
    if ending == "csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text", "n"], *[[s, "1"] for s in strings]])
    elif ending == "parquet":
        pq.write_table(pa.table({"text": strings}), path)
    else:
        items = [{"text": s} for s in strings]
        path.write_text(
            json.dumps(items) if ending == "json" else "\n".join(json.dumps(i, ensure_ascii=False) for i in items),
            encoding="utf-8",
        )
    assert [row["text"] for row in read(path, ["text"])] == strings


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_finds_the_mapped_columns(tmp_path: Path, delimiter: str) -> None:
    path = written(
        tmp_path,
        "a.csv",
        delimiter.join(["id", '"a text, with; | signs"', "x"])
        + "\n"
        + delimiter.join(["1", '"b, c; d | e"', "2"])
        + "\n",
    )
    assert read(path, ["id", "a text, with; | signs"]) == [{"id": "1", "a text, with; | signs": "b, c; d | e"}]


def test_a_cell_of_ten_megabytes_and_line_breaks_in_quotes_are_read(tmp_path: Path) -> None:
    text = "word " * 2_000_000
    rows = read(
        written(tmp_path, "big.csv", f'id,text\n1,"{text}"\n2,"one\r\ntwo\nthree"\n\n3,"say ""yes"""\n'), ["id", "text"]
    )
    assert [row["text"] for row in rows] == [text, "one\r\ntwo\nthree", 'say "yes"']


@pytest.mark.parametrize(("name", "wrap"), [("a.csv", 'id,text\n1,"{}"\n'), ("a.jsonl", '{{"id":"1","text":"{}"}}\n')])
def test_a_nul_character_is_refused_or_kept_and_never_cuts_the_text(tmp_path: Path, name: str, wrap: str) -> None:
    path = written(tmp_path, name, wrap.format("before{}after".format("\\u0000" if name.endswith("jsonl") else "\0")))
    assert "data row 1 have a NUL character in column 'text'" in error_of(path, ["text"])
    assert read(path, ["text"], nul_characters="keep") == [{"text": "before\0after"}]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f'id,text\n1,"{CANARY} was', "data row 1 (line 2) has a quote that is never closed"),
        (f'id,text\n1,"a"\n2,"{CANARY} said "no" twice"\n', "data row 2 (line 3) has text after a closing quote"),
        (
            f"id,text,label\n1,a,b\n2,{CANARY}",
            "data row 2 with too few fields. The last row is one of them: the file may be cut",
        ),
        (f"id,text\n1,a\n2,{CANARY},b\n3,c\n", "expected 2 fields in every row, got data row 2 with too many fields"),
        ("id,text\n" + "x\n" * 30, "30 data rows (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...) with too few fields"),
        ('"id', "the header has a quote that is never closed"),
    ],
)
def test_a_damaged_csv_names_the_row(tmp_path: Path, content: str, expected: str) -> None:
    assert expected in error_of(written(tmp_path, "a.csv", content), ["id", "text"])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", f'{{"text": "a"}}\n{{"text": "{CANARY}', "line 2 is not JSON at character"),
        ("a.jsonl", '{"text": "a"}\n[1, 2]\n', "data row 2 hold no JSON object"),
        ("a.json", f'[{{"text": "a"}},\n {{"text": "{CANARY}"', "line 2 is not JSON at character"),
        ("a.json", '{"text": "a"}\n{"text": "b"}\n', "Set source.format: jsonl"),
        ("a.json", '{"rows": []}', "expected a JSON array of objects, got dict"),
        ("a.json", '[{"text": "a"}, "b", 3]', "2 data rows (2, 3) hold no JSON object"),
        ("a.json", '[{"text": "half \\ud83d"}]', "data row 1 contain half of a surrogate pair"),
        ("a.json", "[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_names_the_line(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert expected in error_of(written(tmp_path, name, content), ["text"])


def test_json_values_become_text_as_they_are_written(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "a.json",
        '[{"a": 1.50, "b": 12345678901234567890, "c": true, "d": null, "e": NaN, "f": ["x"]}, {"a": "t"}]',
    )
    assert "line 1 has NaN or Infinity" in error_of(path, list("abcdef"))
    first, second = read(path, list("abcdef"), not_a_number="missing")
    assert first == {"a": "1.50", "b": "12345678901234567890", "c": "true", "d": None, "e": None, "f": '["x"]'}
    assert second == {"a": "t", "b": None, "c": None, "d": None, "e": None, "f": None}


def test_parquet_values_become_text(tmp_path: Path) -> None:
    messages = [[{"role": "user", "content": "hello"}], None]
    table = pa.table(
        {
            "n": pa.array([1, None]),
            "day": pa.array([18_000, 18_001], pa.date32()),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "messages": messages,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read(tmp_path / "a.parquet", ["n", "day", "kind", "messages"])
    expected = {"n": "1", "day": "2019-04-14", "kind": "a", "messages": '[{"role": "user", "content": "hello"}]'} | {
        "messages": first["messages"]
    }
    assert first == expected
    assert json.loads(first["messages"]) == messages[0]
    assert second["n"] is None and second["messages"] is None


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [CANARY] * 100}), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    assert "cannot be read as Parquet" in error_of(written(tmp_path, "cut.parquet", data[: len(data) // 2]), ["text"])
    assert "cannot be read as Parquet" in error_of(written(tmp_path, "text.parquet", f"text\n{CANARY}\n"), ["text"])


def test_bytes_that_are_no_text_in_parquet_are_an_error(tmp_path: Path) -> None:
    column = pa.array([b"fine", b"\xff\xfe"], pa.binary())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert "not UTF-8 in data rows 1 to 2" in error_of(tmp_path / "a.parquet", ["text"])


def test_missing_columns_are_listed_at_once_with_the_closest_name(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "complaint_id,Narative,extra,extra\n1,2,3,4\n")
    message = error_of(path, ["Complaint ID", "Narrative", "Date", "extra"])
    assert "column 'Complaint ID' is missing (did you mean 'complaint_id'?)" in message
    assert "column 'Narrative' is missing (did you mean 'Narative'?)" in message
    assert "column 'Date' is missing;" in message
    assert "column 'extra' appears 2 times" in message
    assert (
        "Expected 'Complaint ID', 'Narrative', 'Date', 'extra'; got 'complaint_id', 'Narative', 'extra', 'extra'"
        in message
    )


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "key", [CANARY, f"{CANARY} z.q@canary.example", "z.q@canary.example", "+44 20 7946 0958", "Quartermain"]
)
def test_keys_of_json_objects_that_nothing_maps_are_counted_and_not_repeated(
    tmp_path: Path, name: str, key: str
) -> None:
    row = json.dumps({"id": 1, "Narative": "a", key: 1})
    message = error_of(written(tmp_path, name, f"[{row}]" if name == "a.json" else row), ["id", "Narrative", "label"])
    assert "column 'Narrative' is missing (did you mean 'Narative'?)" in message
    assert "got 'id' and 2 more, which are left out here: keys of JSON may be data" in message
    assert key not in message


@pytest.mark.parametrize("column", [f"{CANARY} z.q@canary.example", "+44 20 7946 0958", "x" * 41])
def test_a_column_of_any_format_that_is_no_name_is_not_repeated(tmp_path: Path, column: str) -> None:
    pq.write_table(pa.table({"id": ["1"], column: ["a"]}), tmp_path / "a.parquet")
    message = error_of(tmp_path / "a.parquet", ["id", "text"])
    assert "got 'id' and 1 more" in message and column not in message


def test_the_first_row_of_a_file_without_a_header_is_not_repeated(tmp_path: Path) -> None:
    message = error_of(written(tmp_path, "a.csv", f"1,{CANARY},card\n2,a text,card\n"), ["id", "text", "label"])
    assert (
        "column 'text' is missing" in message
        and "got 3 others, which are left out here: the first row may be data" in message
    )
    assert CANARY not in message


def test_an_optional_column_may_be_absent(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.csv", "text\nhello\n"), ["text", "consent"], ("consent",)) == [{"text": "hello"}]
