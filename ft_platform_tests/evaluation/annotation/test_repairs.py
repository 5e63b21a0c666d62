"""From a task to repaired records in a real lake with the real stages: raters, arbiter, what is repaired and what is
not, and that no record moves. Raters are fictitious."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import AnswersRefused, CorruptVersion, DataError
from ft_platform.evaluation.annotation.answers import read_judgements
from ft_platform.evaluation.annotation.overlay import repaired_in
from ft_platform.evaluation.annotation.repairs import add_judgements, all_states, repairs, withdraw
from ft_platform.evaluation.annotation.task import read_task
from ft_platform.evaluation.annotation.tasks import make_task, write_again
from ft_platform.lake.parents import tables_behind
from ft_platform.lake.snapshot import Snapshot
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.person import named
from ft_platform.records.columns import SIDES
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.traffic.served import Served
from ft_platform_tests.tiny_models import RECALL

pytestmark = pytest.mark.integration
ANA = named("ana.ruiz@example.org")
Judge = Callable[[dict[str, str]], str]


@pytest.fixture
def served(environment: Environment, quick_stages: None) -> Served:
    return Served(environment)


def checked(served: Served) -> None:
    """Verdicts of the checks that `Served.prepare` leaves out, as if they had passed."""
    splits = served.lake.latest("tests", "splits")
    assert splits
    for name, version in {**tables_behind(served.lake, splits), "splits": splits}.items():
        for check in set(STAGES[name].checks) - set(served.lake.verdicts(version)):
            settings = check_settings_hash(served.case, name, check)
            served.lake.add_verdict(version, check, True, settings, RECALL if check == "recall_above_floor" else None)


def task(served: Served, folder: Path, **asked: Any) -> dict[str, Any]:
    checked(served)
    return make_task(served.lake, served.case, folder, ANA, **asked)


def answered(made: dict[str, Any], folder: Path, rater: str, judge: Judge) -> tuple[str, Path]:
    """A rater's copy of the CSV file, filled in."""
    with open(made["files"][0], encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    folder.mkdir(exist_ok=True)
    path = folder / f"{rater}.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([{**row, made["field"]: judge(row)} for row in rows])
    return rater, path


def imported(served: Served, *files: tuple[str, Path], arbiters: tuple[str, ...] = ()) -> dict[str, Any]:
    found = read_judgements(files, lambda name: read_task(served.lake, served.case, name))
    return add_judgements(served.lake, served.case, found, ANA, arbiters)


def labels(served: Served, version: Any) -> dict[str, str]:
    return {row["record_id"]: row["label"] for row in served.rows(version).to_pylist()}


def test_two_who_agree_repair_labels_and_no_record_moves(served: Served, tmp_path: Path) -> None:
    first = served.prepare()
    before, sides = labels(served, first), served.sides(first)
    made = task(served, tmp_path, rows=30)
    with open(made["files"][0], encoding="utf-8-sig", newline="") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {""}, "no label is shown"
    shown = list(read_task(served.lake, served.case, made["task"]).before)  # type: ignore[union-attr]
    wrong = {*shown[:4]} | {next(one for one in shown if sides[one] == "test")}

    def right(row: dict[str, str]) -> str:
        is_other = row["record_id"] in wrong
        other = {"mortgage": "credit card", "credit card": "student loan", "student loan": "mortgage"}
        return other[before[row["record_id"]]] if is_other else before[row["record_id"]]

    ana = answered(made, tmp_path / "a", "ana", right)
    assert imported(served, ana)["accepted"] == 0, "one rater repairs nothing"
    assert served.prepare() == first
    told = imported(served, answered(made, tmp_path / "b", "bo", right))
    assert (told["accepted"], told["confirmed"], told["disputed"]) == (len(wrong), 30 - len(wrong), [])
    assert told["agreement"]["kappa"]["value"] == 1.0 and told["judged"] == {"ana": 30, "bo": 30}
    second = served.prepare()
    after = labels(served, second)
    assert {record for record in after if after[record] != before[record]} == wrong
    assert served.sides(second) == sides, "no record moved"
    counts = served.lake.manifest(second).counts
    assert sum(counts["repaired"].values()) == counts["funnel"]["repaired"] == len(wrong) and counts["repaired"]["test"]
    pairs = Counter((after[record], sides[record]) for record in after)
    real = {name: {side: pairs[name, side] for side in SIDES} for name in sorted(set(after.values()))}
    assert counts["rows_per_label"] == real
    rows = repaired_in(served.lake, second).to_pylist()
    changed = {row["record_id"]: (row["before"], row["after"]) for row in rows}
    assert changed == {record: (before[record], after[record]) for record in wrong}
    assert served.prepare() == second, "nothing new, nothing made"
    assert Snapshot.of(served.lake).control_problems("tests") == []
    (one, *_) = repairs(served.lake, served.case)
    assert one.raters == ("ana", "bo") and one.arbiter is None and one.at.startswith("20")
    withdraw(served.lake, served.case, told["id"], ANA, "an older guideline")
    assert labels(served, served.prepare()) == before and not repairs(served.lake, served.case)
    with pytest.raises(DataError, match="no repairs"):
        withdraw(served.lake, served.case, "repairs-000000000000", ANA, "an older guideline")
    entries = [one.what for one in audit_log_of(served.lake).entries()]
    assert {"took records to annotate", "handed in judgements of records", "took repairs back"} <= {*entries}


def test_an_arbiter_settles_what_raters_disagree_about(served: Served, tmp_path: Path) -> None:
    first = served.prepare()
    before = labels(served, first)
    made = task(served, tmp_path, rows=6, order="random")
    record = next(iter(read_task(served.lake, served.case, made["task"]).before))  # type: ignore[union-attr]
    other = next(name for name in ("mortgage", "credit card") if name != before[record])

    def says(value: str) -> Judge:
        return lambda row: value if row["record_id"] == record else before[row["record_id"]]

    told = imported(
        served,
        answered(made, tmp_path / "a", "ana", says(before[record])),
        answered(made, tmp_path / "b", "bo", says(other)),
    )
    assert told["disputed"] == [record] and told["accepted"] == 0 and told["confirmed"] == 5
    known = read_task(served.lake, served.case, made["task"])
    assert known
    again = write_again(served.lake, served.case, tmp_path / "arbiter", ANA, known, told["disputed"])
    assert again["rows"] == 1 and again["task"] == made["task"]
    # Whoever rated the record is no arbiter of it.
    assert imported(served, answered(made, tmp_path / "c", "bo", says(other)), arbiters=("bo",))["accepted"] == 0
    told = imported(served, answered(again, tmp_path / "d", "cy", says(other)), arbiters=("cy",))
    assert told["accepted"] == 1 and told["disputed"] == []
    (repair,) = repairs(served.lake, served.case)
    assert (repair.raters, repair.arbiter, repair.after) == (("ana", "bo"), "cy", other)
    assert labels(served, served.prepare())[record] == other
    assert [one["task"] for one in all_states(served.lake, served.case)] == [made["task"]]


@pytest.mark.parametrize("file_format", ["label-studio", "argilla"])
def test_tools_for_annotation_give_the_same_repairs(served: Served, tmp_path: Path, file_format: str) -> None:
    before = labels(served, served.prepare())
    made = task(served, tmp_path, rows=3, file_format=file_format)
    items = json.loads(Path(made["files"][0]).read_text())
    ids = [item.get("id") or item["data"]["record_id"] for item in items]
    new = {one: next(n for n in sorted(set(before.values())) if n != before[one]) for one in ids}
    for item, record in zip(items, ids, strict=True):
        if file_format == "argilla":
            users = ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "9c858901-8a57-4791-81fe-4c455b099bc9")
            item["responses"] = {"label": [{"value": new[record], "user_id": user} for user in users]}
        else:
            result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [new[record]]}}]
            about = {"result": result, "was_cancelled": False, "updated_at": "2026-03-01T10:00:00Z"}
            skipped = {"result": [], "was_cancelled": True, "completed_by": 9}
            people = (7, {"id": 8, "email": "bo.lund@example.org"})
            item["annotations"] = [*({**about, "completed_by": who} for who in people), skipped]
    export = tmp_path / "export.json"
    export.write_text(json.dumps(items))
    told = imported(served, ("", export))
    assert told["accepted"] == 3 and len(told["judged"]) == 2
    assert "bo.lund" not in json.dumps(told) and all(rater.startswith("user_") for rater in told["judged"])
    after = labels(served, served.prepare())
    assert {one: after[one] for one in ids} == new
    if file_format == "label-studio":
        assert {Path(one).suffix for one in made["files"]} == {".json", ".xml"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": "no such label"}, r"ana\.csv:2: has a label that the use case has not, a text of 13 characters"),
        ({"record_id": "r-unknown"}, r"ana\.csv:2: is about a record that is not in the task"),
        ({"task": "task-000000000000"}, "answers to 2 tasks"),
    ],
)
def test_files_that_cannot_be_meant_are_refused_as_a_whole(
    served: Served, tmp_path: Path, change: dict[str, str], why: str
) -> None:
    before = labels(served, served.prepare())
    made = task(served, tmp_path, rows=3)
    rater, path = answered(made, tmp_path / "a", "ana", lambda row: before[row["record_id"]])
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0] |= change
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(AnswersRefused, match=why):
        imported(served, (rater, path))
    assert all_states(served.lake, served.case)[0]["judged"] == {}
    _, whole = answered(made, tmp_path / "b", "bo", lambda row: before[row["record_id"]])
    with pytest.raises(AnswersRefused, match="names no rater"):
        imported(served, ("", whole))


def test_a_task_is_written_once_and_an_altered_statement_counts_for_nothing(served: Served, tmp_path: Path) -> None:
    before = labels(served, served.prepare())
    made = task(served, tmp_path, rows=2)
    with pytest.raises(DataError, match="may hold answers"):
        task(served, tmp_path, rows=2)
    other = {"mortgage": "credit card", "credit card": "student loan", "student loan": "mortgage"}

    def wrong(row: dict[str, str]) -> str:
        return other[before[row["record_id"]]]

    files = [answered(made, tmp_path / who, who, wrong) for who in ("ana", "bo")]
    assert imported(served, *files)["accepted"] == 2
    statement = next(Path(served.lake.root).rglob("repairs/*/statement.json"))
    statement.chmod(0o600)
    statement.write_text(statement.read_text().replace('"after": "', '"after": "x'))
    with pytest.raises(CorruptVersion):
        repairs(served.lake, served.case)
