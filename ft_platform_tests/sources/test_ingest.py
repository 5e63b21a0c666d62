"""Only what is new is read: the same file twice adds nothing, a changed file adds its changed rows."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.errors import SourceError
from ft_platform.process.progress import Update, listening
from ft_platform.records.newest_rows import newest_rows
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import raw_schema
from ft_platform.sources.digests import from_hex, places_in, text_digests
from ft_platform.sources.discovery import fingerprint
from ft_platform.sources.ingest import Ingest, read_new_records
from ft_platform.sources.known_records import KnownRecords, distinct_ids
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
HEADER = "id,text,label,consent,region\n"
ROWS = [f"{i},complaint number {i} about a fee,card,yes,north\n" for i in range(1, 6)]


def case_of(uri: Path | str, **sections: dict[str, Any]) -> NamedUseCase:
    return use_case(**{"source": {"uri": str(uri)}, **sections})


def ingest(case: NamedUseCase, environment: Environment, before: Ingest | None = None) -> Ingest:
    """Everything that is new, read to its end."""
    known = KnownRecords.of(TableRows(before.records)) if before else None
    found = read_new_records(case, environment, before.files if before else {}, known, NOW)
    assert found.records.num_rows == found.counts["rows_new"]
    return found


def message_of(case: NamedUseCase, environment: Environment) -> str:
    with pytest.raises(SourceError) as caught:
        ingest(case, environment)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "records.csv"
    path.parent.mkdir()
    path.write_text(HEADER + "".join(ROWS))
    return path


def test_rows_become_records_with_where_they_came_from(environment: Environment, file: Path) -> None:
    found = ingest(case_of(file, record={"label_names": {"card": "credit card"}}), environment)
    assert found.records.schema == raw_schema(case_of(file))
    second = found.records.to_pylist()[1]
    assert len(second.pop("record_id")) == 24
    assert second == {
        "source_key": "2",
        "source_uri": str(file),
        "source_position": 2,
        "source_hash": found.files[str(file)],
        "ingested_at": NOW,
        "subject_id": None,
        "messages": [{"role": "user", "content": "complaint number 2 about a fee"}],
        "label": "credit card",
        "record_date": None,
        "consent": "yes",
        "purpose": None,
        "expires": None,
        "feature_region": "north",
    }
    assert found.counts == {
        "files": 1,
        "files_new": 1,
        "files_changed": 0,
        "files_unchanged": 0,
        "files_ignored": 0,
        "files_without_checksum": 0,
        "rows_read": 5,
        "rows_new": 5,
        "rows_known": 0,
        "encodings": [{"encoding": "utf-8", "how": "detected", "files": 1, "beyond_ascii": 0, "certainty": 1.0}],
        "columns_absent": [],
    }


def test_the_same_file_twice_adds_nothing_and_is_not_read_again(environment: Environment, file: Path) -> None:
    first = ingest(case_of(file), environment)
    second = ingest(case_of(file), environment, first)
    assert second.records.num_rows == 0 and second.files == first.files
    assert second.counts["files_unchanged"] == 1 and second.counts["rows_read"] == 0


def test_the_same_rows_in_another_file_or_format_are_the_same_records(
    environment: Environment, file: Path, tmp_path: Path
) -> None:
    first = ingest(case_of(file), environment)
    copy = tmp_path / "copy.jsonl"
    names = HEADER.strip().split(",")
    copy.write_text(
        "\n".join(json.dumps(dict(zip(names, row.strip().split(","), strict=True))) for row in reversed(ROWS))
    )
    second = ingest(case_of(copy), environment, first)
    assert second.counts["rows_known"] == 5 and second.records.num_rows == 0


def test_a_changed_file_adds_only_its_new_and_changed_rows(environment: Environment, file: Path) -> None:
    first = ingest(case_of(file), environment)
    file.write_text(
        HEADER + ROWS[0] + ROWS[1].replace("yes", "withdrawn") + "".join(ROWS[2:]) + "6,another one,card,yes,south\n"
    )
    second = ingest(case_of(file), environment, first)
    assert [(r["source_key"], r["consent"]) for r in second.records.to_pylist()] == [("2", "withdrawn"), ("6", "yes")]
    assert second.counts["files_changed"] == 1 and second.counts["rows_known"] == 4
    assert not set(second.records["record_id"].to_pylist()) & set(first.records["record_id"].to_pylist())


def test_a_row_that_changes_back_is_new_again(environment: Environment, file: Path) -> None:
    case = case_of(file)
    texts = [file.read_text(), file.read_text().replace("1,complaint number 1", "1,a new text")]
    table, files = raw_schema(case).empty_table(), {}
    for i in range(5):
        file.write_text(texts[i % 2])
        found = read_new_records(case, environment, files, KnownRecords.of(TableRows(table)), NOW + timedelta(days=i))
        assert found.records.num_rows == (5 if i == 0 else 1), f"round {i}"
        table = pa.concat_tables([table, found.records])
        files = found.files
        newest = table.filter(pa.array(newest_rows(TableRows(table))))
        assert ("a new text" in str(newest["messages"].to_pylist())) == bool(i % 2)
    assert distinct_ids(TableRows(table)) == (9, 9)


def test_what_is_known_is_what_a_table_says(environment: Environment) -> None:
    case = case_of("x")
    rows = 500
    table = pa.table(
        {
            "record_id": [f"{i:024x}" for i in range(rows)],
            "source_key": [None if i % 7 == 0 else f"key {i * 31 % 90}" for i in range(rows)],
            "ingested_at": [NOW + timedelta(days=i * 13 % 5) for i in range(rows)],
            "source_position": [i * 17 % 40 for i in range(rows)],
            **{name: pa.nulls(rows, raw_schema(case).field(name).type) for name in raw_schema(case).names[5:]},
        }
    )
    known = KnownRecords.of(TableRows(table, batch_rows=37))
    newest = table.filter(pa.array(newest_rows(TableRows(table)))).to_pylist()
    by_key = {row["source_key"]: row["record_id"] for row in newest if row["source_key"]}
    assert (
        len(known.ids) == rows
        and len(known.keys) == len(by_key)
        and len(known.without_key) == sum(i % 7 == 0 for i in range(rows))
    )
    assert (known.newest_of(text_digests(pa.array(list(by_key)))) == from_hex(pa.array(list(by_key.values())))).all()
    assert known.newest_of(text_digests(pa.array(["no such key"])))[0] == b""
    assert places_in(known.without_key, from_hex(pa.array(["0" * 23 + "7"])))[1].all()


@pytest.mark.integration
@pytest.mark.parametrize("id_column", ["id", None])
def test_rows_are_handed_on_while_the_file_is_read(
    environment: Environment, file: Path, monkeypatch: pytest.MonkeyPatch, id_column: str | None
) -> None:
    monkeypatch.setattr("ft_platform.sources.file_format.BATCH_CHARACTERS", 100_000)
    text = "a long complaint " * 100
    with open(file, "w") as out:
        out.write(HEADER)
        out.writelines(f"{i},{text}{i},card,yes,north\n" for i in range(10_000))
    before, rows, peak = pa.total_allocated_bytes(), 0, 0
    for batch in read_new_records(case_of(file, record={"id": id_column}), environment, {}, None, NOW).batches:
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows == 10_000 and file.stat().st_size > 17_000_000
    assert peak < 3_000_000, "batches of a tenth of a megabyte, and nothing kept of those before"


def test_nothing_is_read_before_the_batches_are(
    environment: Environment, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.sources.file_format.BATCH_ROWS", 2)
    monkeypatch.setattr("ft_platform.sources.file_format.ROWS_BETWEEN_LOOKS", 1)
    (file.parent / "second.csv").write_text("id,text\n")
    asked = []
    found = read_new_records(case_of(file.parent), environment, {}, lambda: asked.append(1) or KnownRecords.none(), NOW)
    assert asked == [] and not found.unchanged and found.counts == {}
    assert next(found.batches).num_rows == 2 and asked == [1]
    with pytest.raises(SourceError, match=r"second.csv: column 'label' is missing"):
        list(found.batches)
    again = read_new_records(
        case_of(file),
        environment,
        {str(file): found.files[str(file)]},
        lambda: asked.append(1) or KnownRecords.none(),
        NOW,
    )
    assert again.unchanged and list(again.batches) == [] and asked == [1]


def test_identical_rows_without_an_id_column_are_separate_records(environment: Environment, file: Path) -> None:
    record = {"id": None}
    file.write_text(HEADER + ROWS[0] + ROWS[0])
    first = ingest(case_of(file, record=record), environment)
    assert first.records.num_rows == 2 and len(set(first.records["record_id"].to_pylist())) == 2
    file.write_text(HEADER + ROWS[0] + ROWS[0] + ROWS[0])
    assert ingest(case_of(file, record=record), environment, first).records.num_rows == 1
    (file.parent / "second.csv").write_text(HEADER + ROWS[0])
    folder = ingest(case_of(file.parent, record=record), environment)
    assert folder.counts["rows_read"] == 4 and folder.records.num_rows == 3


def test_duplicate_ids_are_an_error_with_positions_and_without_the_ids(environment: Environment, file: Path) -> None:
    file.write_text(HEADER + "".join(ROWS) + "4,quite another text,card,yes,north\n")
    message = message_of(case_of(file), environment)
    assert "1 rows have a duplicate id in column 'id': data row 6 repeats data row 4" in message
    file.write_text(HEADER + "".join(ROWS))
    (file.parent / "second.csv").write_text(HEADER + ROWS[1])
    message = message_of(case_of(file.parent), environment)
    assert (
        f"several files: 1 rows have a duplicate id in column 'id': data row 1 of {file.parent}/second.csv repeats data"
        f" row 2 of {file}" in message
    )
    (file.parent / "second.csv").write_text(HEADER + ROWS[1] * 30)
    assert "several files: 30 rows have a duplicate id" in (message := message_of(case_of(file.parent), environment))
    assert message.count("repeats") == 10 and "and 20 more" in message


def test_rows_without_an_id_are_an_error(environment: Environment, file: Path) -> None:
    file.write_text(HEADER + ROWS[0] + " ,a text,card,yes,north\n")
    assert "data row 2 have no value in the id column" in message_of(case_of(file), environment)


def test_all_problems_of_all_files_come_at_once(environment: Environment, file: Path) -> None:
    (file.parent / "a_empty.csv").write_text("")
    (file.parent / "b_header.csv").write_text(HEADER)
    (file.parent / "c_columns.csv").write_text("ID,text\n1,a\n")
    message = message_of(case_of(file.parent), environment)
    assert "a_empty.csv is empty (0 bytes)" in message
    assert "b_header.csv has no data row" in message
    assert "c_columns.csv: column 'id' is missing (did you mean 'ID'?); column 'label' is missing" in message


def test_a_missing_file_says_what_was_looked_for(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"there is no file or folder {tmp_path}/nowhere.csv" in message_of(
        case_of(tmp_path / "nowhere.csv"), environment
    )
    assert "no file matches" in message_of(case_of(tmp_path / "*.csv"), environment)
    (tmp_path / "notes.txt").write_text("x")
    assert "has none of the extensions" in message_of(case_of(tmp_path / "notes.txt"), environment)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "notes.txt").write_text("x")
    assert "has no file of format" in message_of(case_of(tmp_path / "only"), environment)
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "nosuch://*")
    assert "is not a readable URI" in message_of(case_of("nosuch://x/y.csv"), environment)


def test_a_folder_means_its_files_of_known_formats_and_a_glob_what_it_matches(
    environment: Environment, file: Path
) -> None:
    (file.parent / "more").mkdir()
    (file.parent / "more" / "b.csv").write_text(HEADER + "7,another text,card,yes,north\n")
    (file.parent / "README.txt").write_text("x")
    (file.parent / ".hidden.csv").write_text("x")
    (file.parent / "_SUCCESS").write_text("")
    found = ingest(case_of(file.parent), environment)
    assert sorted(found.files) == [f"{file.parent}/more/b.csv", str(file)] and found.counts["files_ignored"] == 1
    assert sorted(ingest(case_of(f"{file.parent}/*.csv"), environment).files) == [str(file)]
    assert len(ingest(case_of(f"{file.parent}/**/*.csv"), environment).files) == 2


def test_a_set_format_reads_a_file_of_any_ending(environment: Environment, file: Path) -> None:
    renamed = file.rename(file.with_suffix(".txt"))
    found = ingest(use_case(source={"uri": str(renamed), "format": "csv"}), environment)
    assert found.records.num_rows == 5


def test_the_fingerprint_changes_with_the_bytes_only(environment: Environment, file: Path) -> None:
    source = case_of(file).settings.source
    first = fingerprint(source, environment)
    file.touch()
    assert fingerprint(source, environment) == first
    text = file.read_text()
    file.write_text(text.replace("number 1", "number 9"))
    assert fingerprint(source, environment) != first
    file.write_text(text)
    assert fingerprint(source, environment) == first == ingest(case_of(file), environment).files


def test_a_file_that_changes_while_it_is_read_is_an_error(environment: Environment, file: Path) -> None:
    def change(_: Update) -> None:
        file.write_text(HEADER + ROWS[4])

    with listening(change):
        assert "was changed while it was read" in message_of(case_of(file), environment)


def test_reading_reports_its_progress(environment: Environment, file: Path) -> None:
    updates: list[Update] = []
    with listening(updates.append):
        ingest(case_of(file), environment)
    assert [(u.stage, u.done) for u in updates] == [("raw_records", 5)]


def test_alpaca_columns_are_joined_and_absent_optional_ones_are_named(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "alpaca.json"
    rows = [
        ("Add.", "1 and 2", "3"),
        ("Say hello.", " ", "Hello."),
        (None, "", "Nothing was asked."),
        ("No answer.", None, None),
    ]
    path.write_text(json.dumps([dict(zip(("instruction", "input", "output"), row, strict=True)) for row in rows]))
    record = {
        "text": ["instruction", "input"],
        "answer": "output",
        "subject": "customer",
        "optional_columns": ["consent", "region", "customer"],
    }
    found = ingest(use_case("generation", source={"uri": str(path)}, record=record), environment)
    contents = [[m["content"] for m in messages] for messages in found.records["messages"].to_pylist()]
    expected = [["Add.\n\n1 and 2", "3"], ["Say hello.", "Hello."], ["", "Nothing was asked."], ["No answer.", ""]]
    assert contents == expected
    assert found.counts["columns_absent"] == ["consent", "customer", "region"]
    assert found.records["consent"].null_count == 4


def test_a_column_that_one_of_two_files_has_is_not_absent(environment: Environment, file: Path) -> None:
    (file.parent / "second.csv").write_text("id,text,label,region\n9,a text,card,north\n")
    found = ingest(case_of(file.parent, record={"optional_columns": ["consent"]}), environment)
    assert found.counts["columns_absent"] == []


def test_chat_messages_are_read_as_json_text_or_nested(environment: Environment, tmp_path: Path) -> None:
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"chat": c, "consent": "yes", "region": "x"}) for c in (conversation, json.dumps(conversation))
        )
    )
    case = use_case("generation", source={"uri": str(path)}, record={"text": None, "answer": None, "messages": "chat"})
    assert ingest(case, environment).records["messages"].to_pylist() == [conversation, conversation]


@pytest.mark.parametrize(
    "chat",
    [
        "not json",
        "[]",
        '{"role": "user"}',
        '[{"role": "robot", "content": "x"}]',
        '[{"role": "user", "content": 3}]',
        '[{"role": "assistant", "content": "x"}]',
    ],
)
def test_what_is_no_conversation_is_an_error_with_its_row(environment: Environment, tmp_path: Path, chat: str) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"chat": chat, "consent": "yes", "region": "x"}))
    case = use_case("generation", source={"uri": str(path)}, record={"text": None, "answer": None, "messages": "chat"})
    assert "data row 1 have no conversation in the messages column" in message_of(case, environment)


@pytest.mark.real_data
def test_the_public_complaint_file_is_read_whole_and_unchanged(environment: Environment, shared_data: Path) -> None:
    import pandas as pd

    path = shared_data / "cfpb_2020" / "complaints_sample.csv"
    record = {
        "id": "Complaint ID",
        "text": "Consumer complaint narrative",
        "label": "Product",
        "consent": "Consumer consent provided?",
        "features": {"region": "State"},
    }
    found = ingest(use_case(source={"uri": str(path)}, record=record), environment).records.to_pylist()
    expected = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert [r["messages"][0]["content"] for r in found] == expected["Consumer complaint narrative"].tolist()
    assert [r["label"] for r in found] == expected["Product"].tolist()
    assert [r["consent"] or "" for r in found] == expected["Consumer consent provided?"].tolist()


def test_a_day_whose_year_comes_first_is_written_as_iso_8601_has_it() -> None:
    from ft_platform.sources.mapping import iso_days

    given = [
        "2019/1/13",
        "2019.12.1",
        "2019-1-3",
        "2019-01-3",
        "2019-01-03",
        "13/1/2019",
        None,
        "2019-01-03T10:00",
        "2019-01",
        "2019/13",
        "5/6/7",
    ]
    expected = [
        "2019-01-13",
        "2019-12-01",
        "2019-01-03",
        "2019-01-03",
        "2019-01-03",
        "13/1/2019",
        None,
        "2019-01-03T10:00",
        "2019-01",
        "2019/13",
        "5/6/7",
    ]
    assert iso_days(pa.array(given)).to_pylist() == expected
    assert iso_days(pa.array([None, None], pa.string())).to_pylist() == [None, None]


def test_the_date_of_a_record_is_a_day_that_can_be_ordered(environment: Environment, file: Path) -> None:
    file.write_text("id,text,label,consent,region,day\n1,complaint about a fee,card,yes,north,2019/1/13\n")
    [row] = ingest(case_of(file, record={"date": "day"}), environment).records.to_pylist()
    assert row["record_date"] == "2019-01-13"
