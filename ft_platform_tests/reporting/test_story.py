"""A use case from data to production, and what it has been through. All figures are made up."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.lake.releases import NOT_BLOCKED, STANDS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.monitoring.day_reports import Accuracy, Alarm, DayReport
from ft_platform.monitoring.retraining.entries import End, Start
from ft_platform.monitoring.retraining.journal import write
from ft_platform.reporting.use_case_state import state_of
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.history import events_of, quality_picture, versions_of
from ft_platform.web.portal_pages.home import home_page
from ft_platform.web.portal_pages.site import Reports
from ft_platform.web.portal_pages.story import STEPS, Step, story_of
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.reporting.page_rules import problems_of
from ft_platform_tests.reporting.test_home import BODY, decision, metrics
from ft_platform_tests.tables import use_case as a_use_case

TODAY = datetime.now(UTC).date()
HOW: Any = {"settings_hash": "s", "input_hash": "i"}
TABLES: dict[str, dict[str, Any]] = {
    "raw_records": {},
    "permitted_records": {"basis": "consent"},
    "cleaned_records": {"funnel": {"rows_in": 9, "kept": 3, "removed": {"empty": 4, "too_short": 2}}},
    "anonymized_records": {"entities": {"PERSON": 2, "EMAIL": 1}, "rows_with_any": 2},
    "splits": {"rows_per_split": {"train": 1, "validation": 1, "test": 1}},
}

TRAINED = {"steps": 48, "validation_loss_before": 0.9, "validation_loss": 0.4, "seconds": 9, "peak_memory_gib": 1.0}


@pytest.fixture
def use_case() -> NamedUseCase:
    return a_use_case().model_copy(update={"name": "letters"})


def tables(lake: Lake, rows: int = 3) -> TableVersion:
    """Every table up to the splits."""
    parents: list[TableVersion] = []
    for name, counts in TABLES.items():
        made = pa.table({"record_id": [f"r{number}" for number in range(rows)]})
        how = {**HOW, "zone": STAGES[name].zone, "counts": counts, "parents": parents}
        parents = [lake.write_table("letters", name, made.to_batches(), made.schema, **how)]
    return parents[0]


def put(
    lake: Lake, stage: str, artifact_id: str, parents: Any = (), counts: Any = None, info: Any = None, **files: Any
):
    with lake.scratch("letters", stage) as folder:
        folder.mkdir(parents=True)
        if stage not in ("release", "retraining"):
            (folder / ("decision_brief.html" if stage == "release_decision" else "report.html")).write_text(BODY)
        for file, content in files.items():
            (folder / f"{file}.json").write_text(json.dumps(content))
        return lake.publish("letters", stage, artifact_id, folder, parents=parents, counts=counts, info=info, **HOW)


def version(lake: Lake, number: int, splits: TableVersion, tuned: float = 0.87, passed: bool = True) -> ArtifactVersion:
    """A checkpoint with its reports and a decision."""
    trained = {"metrics": TRAINED, "device": "cpu"}
    checkpoint = put(lake, "adapter_checkpoint", f"ckpt-{number}", [splits], {"train": {"rows": 7}}, trained)
    evaluation = put(lake, "evaluation_report", f"eval-{number}", [checkpoint], metrics=metrics(tuned))
    gaps = {"gaps": {"region": {"value": 0.03}, "age": None}, "gap_metric": "accuracy", "max_gap": 0.2}
    put(lake, "fairness_report", f"fair-{number}", [evaluation], fairness=gaps)
    rate = {"at_1_percent": {"value": 0.012, "low": 0.0, "high": 0.04}}
    guessed = {"members": 7, "membership": {"loss": rate}, "membership_status": "measured"}
    put(lake, "privacy_report", f"attack-{number}", [checkpoint], privacy=guessed)
    rules = {"rules": 9, "broken": 0 if passed else 2, "waived": 1}
    said = {**decision(passed), "checkpoint": checkpoint.id}
    info = {"checkpoint": checkpoint.id, "decision": said["decision"]}
    judged = put(lake, "release_decision", f"decision-{number}", [checkpoint], rules, info, decision=said)
    counts = {"asked": 3, "signed": 2, "waiting": 1, "rejected": 0}
    put(lake, "sign_off", f"sign-off-{number}", [judged], counts, sign_off={"decision": judged.id, "roles": []})
    return checkpoint


def served(lake: Lake, release: ArtifactVersion, *alarms: Alarm) -> None:
    record = {"release": release.id, "target": "elsewhere", "checkpoint": {"content_hash": "c"}}
    info = {"release": release.id, "target": "elsewhere"}
    put(lake, "deployment", "deployment-1", [release], info=info, deployment=record)
    day = DayReport(use_case="letters", day="2026-11-20", releases=[release.id], reference="eval-1", requests=100)
    accuracy = Accuracy(value=0.8, low=0.7, high=0.9, answers=100)
    day = day.model_copy(update={"alarms": list(alarms), "estimated_accuracy": accuracy})
    files = {"monitoring": day.model_dump(mode="json")}
    put(lake, "monitoring_report", f"day-{len(alarms)}", info={"day": day.day}, **files)


def steps(lake: Lake) -> dict[str, Step]:
    use_case = a_use_case().model_copy(update={"name": "letters"})
    return {one.title: one for one in story_of(lake, "letters", state_of(lake, "letters", use_case))}


def test_before_the_first_run_every_step_says_what_comes_next(lake: Lake, use_case: NamedUseCase) -> None:
    found = story_of(lake, "letters", state_of(lake, "letters", use_case))
    assert [one.state for one in found] == ["open"] * len(STEPS)
    assert [one.next_step for one in found][-4:] == [
        "ft release letters",
        "ft deploy letters",
        "ft monitor letters",
        "ft retraining explain letters",
    ]
    page = Reports(lake, lambda: {"letters": use_case}).page("/letters/")
    text = page.content.decode() if page else ""
    assert text.count("Next: <code>ft run letters</code>") == 1 and "Later: <code>ft release letters</code>" in text
    assert problems_of(text) == []
    assert Reports(lake).page("/letters/") is None


def test_what_to_do_after_a_release_is_the_next_step_that_was_not_reached(lake: Lake) -> None:
    checkpoint = version(lake, 1, tables(lake))
    released(lake, checkpoint)
    assert steps(lake)["Serving"].next_step == "ft deploy letters"


def test_each_step_has_its_figure_its_verdict_and_its_report(lake: Lake, use_case: NamedUseCase) -> None:
    splits = tables(lake)
    lake.add_verdict(splits, "no_leakage", True, "s")
    served(lake, released(lake, version(lake, 1, splits)))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    write(lake, use_case, Start("start-1", 1, at, "d", {"drift": "x"}, "c"))
    write(lake, use_case, End("end-1", "start-1", at, "succeeded", "run"))
    found = steps(lake)
    assert {title: one.figure for title, one in found.items()} == {
        "Source and permission": "3 of 3 records may be used (consent).",
        "Cleaning": "3 of 9 records kept. Removed most often: empty 4, too_short 2.",
        "Anonymization": "3 times personal data was replaced, in 2 records.",
        "Splits": "1 to train, 1 to validate, 1 to test.",
        "Training": "7 records, 48 steps; validation loss 0.900 before, 0.400 after.",
        "Evaluation": "Macro F1 0.870 (0.850 to 0.890) on 374 test records.",
        "Fairness": "Largest gap between groups: 0.030 accuracy, by region; at most 0.2 is allowed.",
        "Privacy": (
            "Of 1,000 training records, an attacker would find 12 (at most 40) and be wrong about 10 of 1,000 others;"
            " guessing finds 10."
        ),
        "Decision": "9 rules: 0 broken, 1 waived.",
        "Sign-off": "2 of 3 roles have signed.",
        "Release": "ckpt-1 is released.",
        "Serving": "release-0 at elsewhere.",
        "Monitoring": "100 requests on 2026-11-20. Accuracy 80 % (70 % to 90 %), estimated.",
        "Retraining": "Started 1 time, last on 2026-11-21: drift.",
    }
    assert (found["Splits"].verdict, found["Splits"].state) == ("1 check passed", "good")
    assert (found["Decision"].verdict, found["Decision"].state) == ("release no longer accepted", "bad"), (
        "it has no evidence"
    )
    assert (found["Monitoring"].verdict, found["Retraining"].verdict) == ("no alarm", "succeeded")
    assert found["Evaluation"].page == "evaluation_report/eval-1/report.html" and found["Training"].state == "plain"
    assert found["Decision"].page == "release_decision/decision-1/decision_brief.html"
    assert not any(one.older for one in found.values())


def test_what_failed_was_refused_or_is_alarmed_is_bad(lake: Lake) -> None:
    splits = tables(lake)
    lake.add_verdict(splits, "no_leakage", False, "s")
    alarm = Alarm(what="label", kind="outputs", since="2026-11-19", evidence="more than before")
    release = released(lake, version(lake, 1, splits, passed=False))
    served(lake, release, alarm)
    found = steps(lake)
    bad = {title: one.verdict for title, one in found.items() if one.state == "bad"}
    assert bad == {"Splits": "no_leakage failed", "Decision": "release refused", "Monitoring": "1 alarm"}
    lake.add_verdict(release, NOT_BLOCKED, False, "s", {"reason": "too slow"})
    assert steps(lake)["Release"].verdict == "blocked"
    lake.add_verdict(release, STANDS, False, "s", {"by": "anna@example.org", "reason": "it harms"})
    assert (steps(lake)["Release"].state, steps(lake)["Release"].verdict) == ("bad", "withdrawn")


def test_a_step_that_was_made_from_something_older_says_so(lake: Lake) -> None:
    first = tables(lake)
    version(lake, 1, first)
    tables(lake, rows=4)
    assert steps(lake)["Training"].older == "made from splits@0, and splits@1 is newer"
    put(lake, "adapter_checkpoint", "ckpt-2", [first], training={"rank": 8})
    found = steps(lake)
    assert found["Evaluation"].older == found["Decision"].older == "made from ckpt-1, and ckpt-2 is newer"


def test_a_damaged_report_is_told_and_the_other_steps_are_there(lake: Lake, use_case: NamedUseCase) -> None:
    version(lake, 1, tables(lake))
    release = released(lake, lake.artifacts("letters", "adapter_checkpoint")[0])
    reports = Reports(lake, lambda: {"letters": use_case})
    for file in (
        f"{lake.artifacts('letters', 'evaluation_report')[0].uri}/metrics.json",
        f"{release.uri}/release.json",
    ):
        with open(file, "a") as opened:
            opened.write(" ")
    found = steps(lake)
    assert "metrics.json" in found["Evaluation"].figure and found["Evaluation"].state == "bad"
    assert (found["Release"].verdict, found["Privacy"].state) == ("unknown", "plain")
    page = reports.page("/letters/")
    assert page and b"Nobody can tell what may be used" in page.content and b"an attacker would find 12" in page.content


def test_versions_say_what_became_of_each_and_lead_to_the_comparison(lake: Lake) -> None:
    splits = tables(lake)
    for number, (tuned, passed) in enumerate(((0.8, True), (0.9, False)), 1):
        version(lake, number, splits, tuned, passed)
    put(lake, "adapter_checkpoint", "ckpt-3", [splits])
    released(lake, lake.artifacts("letters", "adapter_checkpoint")[-1])
    found, in_all = versions_of(lake, "letters", state_of(lake, "letters", None).standing, TODAY)
    assert in_all == 3 and [(one.id, one.before) for one in found] == [
        ("ckpt-3", "ckpt-2"),
        ("ckpt-2", "ckpt-1"),
        ("ckpt-1", None),
    ]
    assert [(one.value, one.decision, one.releases) for one in found] == [
        (None, None, ()),
        (0.9, "release refused", ()),
        (0.8, f"release accepted, as of {TODAY}", ("release-0",)),
    ]
    with open(f"{lake.artifacts('letters', 'evaluation_report')[0].uri}/metrics.json", "a") as opened:
        opened.write(" ")
    found, _ = versions_of(lake, "letters", state_of(lake, "letters", None).standing, TODAY)
    assert [(one.value, one.damaged) for one in found] == [(None, False), (None, True), (0.8, False)]
    assert 'href="compare/ckpt-1/ckpt-2"' in (home_page(lake, "letters") or "")


def test_the_picture_shows_evaluated_versions_oldest_first(lake: Lake, drawn: list[Any]) -> None:
    splits = tables(lake)
    version(lake, 1, splits, 0.8)
    assert quality_picture(versions_of(lake, "letters", state_of(lake, "letters", None).standing, TODAY)[0]) is None
    version(lake, 2, splits, 0.9)
    released(lake, lake.artifacts("letters", "adapter_checkpoint")[-1])
    picture = quality_picture(versions_of(lake, "letters", state_of(lake, "letters", None).standing, TODAY)[0])
    assert picture and picture[1] == "Macro F1 of 2 versions: ckpt-1 0.800, released; ckpt-2 0.900."


def test_events_stand_in_the_order_of_time_with_what_holds_now(lake: Lake) -> None:
    splits = tables(lake)
    first = released(lake, version(lake, 1, splits))
    second = released(lake, version(lake, 2, splits))
    assert [(one.what, one.state) for one in events_of(lake, "letters", state_of(lake, "letters", None), TODAY)[0]] == [
        ("release-1 of ckpt-2", "stands"),
        ("decision-2 about ckpt-2", "release no longer accepted"),
        ("release-0 of ckpt-1", "replaced"),
        ("decision-1 about ckpt-1", f"release accepted, as of {TODAY}"),
    ]
    lake.add_verdict(second, STANDS, False, "s", {"by": "anna@example.org", "reason": "it harms"})
    served(lake, first)
    found, in_all = events_of(lake, "letters", state_of(lake, "letters", None), TODAY)
    assert in_all == 5 and (found[0].what, found[0].page) == (
        "release-0 at elsewhere",
        "deployment/deployment-1/report.html",
    )
    assert [one.state for one in found[1:4]] == ["withdrawn: it harms", "release no longer accepted", "stands"]
    assert "anna@example.org" not in (home_page(lake, "letters") or "")


def test_assets_are_linked_where_dagster_is_beside(lake: Lake, use_case: NamedUseCase) -> None:
    version(lake, 1, tables(lake))
    alone = Reports(lake, lambda: {"letters": use_case}).page("/letters/")
    beside = Reports(lake, lambda: {"letters": use_case}, in_dagster=True).page("/letters/")
    assert alone and beside and b"/assets/" not in alone.content
    assert b'<a href="../../assets/letters/adapter_checkpoint">asset adapter checkpoint</a>' in beside.content
    assert problems_of(beside.content.decode()) == []
