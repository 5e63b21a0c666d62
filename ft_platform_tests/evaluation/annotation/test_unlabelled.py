"""Records without a label, from a task over two experts into the training records of a real lake with the real stages.
Persons are fictitious."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.annotation.repairs import withdraw
from ft_platform.evaluation.annotation.task import read_task
from ft_platform.evaluation.annotation.unlabelled import make_unlabelled_task, write_unlabelled_again
from ft_platform.lake.parents import tables_behind
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.splitting.feedback import Asked
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.evaluation.annotation.test_repairs import ANA, answered, imported
from ft_platform_tests.graph import write_csv
from ft_platform_tests.monitoring.traffic.served import Served, text
from ft_platform_tests.tiny_models import RECALL

pytestmark = pytest.mark.integration
NEW = 12


@pytest.fixture
def served(environment: Environment, quick_stages: None) -> Served:
    return Served(environment)


def add_unlabelled(served: Served) -> None:
    """Twelve records of other persons, one of them with an address; one of a person whose records are for testing, and
    one that repeats a labelled one."""
    first = served.prepare()
    sides = {one["subject_id"]: one["split"] for one in served.rows(first).to_pylist()}
    persons = {one["person"]: one for one in served.lines}
    raw = served.lake.read_table(tables_behind(served.lake, first)["raw_records"], ["record_id", "subject_id"])
    person_of = {one["record_id"]: one["subject_id"] for one in raw.to_pylist()}
    tested = next(one for one in served.rows(first).to_pylist() if sides[one["subject_id"]] == "test")
    other = {**served.lines[0], "label": "", "person": ""}
    added = [{**other, "id": f"q{n}", "text": text(500 + n), "person": f"q{n}"} for n in range(NEW)]
    added[0]["text"] += " Write to mirela.okonjo@example.org."
    held_out = {**other, "id": "held", "text": text(900), "person": person_of[tested["record_id"]]}
    assert held_out["person"] in persons
    repeated = {**other, "id": "again", "text": served.lines[3]["text"] + " please", "label": " ", "person": "q99"}
    served.lines = [*served.lines, *added, held_out, repeated]
    write_csv(served.source, served.lines)


def checked(served: Served) -> None:
    """Verdicts of the checks that `Served.prepare` leaves out, as if they had passed: the newest versions may have the
    content of older ones."""
    for name, stage in STAGES.items():
        version = served.lake.latest("tests", name)
        for check in set(stage.checks) - set(served.lake.verdicts(version)) if version else ():
            settings = check_settings_hash(served.case, name, check)
            served.lake.add_verdict(version, check, True, settings, RECALL if check == "recall_above_floor" else None)


def task(served: Served, folder: Path, **asked: Any) -> dict[str, Any]:
    checked(served)
    return make_unlabelled_task(served.lake, served.environment, served.case, folder, ANA, **asked)


def shown(made: dict[str, Any]) -> dict[str, str]:
    with open(made["files"][0], encoding="utf-8-sig", newline="") as file:
        return {row["record_id"]: row["text"] for row in csv.DictReader(file)}


def test_labels_of_two_experts_make_training_records(served: Served, tmp_path: Path) -> None:
    add_unlabelled(served)
    first = served.prepare()
    sides = served.sides(first)
    made = task(served, tmp_path, rows=50)
    assert (made["rows"], made["of"], made["order"]) == (NEW, NEW + 2, "most-useful")
    assert made["left_out"] == {"near_labelled": 1, "person_held_out": 1}
    records = shown(made)
    assert not any("mirela" in one for one in records.values()), "texts are anonymized"
    assert not records.keys() & sides.keys()
    known = read_task(served.lake, served.case, made["task"])
    assert known and known.unlabelled and known.labels == ["credit card", "mortgage", "student loan"]
    with pytest.raises(DataError, match="may hold answers"):
        task(served, tmp_path, rows=50)

    (need,) = (one for one in needs_of(served.lake, served.case, date(2026, 11, 29)) if one.kind == "annotation")
    assert need.what.startswith(f"{NEW} records of {made['task']} wait") and not need.action, "no page shows them"

    disputed = next(iter(records))
    ana = answered(made, tmp_path / "a", "ana", lambda row: "mortgage")
    bo = answered(made, tmp_path / "b", "bo", lambda row: "credit card" if row["record_id"] == disputed else "mortgage")
    told = imported(served, ana, bo)
    assert told["accepted"] == NEW - 1 and told["disputed"] == [disputed]
    again = write_unlabelled_again(
        served.lake, served.environment, served.case, tmp_path / "cy", ANA, known, told["disputed"]
    )
    assert again["rows"] == 1 and list(shown(again)) == [disputed]
    cy = answered(again, tmp_path / "c", "cy", lambda row: "student loan")
    arbitrated = imported(served, cy, arbiters=("cy",))
    assert arbitrated["accepted"] == 1

    second = served.prepare()
    rows = {one["record_id"]: one for one in served.rows(second).to_pylist()}
    assert {rows[one]["label"] for one in records if one != disputed} == {"mortgage"}
    assert rows[disputed]["label"] == "student loan"
    assert {rows[one]["split"] for one in records} == {"train"}, "no fair sample to test on"
    after = served.sides(second)
    assert {one: after[one] for one in sides} == sides, "no other record moved"
    assert served.lake.manifest(second).counts["labelled_by_experts"] == NEW
    assert served.prepare() == second, "nothing new, nothing made"
    checked(served)
    with pytest.raises(DataError, match=f"no record without a label to show .*{NEW} judged_already"):
        task(served, tmp_path / "next")

    withdraw(served.lake, served.case, told["id"], ANA, "an older guideline")
    assert records.keys() & served.sides(served.prepare()).keys() == {disputed}
    entries = [one.what for one in audit_log_of(served.lake).entries()]
    assert entries.count("took records to annotate") == 2


def test_a_label_of_the_source_is_believed_and_the_record_stays_for_training(served: Served, tmp_path: Path) -> None:
    add_unlabelled(served)
    served.prepare()
    made = task(served, tmp_path, order="random")
    imported(served, *(answered(made, tmp_path / who, who, lambda row: "mortgage") for who in ("ana", "bo")))
    served.prepare()
    place = next(n for n, one in enumerate(served.lines) if one["id"] == "q5")
    served.lines[place] = {**served.lines[place], "label": "student loan"}
    write_csv(served.source, served.lines)
    rows = [one for one in served.rows(served.prepare()).to_pylist() if one["record_id"] in shown(made)]
    assert [one["label"] for one in rows].count("mortgage") >= NEW - 1
    assert {one["split"] for one in rows} == {"train"}


def test_a_labelled_record_on_another_side_than_training_is_a_leak(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_unlabelled(served)
    served.prepare()
    made = task(served, tmp_path)
    imported(served, *(answered(made, tmp_path / who, who, lambda row: "mortgage") for who in ("ana", "bo")))
    monkeypatch.setattr("ft_platform.assets.splits.asked_about", lambda *_: Asked())
    with pytest.raises(AssertionError):
        served.prepare()
    version = served.lake.latest("tests", "splits")
    assert version
    held_out = sum(side != "train" for one, side in served.sides(version).items() if one in shown(made))
    verdict = served.lake.verdicts(version)["no_leakage"]
    assert held_out and not verdict.passed and verdict.numbers["requests_held_out"] == held_out


def test_texts_with_personal_data_are_shown_to_nobody(served: Served, tmp_path: Path) -> None:
    served.attributes["privacy"]["entities"] = ["PHONE"]  # the address of one of them stays
    add_unlabelled(served)
    served.prepare()
    with pytest.raises(DataError, match="personal data in 1 records without a label"):
        task(served, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_task_without_labels_has_no_unlabelled_records(served: Served, tmp_path: Path) -> None:
    served.attributes["task"] = {"kind": "generation", "instruction": "Answer the customer."}
    served.attributes["record"]["answer"] = "region"
    del served.attributes["record"]["label"]
    with pytest.raises(ConfigError, match="kind classification"):
        make_unlabelled_task(served.lake, served.environment, served.case, tmp_path, ANA)
