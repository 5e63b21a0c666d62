"""Ids of a person's records in what others said, released or repeated: gone, and what was signed still verifies.
Persons are fictitious."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.tombstones import stand_ins
from ft_platform.errors import CorruptVersion
from ft_platform.evaluation.annotation.task import KEY, TASKS, Task, tasks
from ft_platform.governance.feedback_releases import feedback_releases, note_forgotten, release_batch
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.people.statements import FILE, state, statements
from ft_platform.records.columns import REMOVED
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import ANA, approved, ft, house  # noqa: F401
from ft_platform_tests.governance.house import House


def ids_of(house: House) -> tuple[str, str]:  # noqa: F811
    """The record of the person, and one of somebody else."""
    raw = house.lake.latest("letters", "raw_records")
    rows = house.lake.read_table(raw, ["record_id", "subject_id"]).to_pylist()
    own = next(row["record_id"] for row in rows if row["subject_id"] == PERSON)
    return own, next(row["record_id"] for row in rows if row["subject_id"] != PERSON)


def erased(house: House, capsys: pytest.CaptureFixture, own: str) -> None:  # noqa: F811
    assert bytes_below(house.environment.home, own) > 0
    approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0
    assert bytes_below(house.environment.home, own) == 0
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_what_a_person_signed_about_a_record_keeps_its_id_and_verifies(house, capsys):  # noqa: F811
    own, other = ids_of(house)
    said = {"repairs": [{"record_id": one, "after": "card"} for one in (own, other)], "person": ANA, "at": "2026-11-29"}
    made = state(house.lake, house.case, "label_repairs", said, [])
    erased(house, capsys, own)
    lake = open_lake(house.environment)
    (found,) = statements(lake, house.case, "label_repairs")
    left = [row["record_id"] for row in found.said["repairs"]]
    assert found.said["id"] == made["id"] and left[1] == other and len(left[0]) == len(own) and left[0] != own
    assert found.said["signature"] != made["signature"]


def test_a_statement_that_somebody_edits_after_an_erasure_is_refused(house, capsys):  # noqa: F811
    own, _ = ids_of(house)
    made = state(house.lake, house.case, "label_repairs", {"of": own, "after": "card", "at": "2026-11-29"}, [])
    erased(house, capsys, own)
    path = Path(house.lake.path_of("shared", "letters", "label_repairs", made["id"], FILE))
    path.write_text(path.read_text().replace("card", "loan"))
    with pytest.raises(CorruptVersion):
        statements(open_lake(house.environment), house.case, "label_repairs")


def test_a_statement_that_lost_nothing_still_must_have_the_id_of_its_content(house, capsys):  # noqa: F811
    own, _ = ids_of(house)
    made = state(house.lake, house.case, "label_repairs", {"after": "card", "at": "2026-11-29"}, [])
    erased(house, capsys, own)
    (found,) = statements(open_lake(house.environment), house.case, "label_repairs")
    assert found.said == made, "it is the same, to the signature"


def test_releases_of_feedback_and_what_was_forgotten_of_them_name_the_same_stranger(house, capsys):  # noqa: F811
    own, other = ids_of(house)
    release_batch(house.lake, house.case, "batch-1", {own: "card", other: "loan"}, {}, reason="Looked at all of it")
    note_forgotten(house.lake, "letters", {own})
    erased(house, capsys, own)
    (found,) = feedback_releases(open_lake(house.environment), "letters")
    assert own not in found.release.records and set(found.release.records.values()) == {"card", "loan"}
    assert found.records == {other: "loan"} and len(found.forgotten) == 1


def test_tasks_for_experts_name_the_record_no_more(house, capsys):  # noqa: F811
    own, other = ids_of(house)
    task = Task(id="task-1", field="label", labels=["card"], before={own: "card", other: "card"}, splits="splits@1")
    with house.lake.scratch("letters", TASKS) as folder:
        folder.mkdir()
        (folder / KEY).write_text(json.dumps(vars(task)))
        house.lake.publish("letters", TASKS, task.id, folder, parents=[], settings_hash="s", input_hash="i")
    erased(house, capsys, own)
    (found,) = tasks(open_lake(house.environment), house.case)
    assert other in found.before and own not in found.before and len(found.before) == 2


def test_a_row_that_repeated_the_record_stays_and_names_nobody(house, capsys):  # noqa: F811
    own, other = ids_of(house)
    rows = [
        {"record_id": "a1", "reason": "duplicate", "duplicate_of": own},
        {"record_id": "a2", "reason": "duplicate", "duplicate_of": other},
        {"record_id": own, "reason": "too_short", "duplicate_of": None},
    ]
    batches = pa.Table.from_pylist(rows, REMOVED).to_batches()
    house.lake.write_table(
        "letters", "cleaned_records_removed", batches, REMOVED, zone="restricted", settings_hash="s", input_hash="i"
    )
    erased(house, capsys, own)
    lake = open_lake(house.environment)
    version = lake.latest("letters", "cleaned_records_removed", zone="restricted")
    lake.verify_table(version)
    left = {row["record_id"]: row["duplicate_of"] for row in lake.read_table(version).to_pylist()}
    assert left == {"a1": None, "a2": other}


def test_what_stands_in_for_an_id_is_the_same_each_time_and_tells_nothing_without_the_key():
    one, two = "0" * 31 + "1", "0" * 31 + "2"
    made = stand_ins(b"key", [one, two])
    assert made == stand_ins(b"key", [two, one]) and len({*made.values(), one, two}) == 4
    assert stand_ins(b"another", [one])[one] != made[one]
    assert {len(new) for new in made.values()} == {32}
    needles = Needles([], [], made)
    assert needles.without(f'{{"{one}": 1, "x{two}": 2}}'.encode()) == f'{{"{made[one]}": 1, "x{two}": 2}}'.encode()
    assert needles.count(f'"{one}"'.encode()) == len(one)
