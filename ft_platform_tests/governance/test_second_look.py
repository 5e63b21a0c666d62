"""`only_permitted_records` finds a row that should not be there, whatever let it in; and it agrees with the judge on
rows of every kind."""

import random
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.assets import permitted_records as permitted
from ft_platform.assets import raw_records as raw
from ft_platform.governance.ledger import pin_ledger
from ft_platform.governance.second_look import look_again
from ft_platform.lake.store import Lake
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import raw_schema
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.governance.house import House, rows, today
from ft_platform_tests.governance.tables import TODAY, case_with, result_of, write_ledger
from ft_platform_tests.tables import raw as raw_table

MAPPED = {name: name for name in ("withdrawn", "lawful_basis", "purpose", "jurisdiction", "licence", "expires")} | {
    "subject": "person"
}
COLUMNS = {name: name for name in ("purpose", "lawful_basis", "jurisdiction", "withdrawn", "valid_from", "valid_until")}
STATED = {
    "lawful_bases": ["consent", "contract"],
    "jurisdictions": ["DE", "FR"],
    "accepted_licences": ["CC-BY-4.0", "CC-BY-NC-4.0"],
}
GOOD: dict[str, Any] = {
    "subject_id": "p0",
    "consent": "yes",
    "withdrawn": None,
    "lawful_basis": "consent",
    "purpose": "marketing ; complaint routing",
    "jurisdiction": "DE",
    "licence": "CC-BY-4.0",
    "expires": "2026-06-15",
}
GOOD_PERSON = {
    "subject_id": "p0",
    "status": "yes",
    "purpose": "complaint routing",
    "lawful_basis": "consent",
    "jurisdiction": "DE",
    "withdrawn": "",
    "valid_from": "2026-06-15",
    "valid_until": "2026-06-15",
}
COUNTS = {"consent_from": "column", "permitted_until": "2026-06-15"}


def look(case: NamedUseCase, lines: Sequence[dict[str, Any]], folder: Path, **counts: Any) -> dict[str, Any]:
    table = raw_table(case, ["a text"] * len(lines), **{name: [line.get(name) for line in lines] for name in lines[0]})
    return look_again(case, TableRows(table, 3), {**COUNTS, **counts}, TODAY, pin_ledger(case, {}), folder)


def full_case(**governance: Any) -> NamedUseCase:
    return case_with(MAPPED, **STATED, **governance)


def lacking(found: dict[str, Any]) -> dict[str, int]:
    return {
        name.removeprefix("rows_without_"): count
        for name, count in found.items()
        if name.startswith("rows_without_") and count
    }


def test_permitted_rows_pass(tmp_path: Path) -> None:
    found = look(full_case(), [GOOD] * 7, tmp_path)
    assert found["passed"] and found["rows"] == 7 and lacking(found) == {}
    assert {name for name in found if name.startswith("rows_without_")} == {
        f"rows_without_{name}" for name in (
            "accepted_consent", "standing_consent", "accepted_lawful_basis", "accepted_jurisdiction", "accepted_licence", "allowed_licence", "purpose",  # noqa: E501
            "standing_permission", "day_left", "named_end",
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "released", "missing"),
    [
        ({}, ["r000"], {}),
        ({}, ["r001"], {"release": 1}),
        ({"consent": None}, ["r000"], {"accepted_consent": 1}),
        ({"consent": "withdrawn"}, ["r000"], {"accepted_consent": 1}),
        ({"purpose": "marketing"}, ["r000"], {"purpose": 1}),
    ],
)
def test_a_request_needs_a_release_and_a_consent_and_a_purpose_of_its_own(
    changes: dict[str, Any], released: list[str], missing: dict[str, int]
) -> None:
    """Where the licence permits the records of the source."""
    case = case_with({"consent": None}, without_consent_column="licence", licence="CC0-1.0")
    line = {"source_uri": "traffic:2026-06-01-0a1b2c3d", "consent": "yes", "purpose": "complaint routing", **changes}
    table = raw_table(case, ["a text"], **{name: [value] for name, value in line.items()})
    found = look_again(case, TableRows(table), {"consent_from": "licence"}, TODAY, released=released)
    assert lacking(found) == missing and found["passed"] == (not missing)


PLANTED = [
    ({"consent": None}, {"accepted_consent"}),
    ({"consent": "Yes"}, {"accepted_consent"}),
    ({"consent": "withdrawn"}, {"accepted_consent", "standing_consent"}),
    ({"withdrawn": "true"}, {"standing_permission"}),
    ({"withdrawn": "2026-01-01"}, {"standing_permission"}),
    ({"withdrawn": "perhaps"}, {"standing_permission"}),
    ({"lawful_basis": None}, {"accepted_lawful_basis"}),
    ({"lawful_basis": "guess"}, {"accepted_lawful_basis"}),
    ({"purpose": None}, {"purpose"}),
    ({"purpose": "complaint routing and more"}, {"purpose"}),
    ({"jurisdiction": "de"}, {"accepted_jurisdiction"}),
    ({"licence": None}, {"accepted_licence"}),
    ({"licence": "CC-BY-NC-4.0"}, {"allowed_licence"}),
    ({"expires": "2026-06-14"}, {"day_left", "named_end"}),
    ({"expires": "15.06.2027"}, {"day_left", "named_end"}),
    ({"expires": "2027-13-01"}, {"day_left", "named_end"}),
]


@pytest.mark.parametrize(("fault", "claims"), PLANTED, ids=[str(fault) for fault, _ in PLANTED])
def test_one_planted_row_turns_the_check_red(tmp_path: Path, fault: dict[str, Any], claims: set[str]) -> None:
    found = look(full_case(), [*[GOOD] * 6, {**GOOD, **fault}], tmp_path)
    assert not found["passed"] and lacking(found) == dict.fromkeys(claims, 1)


def test_a_row_that_ends_before_the_day_that_the_manifest_names_turns_it_red(tmp_path: Path) -> None:
    assert lacking(
        look(full_case(), [GOOD, {**GOOD, "expires": "2026-07-01"}], tmp_path, permitted_until="2026-06-16")
    ) == {"named_end": 1}
    without = {name: value for name, value in COUNTS.items() if name != "permitted_until"}
    case = full_case()
    table = raw_table(case, ["a"], **{name: [value] for name, value in GOOD.items()})
    assert lacking(look_again(case, TableRows(table), without, TODAY)) == {"named_end": 1}


def test_no_rows_are_no_evidence(tmp_path: Path) -> None:
    assert not look_again(full_case(), TableRows(raw_schema(full_case()).empty_table()), COUNTS, TODAY)["passed"]


PERSONS = [
    {"status": ""},
    {"status": "Yes"},
    {"status": "withdrawn"},
    {"withdrawn": "yes"},
    {"withdrawn": "perhaps"},
    {"purpose": "marketing"},
    {"lawful_basis": ""},
    {"jurisdiction": "US"},
    {"valid_from": ""},
    {"valid_from": "2026-06-16"},
    {"valid_from": "June"},
    {"valid_until": "2026-06-14"},
    {"valid_until": "June"},
    {"subject_id": "somebody else"},
]


@pytest.mark.parametrize("fault", PERSONS, ids=str)
def test_a_person_whose_consent_does_not_stand_in_the_ledger_turns_it_red(
    tmp_path: Path, fault: dict[str, str]
) -> None:
    write_ledger(tmp_path / "l.csv", [GOOD_PERSON, {**GOOD_PERSON, "subject_id": "p1", **fault}])
    case = full_case(consent_ledger=str(tmp_path / "l.csv"), ledger_columns=COLUMNS)
    assert look(case, [GOOD] * 3, tmp_path)["passed"]
    assert lacking(look(case, [GOOD, {**GOOD, "subject_id": "p1"}, {**GOOD, "subject_id": None}], tmp_path)) == {
        "consent_in_ledger": 2
    }


def test_a_ledger_that_nobody_looked_into_is_no_evidence(tmp_path: Path) -> None:
    case = full_case(consent_ledger=str(tmp_path / "l.csv"), ledger_columns=COLUMNS)
    table = raw_table(case, ["a"], **{name: [value] for name, value in GOOD.items()})
    assert lacking(look_again(case, TableRows(table), COUNTS, TODAY)) == {"consent_in_ledger": 1}


VALUES: dict[str, list[Any]] = {
    "consent": ["yes", " yes", "no", "withdrawn", None],
    "withdrawn": [None, "", "no", "true", "2026-01-01", "perhaps"],
    "lawful_basis": ["consent", "contract", "guess", None],
    "purpose": ["complaint routing", "marketing;complaint routing", "marketing", None],
    "jurisdiction": ["DE", "FR ", "US", None],
    "licence": ["CC-BY-4.0", "CC-BY-NC-4.0", "MIT", None],
    "expires": [None, "2026-06-15", "2026-06-14", "2026-12-31T00:00:00", "15.06.2027"],
}
LEDGER_VALUES: dict[str, list[str]] = {
    "status": ["yes", "no", "withdrawn", ""],
    "purpose": ["complaint routing", "marketing", ""],
    "lawful_basis": ["consent", "contract", ""],
    "jurisdiction": ["DE", "US"],
    "withdrawn": ["", "false", "yes", "perhaps"],
    "valid_from": ["2026-01-01", "2026-06-16", ""],
    "valid_until": ["", "2026-06-15", "2026-06-01", "June"],
}


def drawn(values: dict[str, list[Any]], good: dict[str, Any], draw: random.Random, faults: float) -> dict[str, Any]:
    """A good row in which some values are replaced by drawn ones."""
    return {**good, **{name: draw.choice(some) for name, some in values.items() if draw.random() < faults}}


@pytest.mark.integration
@pytest.mark.parametrize("with_ledger", [False, True], ids=["by columns", "with a ledger"])
@pytest.mark.parametrize("exempt", [[], ["contract"]], ids=["consent needed", "contract needs none"])
def test_the_second_look_and_the_judge_agree_on_rows_of_every_kind(
    tmp_path: Path, with_ledger: bool, exempt: list[str]
) -> None:
    draw = random.Random(7)
    governance: dict[str, Any] = {"lawful_bases_without_consent": exempt}
    if with_ledger:
        persons = [{**drawn(LEDGER_VALUES, GOOD_PERSON, draw, 0.15), "subject_id": f"p{n}"} for n in range(60)]
        governance |= {"consent_ledger": str(write_ledger(tmp_path / "l.csv", persons)), "ledger_columns": COLUMNS}
    case = full_case(**governance)
    lines = [
        {**drawn(VALUES, GOOD, draw, 0.15), "subject_id": draw.choice([f"p{n}" for n in range(62)])} for _ in range(600)
    ]
    table = raw_table(case, ["a text"] * len(lines), **{name: [line[name] for line in lines] for name in lines[0]})
    result = result_of(case, table, ledger=pin_ledger(case, {}))
    assert 20 < result.kept.num_rows < 580
    found = look_again(case, TableRows(result.kept), result.counts, TODAY, pin_ledger(case, {}), tmp_path)
    assert found["passed"], lacking(found)
    removed = set(result.removed["record_id"].to_pylist())
    for number, line in enumerate(lines):
        if f"r{number:03d}" in removed:
            alone = {
                name: count
                for name, count in lacking(look(case, [line], tmp_path, permitted_until=date.max.isoformat())).items()
                if name != "named_end"
            }
            assert alone, f"row {number} was removed and looks permitted: {line}"


class OnlyOnce:
    """Rows that cannot be had as a whole, and note what was asked for."""

    def __init__(self, rows: TableRows) -> None:
        self.schema, self.num_rows = rows.schema, rows.num_rows
        self.asked: list[str] = []
        self.largest = 0
        self._rows = rows

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        self.asked += columns or ["everything"]
        for batch in self._rows.batches(columns):
            self.largest = max(self.largest, batch.num_rows)
            yield batch


def test_it_reads_the_columns_of_permission_batch_by_batch(tmp_path: Path) -> None:
    case = full_case()
    watched = OnlyOnce(
        TableRows(raw_table(case, ["a"] * 50, **{name: [value] * 50 for name, value in GOOD.items()}), batch_rows=7)
    )
    assert look_again(case, watched, COUNTS, TODAY)["passed"]
    assert watched.largest == 7 and "messages" not in watched.asked and len(watched.asked) == len(set(watched.asked))


def check_of(name: str, case: NamedUseCase, lake: Lake, **version: Any) -> Any:
    built = (raw if name == "rows_are_accounted_for" else permitted).build(case)
    check = next(item for item in built if name in {key.name for key in getattr(item, "check_keys", [])})
    return check(lake=lake, **version)


@pytest.mark.integration
def test_the_check_in_the_graph_refuses_a_planted_version_and_reads_no_whole_table(
    environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(environment, expires=True)
    house.write(rows(4, expires={0: today(5)}))
    good = house.permit()
    table = house.lake.read_table(good)
    planted = {"consent": "no", "expires": today(-1)}
    for column, value in planted.items():
        place = table.schema.get_field_index(column)
        wrong = table.set_column(
            place, table.schema.field(place), [pa.array([value, *table[column].to_pylist()[1:]], pa.string())]
        )
        manifest = house.lake.manifest(good)
        version = house.lake.write_table(
            house.name, "permitted_records", wrong.to_batches(), wrong.schema, zone="restricted", counts=manifest.counts,  # noqa: E501
            settings_hash=manifest.settings_hash,
        )  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(Lake, "read_table", lambda *_: pytest.fail("a whole table was read into memory"))
            result = check_of("only_permitted_records", house.case, house.lake, permitted_records=version)
        assert not result.passed
        assert not house.lake.verdicts(version)["only_permitted_records"].passed, "the gate reads this"


@pytest.mark.integration
@pytest.mark.parametrize("fault", ["a row twice", "a row lost"])
def test_a_row_that_is_there_twice_or_lost_turns_rows_are_accounted_for_red(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    house.write(rows(4))
    house.permit()
    version = house.lake.latest(house.name, "raw_records")
    assert version is not None
    table = house.lake.read_table(version)
    if fault == "a row twice":
        version = house.lake.write_table(
            house.name, "raw_records", [*table.to_batches(), *table.slice(0, 1).to_batches()], table.schema, zone="restricted",  # noqa: E501
            settings_hash=STAGES["raw_records"].settings_hash(house.case),
        )  # fmt: skip
    else:
        house.lake._write_signed(
            "tests",
            house.lake._manifest_path(version),
            {**house.lake.manifest(version).model_dump(mode="json"), "rows": 5},
        )
        Path(f"{house.lake._verdict_folder(version)}/rows_are_accounted_for.json").unlink()
    monkeypatch.setattr(Lake, "read_table", lambda *_: pytest.fail("a whole table was read into memory"))
    result = check_of("rows_are_accounted_for", house.case, house.lake, raw_records=version)
    assert not result.passed
