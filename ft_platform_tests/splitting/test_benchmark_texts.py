"""Records that hold a benchmark text are found, removed, and a leak if they are not."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import ConfigError
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema
from ft_platform.splitting.benchmark_texts import BenchmarkTexts, benchmark_fingerprint, benchmark_texts
from ft_platform.use_case.settings.splits import Splits
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case

LONG = "A train leaves the station at nine and travels north at forty miles an hour until it meets another one"
MEDIUM = "How many apples does the old farmer still have"
SHORT = "What is photosynthesis good for?"


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (LONG, True),
        (f"Please solve this for me. {LONG.upper()}! Thank you", True),
        ("she said: " + " ".join(LONG.split()[3:16]) + " and stopped", True),  # 13 words in a row
        ("she said: " + " ".join(LONG.split()[3:15]) + " and stopped", False),  # 12
        (f"Tell me: {MEDIUM.lower()}, after the rain?", True),  # a whole text of nine words
        (" ".join(MEDIUM.split()[:8]), False),  # not all of it
        ("what is PHOTOSYNTHESIS good for", True),
        (f"I wonder, {SHORT}", False),  # a text of five words counts only as a whole
        ("yes", False),  # an answer in the file, too short to count
        ("something else that nobody has asked before", False),
        ("", False),
    ],
)
def test_what_counts_as_holding_a_benchmark_text(text: str, held: bool) -> None:
    case = use_case()
    texts = BenchmarkTexts(iter([pa.array([LONG, MEDIUM]), pa.array([SHORT, "yes", ""])]))
    assert texts.held_by(TableRows(table(anonymized_schema(case), [text]))).tolist() == [held]


def test_every_message_of_a_record_is_looked_at_and_rows_keep_their_place_across_batches() -> None:
    case = use_case("generation")
    texts = BenchmarkTexts(iter([pa.array([MEDIUM])]))
    given = table(anonymized_schema(case), ["one question"] * 5, ["fine", None, MEDIUM, "fine", "fine"])
    no_messages = given.slice(1, 1).set_column(
        given.schema.get_field_index("messages"), "messages", pa.array([None], given.schema.field("messages").type)
    )
    given = pa.concat_tables([given.slice(0, 2), no_messages, given.slice(2)])
    assert texts.held_by(TableRows(given, batch_rows=2)).tolist() == [False, False, False, True, False, False]


def test_they_are_removed_with_their_reason_and_a_leak_where_they_are_not() -> None:
    case = use_case()
    texts = [f"case {i} speaks of w{i * 7} w{i * 11} w{i * 13} and nothing else w{i * 17}" for i in range(40)]
    texts[5], texts[8] = f"Hello. {LONG}", MEDIUM
    given = table(anonymized_schema(case), texts, label=["a", "b"] * 20)
    benchmark = BenchmarkTexts(iter([pa.array([LONG, MEDIUM])]))
    result = split(case, given, benchmark=benchmark)
    assert result.funnel("splits") == {"stage": "splits", "rows_in": 40, "kept": 38, "removed": {"benchmark_text": 2}}
    assert result.removed["record_id"].to_pylist() == ["r005", "r008"]
    assert leakage(case, result.kept, benchmark=benchmark)["passed"]
    found = leakage(case, split(case, given).kept, benchmark=benchmark)
    assert found["benchmark_texts"] == 2 and not found["passed"]


def test_lines_of_text_and_every_string_of_json_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{MEDIUM}\n\n{SHORT}\n")
    (tmp_path / "b.jsonl").write_text(
        json.dumps({"question": LONG, "choices": ["yes", "no"], "number": 3})
        + "\n\n"
        + json.dumps([["x y z u"]])
        + "\n"
    )
    texts = benchmark_texts(Splits(benchmark_files=[str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]))
    assert texts
    given = table(anonymized_schema(use_case()), [MEDIUM, SHORT, LONG, "yes", "X, Y, Z, U"])
    assert texts.held_by(TableRows(given)).tolist() == [True, True, True, False, True]


def test_without_files_there_is_nothing_to_look_for() -> None:
    assert benchmark_texts(Splits()) is None and benchmark_fingerprint(Splits()) == {}


def test_the_fingerprint_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    settings = Splits(benchmark_files=[str(file)])
    fingerprints = []
    for text in (MEDIUM, LONG, MEDIUM):
        file.write_text(text)
        fingerprints.append(benchmark_fingerprint(settings))
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "which is not a file"),
        ("latin.txt", "café au lait pour deux".encode("latin-1"), "is not UTF-8"),
        ("broken.jsonl", b'"one two three four"\n{"a": ', "line 2 of .* is not JSON"),
        ("empty.txt", b"\n \n", "have no text of at least 4 words"),
        ("answers.jsonl", b'["yes", "no"]\n', "have no text of at least 4 words"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_quotes_nothing(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        benchmark_texts(Splits(benchmark_files=[str(tmp_path / name)]))
    assert "one two three four" not in str(error.value)


def test_another_kind_of_file_is_refused_by_the_schema() -> None:
    with pytest.raises(ValueError, match="benchmark_files"):
        Splits(benchmark_files=["mmlu.csv"])
