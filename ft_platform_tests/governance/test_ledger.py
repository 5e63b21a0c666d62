"""The consent ledger: what it says about a person decides, in every format, and what it does not say clearly permits
nothing."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import write_deltalake

from ft_platform.errors import SourceError, TransientError
from ft_platform.governance.ledger import pin_ledger
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.governance.tables import TODAY, case_with, fates, result_of, write_ledger
from ft_platform_tests.governance.test_permission import OF_THE_LEDGER
from ft_platform_tests.tables import raw

COLUMNS = {name: name for name in ("purpose", "lawful_basis", "jurisdiction", "withdrawn", "valid_from", "valid_until")}
LISTS = {"lawful_bases": ["consent", "contract"], "jurisdictions": ["DE"]}
PERMITTED = {
    "subject_id": "p1",
    "status": "yes",
    "purpose": "complaint routing;marketing",
    "lawful_basis": "consent",
    "jurisdiction": "DE",
    "withdrawn": "",
    "valid_from": "2026-06-15",
    "valid_until": "2026-06-15",
}
PERSON = "Zebulon Quartermain"
"""A value that no message may repeat."""


def ledger_case(path: Path | str, columns: dict[str, str] | None = None, **governance: Any) -> NamedUseCase:
    stated = {
        "without_consent_column": "ledger",
        "consent_ledger": str(path),
        "ledger_columns": columns or {},
        **governance,
    }
    return case_with({"subject": "person", "consent": None}, **stated)


def fate_of(
    tmp_path: Path,
    person: str | None = "p1",
    record: dict[str, Any] | None = None,
    governance: dict[str, Any] | None = None,
    **row: str,
) -> str:
    """What becomes of a record of `person`, beside another one that is permitted."""
    ledger = write_ledger(tmp_path / "ledger.csv", [{**PERMITTED, "subject_id": "p0"}, {**PERMITTED, **row}])
    case = ledger_case(ledger, COLUMNS, **LISTS, **(governance or {}))
    return fates(case, 2, subject_id=["p0", person])[1]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, "kept"),
        ({"status": " yes "}, "kept"),
        ({"subject_id": " p1 "}, "kept"),
        ({"valid_from": "2026-01-01T08:00:00", "valid_until": ""}, "kept"),
        ({"withdrawn": "no"}, "kept"),
        ({"subject_id": "p2"}, "not_in_ledger"),
        ({"subject_id": "P1"}, "not_in_ledger"),
        ({"status": "withdrawn on paper"}, "consent_withdrawn"),
        ({"status": ""}, "consent_missing"),
        ({"status": "asked"}, "consent_not_accepted"),
        ({"withdrawn": "2026-01-01"}, "consent_withdrawn"),
        ({"withdrawn": "perhaps"}, "withdrawal_unreadable"),
        ({"purpose": "marketing"}, "purpose_not_permitted"),
        ({"purpose": ""}, "purpose_not_permitted"),
        ({"lawful_basis": ""}, "lawful_basis_missing"),
        ({"lawful_basis": "vital interests"}, "lawful_basis_not_accepted"),
        ({"jurisdiction": ""}, "jurisdiction_missing"),
        ({"jurisdiction": "US"}, "jurisdiction_not_permitted"),
        ({"valid_from": ""}, "consent_start_missing"),
        ({"valid_from": "2026-06-16"}, "consent_not_yet_valid"),
        ({"valid_from": "June"}, "consent_date_unreadable"),
        ({"valid_until": "2026-06-14"}, "consent_expired"),
        ({"valid_until": "14.06.2027"}, "consent_date_unreadable"),
    ],
    ids=str,
)
def test_what_the_row_of_a_person_says_decides(tmp_path: Path, row: dict[str, str], expected: str) -> None:
    assert fate_of(tmp_path, **row) == expected


@pytest.mark.parametrize("person", [None, "", "  "])
def test_a_record_without_a_person_cannot_be_looked_up(tmp_path: Path, person: str | None) -> None:
    assert fate_of(tmp_path, person) == "subject_missing"


def test_every_reason_of_the_ledger_was_seen() -> None:
    assert {
        "subject_missing", "not_in_ledger", "consent_start_missing", "consent_not_yet_valid", "consent_expired", "consent_date_unreadable"  # noqa: E501
    } == OF_THE_LEDGER  # fmt: skip


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"status": "", "valid_until": "2020-01-01", "lawful_basis": "contract"}, "kept"),
        ({"status": "withdrawn", "lawful_basis": "contract"}, "consent_withdrawn"),
        ({"withdrawn": "maybe", "status": "withdrawn", "lawful_basis": "contract"}, "withdrawal_unreadable"),
        ({"jurisdiction": "US", "lawful_basis": "contract"}, "jurisdiction_not_permitted"),
    ],
    ids=str,
)
def test_a_basis_in_the_ledger_that_needs_no_consent(tmp_path: Path, row: dict[str, str], expected: str) -> None:
    assert fate_of(tmp_path, governance={"lawful_bases_without_consent": ["contract"]}, **row) == expected


def test_consent_of_the_record_and_of_the_ledger_must_both_be_there(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path / "ledger.csv", [{"subject_id": "p0", "status": "yes"}, {"subject_id": "p1", "status": "no"}]
    )
    case = case_with({"subject": "person"}, consent_ledger=str(ledger))
    found = fates(case, 4, subject_id=["p0", "p0", "p1", "p2"], consent=["yes", "no", "yes", "yes"])
    assert found == ["kept", "consent_not_accepted", "consent_not_accepted", "not_in_ledger"]


ROWS = [
    {"who": f"p{n}", "state": ["yes", "no", "withdrawn"][n % 3], "until": ["2026-06-15", None][n % 2]} for n in range(9)
]
EXPECTED = [["kept", "consent_not_accepted", "consent_withdrawn"][n % 3] for n in range(9)]


def as_text(value: str | None) -> str:
    return value or ""


def csv_of(path: Path, delimiter: str) -> Path:
    path.write_text(
        "\n".join([delimiter.join(ROWS[0]), *[delimiter.join(map(as_text, row.values())) for row in ROWS]]) + "\n"
    )
    return path


def jsonl_of(path: Path) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n")
    return path


def parquet_of(path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def dates_in_parquet(path: Path) -> Path:
    table = pa.Table.from_pylist(ROWS)
    table = table.set_column(2, "until", table["until"].cast(pa.date32())).set_column(
        1, "state", table["state"].dictionary_encode()
    )
    pq.write_table(table, path)
    return path


def delta_of(path: Path) -> Path:
    write_deltalake(str(path), pa.Table.from_pylist(ROWS[:4]))
    write_deltalake(str(path), pa.Table.from_pylist(ROWS[4:]), mode="append")
    return path


FORMATS = {
    "comma": lambda folder: csv_of(folder / "ledger.csv", ","),
    "semicolon": lambda folder: csv_of(folder / "ledger.CSV", ";"),
    "tab": lambda folder: csv_of(folder / "ledger.tsv", "\t"),
    "json lines": lambda folder: jsonl_of(folder / "ledger.jsonl"),
    "parquet": lambda folder: parquet_of(folder / "ledger.parquet"),
    "dates and dictionaries in parquet": lambda folder: dates_in_parquet(folder / "ledger.parquet"),
    "delta": lambda folder: delta_of(folder / "ledger"),
}
NAMES = {"subject": "who", "status": "state", "valid_until": "until"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(tmp_path: Path, name: str) -> None:
    case = ledger_case(FORMATS[name](tmp_path), NAMES)
    assert fates(case, 9, subject_id=[row["who"] for row in ROWS]) == EXPECTED


def test_numbers_of_persons_are_the_same_in_text_and_in_whole_numbers(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"subject_id": pa.array([7, 8], pa.int64()), "status": ["yes", "no"]}), tmp_path / "ledger.parquet"
    )
    found = fates(ledger_case(tmp_path / "ledger.parquet"), 3, subject_id=["7", "8", "07"])
    assert found == ["kept", "consent_not_accepted", "not_in_ledger"]


def test_more_persons_than_a_batch_holds(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"subject_id": [f"p{n}" for n in range(20_000)], "status": ["yes", "no"] * 10_000}),
        tmp_path / "ledger.parquet",
    )
    case = ledger_case(tmp_path / "ledger.parquet")
    wanted = [0, 1, 19_998, 19_999, 8192]
    assert fates(case, 5, subject_id=[f"p{n}" for n in wanted]) == [
        "kept" if n % 2 == 0 else "consent_not_accepted" for n in wanted
    ]
    counts = result_of(case, raw(case, ["t"], subject_id=["p0"]), ledger=pin_ledger(case, {})).counts
    assert (counts["basis"], counts["persons_in_ledger"]) == ("consent ledger", 20_000)


def problem_with(path: Path | str, columns: dict[str, str] | None = None, subjects: Sequence[str] = ("p0",)) -> str:
    case = ledger_case(path, columns)
    with pytest.raises(SourceError) as caught:
        fates(case, len(subjects), subject_id=subjects)
    assert PERSON not in str(caught.value)
    return str(caught.value)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


BROKEN = [
    ("a.csv", f"subject_id,status\n{PERSON},yes\n{PERSON} ,no\n", "1 persons have more than one row"),
    ("a.csv", f"subject_id,status\n{PERSON},yes\n,yes\n  ,no\n", "2 rows name no person"),
    ("a.csv", f"{PERSON},yes\np0,no\n", "has no column 'subject_id' (subject)"),
    ("a.csv", f"subject_id,state\n{PERSON},yes\n", "has no column 'status' (status)"),
    ("a.csv", f"subject_id,status,status\n{PERSON},yes,no\n", "has 2 columns 'status'"),
    ("a.csv", f"subject_id,status\n{PERSON},yes\n{PERSON},yes,more\n", "it is broken, or not UTF-8 (ArrowInvalid)"),
    ("a.csv", b"subject_id,status\nM\xfcller,yes\n", "it is broken, or not UTF-8"),
    ("a.csv", b"", "is empty (0 bytes)"),
    ("a.txt", "subject_id,status\np0,yes\n", "has none of the extensions .csv"),
    ("a.jsonl", f'{{"subject_id": "{PERSON}", "status": "yes"\n', "it is broken, or not UTF-8"),
    (
        "a.jsonl",
        f'{{"subject_id": "{PERSON}", "subject_id": "p0", "status": "yes"}}\n',
        "line 1 is not an object with distinct keys",
    ),
    ("a.jsonl", f'["{PERSON}"]\n', "line 1 is not an object with distinct keys"),
    ("a.jsonl", f'{{"subject_id": "{PERSON}", "status": ["yes"]}}\n', "line 1: expected text"),
    (
        "a.jsonl",
        '{"subject_id": 7.0, "status": "yes"}\n',
        "line 1: expected text, whole numbers, true, false or null, got float",
    ),
    ("a.parquet", b"PAR1 and nothing else", "it is broken, or not UTF-8"),
]


@pytest.mark.parametrize(("name", "text", "problem"), BROKEN, ids=[problem for _, _, problem in BROKEN])
def test_what_cannot_be_read_as_a_ledger_stops_the_stage_and_quotes_nobody(
    tmp_path: Path, name: str, text: str | bytes, problem: str
) -> None:
    message = problem_with(write(tmp_path / name, text))
    assert problem in message and "governance.consent_ledger" in message


def test_a_column_of_fractions_and_a_folder_without_a_table_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"subject_id": [7.0], "status": ["yes"]}), tmp_path / "a.parquet")
    assert "column 'subject_id' has type double" in problem_with(tmp_path / "a.parquet")
    assert "is a folder without a Delta table" in problem_with(tmp_path)
    assert "does not exist" in problem_with(tmp_path / "nothing.csv")
    write_deltalake(str(tmp_path / "delta"), pa.table({"subject_id": ["p0"]}))
    assert "has no column 'status'" in problem_with(tmp_path / "delta")


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.org/ledger.csv",
        "https://example.org/ledger.csv",
        "simplecache::s3://a/b.csv",
        "ftp://example.org/a.csv",
    ],
)
def test_a_place_that_is_not_allowed_is_not_asked(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.governance.ledger.fingerprint", lambda *_: pytest.fail("a request was made"))
    with pytest.raises(SourceError, match=r"governance\.consent_ledger"):
        pin_ledger(ledger_case(uri), {})


def test_the_list_of_the_installation_counts_for_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = ledger_case(write_ledger(tmp_path / "ledger.csv", [{"subject_id": "p0", "status": "yes"}]))
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}/elsewhere")
    with pytest.raises(SourceError, match="not on the list of allowed sources"):
        pin_ledger(case, {})
    monkeypatch.setenv("FT_SOURCES_ALLOWED", f"file://{tmp_path}")
    assert pin_ledger(case, {}) is not None


def test_the_content_counts_and_not_the_time_of_the_file(tmp_path: Path) -> None:
    file = write_ledger(tmp_path / "ledger.csv", [{"subject_id": "p0", "status": "yes"}])
    case = ledger_case(file)
    first = pin_ledger(case, {})
    os.utime(file, (1, 1))
    assert pin_ledger(case, {}) == first
    write_ledger(file, [{"subject_id": "p0", "status": "no"}])
    assert pin_ledger(case, {}) != first
    write_deltalake(str(tmp_path / "delta"), pa.table({"subject_id": ["p0"], "status": ["yes"]}))
    delta = ledger_case(tmp_path / "delta")
    before = pin_ledger(delta, {})
    assert pin_ledger(delta, {}) == before
    write_deltalake(str(tmp_path / "delta"), pa.table({"subject_id": ["p1"], "status": ["yes"]}), mode="append")
    assert pin_ledger(delta, {}) != before


def test_a_ledger_that_changes_between_pinning_and_reading_is_not_read(tmp_path: Path) -> None:
    file = write_ledger(tmp_path / "ledger.csv", [{"subject_id": "p0", "status": "yes"}])
    case = ledger_case(file)
    pinned = pin_ledger(case, {})
    assert pinned is not None
    write_ledger(file, [{"subject_id": "p0", "status": "withdrawn"}])
    with pytest.raises(TransientError, match="was changed while it was read"):
        pinned.read(case, tmp_path, TODAY)


def test_a_pinned_delta_table_is_read_as_it_was(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "delta"), pa.table({"subject_id": ["p0"], "status": ["yes"]}))
    case = ledger_case(tmp_path / "delta")
    pinned = pin_ledger(case, {})
    assert pinned is not None
    write_deltalake(
        str(tmp_path / "delta"), pa.table({"subject_id": ["p0", "p1"], "status": ["no", "no"]}), mode="overwrite"
    )
    assert len(pinned.read(case, tmp_path, TODAY).index) == 1


def test_the_example_of_the_how_to_page_permits_the_first_of_its_persons(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "how_to" / "permission.md").read_text(encoding="utf-8")
    ledger = next(block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if block.startswith("person,"))
    settings = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    (tmp_path / "ledger.csv").write_text(ledger)
    settings["governance"]["consent_ledger"] = str(tmp_path / "ledger.csv")
    case = case_with({**settings["record"], "consent": None}, **settings["governance"])
    expected = ["kept", "purpose_not_permitted", "consent_withdrawn", "not_in_ledger"]
    assert fates(case, 4, subject_id=["4711", "4712", "4713", "4714"]) == expected
