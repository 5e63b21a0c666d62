"""What needs whom, and the table of all use cases."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cli import main
from ft_platform.costs.ledger import Ledger
from ft_platform.lake.forecast import FORECAST, Forecast
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.day_reports import Accuracy, Alarm, DayReport
from ft_platform.people.actions import ACTIONS
from ft_platform.people.may import table
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People
from ft_platform.web.portal_pages import needs as needs_module
from ft_platform.web.portal_pages.needs import Need, needs_of
from ft_platform.web.portal_pages.pages import Portal
from ft_platform.web.portal_pages.portfolio import Entry, as_csv, portfolio_of
from ft_platform.web.portal_pages.register import register_of
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.release.test_releasing import Case
from ft_platform_tests.reporting.test_home import damage, decision, metrics, publish
from ft_platform_tests.tables import use_case as a_use_case

TODAY = datetime.now(UTC).date()
HOW: Any = {"settings_hash": "s", "input_hash": "i"}
ROW = re.compile('<tr><th scope="row" class="words">(.*?)(?:<br>.*?)?</th>(.*?)</tr>')
ALARMS = (
    ("p95_seconds", "service"),
    ("characters", "inputs"),
    ("label", "outputs"),
    ("measured_accuracy", "accuracy"),
)


@pytest.fixture
def use_case() -> NamedUseCase:
    return a_use_case().model_copy(update={"name": "letters"})


def kinds(found: list[Need]) -> list[tuple[str, str]]:
    return [(one.kind, one.role) for one in found]


def refused(*rules: str) -> dict[str, Any]:
    found = decision(False)
    return {**found, "rules": [{**found["rules"][0], "rule": rule, "why": f"{rule} is broken."} for rule in rules]}


def test_nothing_waits_where_nothing_was_made(lake: Lake, use_case: NamedUseCase) -> None:
    assert needs_of(lake, use_case, TODAY) == []


def test_a_refusal_is_for_the_roles_of_the_broken_rules_with_what_to_do(lake: Lake, use_case: NamedUseCase) -> None:
    told = refused("beats/base_few_shot", "fairness/region", "floor/macro_f1")
    told["rules"].append({**told["rules"][0], "rule": "seeds", "passed": True})
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=told)
    found = {one.role: one for one in needs_of(lake, use_case, TODAY)}
    assert set(found) == {"accountable", "compliance"}
    assert found["compliance"].what == "The release was refused: fairness/region is broken."
    assert "groups that are too small" in found["compliance"].next_step
    assert "beats/base_few_shot is broken.; floor/macro_f1 is broken." in found["accountable"].what
    assert found["accountable"].page == "letters/release_decision/decision-1/decision_brief.html"
    assert {one.action for one in found.values()} == {"waive"}


def test_what_is_accepted_waits_for_its_release(tmp_path: Path) -> None:
    made = Case(tmp_path)
    made.publish()
    decision = made.published_decision()
    (found,) = needs_of(made.lake, made.use_case, TODAY)
    assert (found.kind, found.role) == ("decision", "accountable")
    assert found.what == f"{decision.id} is accepted and not released." and "ft release complaints" in found.next_step
    assert found.action == "release"


def test_a_decision_that_does_not_hold_any_more_asks_for_another(lake: Lake, use_case: NamedUseCase) -> None:
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=decision(True))
    (found,) = needs_of(lake, use_case, TODAY)
    assert "does not hold any more" in found.what and "ckpt-1, which is no longer in the lake" in found.what
    assert "ft run letters" in found.next_step and found.action == ""


def test_a_waiver_that_ended_under_a_decision_is_told(lake: Lake, use_case: NamedUseCase) -> None:
    ended = {**decision(True), "valid_until": (TODAY - timedelta(days=1)).isoformat()}
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=ended)
    (found,) = needs_of(lake, use_case, TODAY)
    assert "has ended" in found.what and "ft decide letters" in found.next_step


def test_a_failed_check_is_for_the_owner_of_its_stage_until_it_passes(lake: Lake, use_case: NamedUseCase) -> None:
    publish(lake, "fairness_report", "fair-1")
    version = lake.artifacts("letters", "fairness_report")[0]
    lake.add_verdict(version, "is_fair", False, "s")
    (found,) = needs_of(lake, use_case, TODAY)
    assert (found.role, found.what) == ("compliance", "The check is_fair of fairness_report failed.")
    lake.add_verdict(version, "is_fair", True, "s")
    assert needs_of(lake, use_case, TODAY) == []


def test_a_failed_check_of_an_older_version_needs_nobody(lake: Lake, use_case: NamedUseCase) -> None:
    publish(lake, "fairness_report", "fair-1")
    lake.add_verdict(lake.artifacts("letters", "fairness_report")[0], "is_fair", False, "s")
    publish(lake, "fairness_report", "fair-2")
    assert needs_of(lake, use_case, TODAY) == []


def monitored(lake: Lake, *alarms: Alarm) -> None:
    day = DayReport(
        use_case="letters",
        day="2026-11-20",
        releases=["release-1"],
        reference="eval-1",
        requests=100,
        alarms=list(alarms),
        estimated_accuracy=Accuracy(value=0.8, low=0.7, high=0.9, answers=100),
    )
    with lake.scratch("letters", "monitoring_report") as folder:
        folder.mkdir(parents=True)
        (folder / "monitoring.json").write_text(day.model_dump_json())
        number = len(lake.artifacts("letters", "monitoring_report")) + 1
        lake.publish("letters", "monitoring_report", f"day-{number}", folder, parents=[], **HOW, info={"day": day.day})


def test_alarms_of_the_newest_day_go_to_who_can_do_something(lake: Lake, use_case: NamedUseCase) -> None:
    alarms = [Alarm(what=what, kind=kind, since="2026-11-19", evidence="more than before") for what, kind in ALARMS]
    monitored(lake, *alarms)
    needs = needs_of(lake, use_case, TODAY)
    roles = {one.what.split(" of what")[0]: one.role for one in needs}
    assert roles == {
        "P95 seconds": "ml_engineering",
        "Characters": "ml_engineering",
        "Label": "data_science",
        "Measured accuracy": "data_science",
    }
    assert {one.action for one in needs} == {""}, "nothing was released, so there is nothing to go back to"


def test_only_an_alarm_of_the_server_leads_to_an_earlier_release(
    lake: Lake, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that changed are the same for an earlier release."""
    stand = [SimpleNamespace(id=f"release-{number}", checkpoint=f"ckpt-{number}") for number in (1, 2)]
    monkeypatch.setattr(needs_module, "standing_releases", lambda *given: stand)
    alarms = [Alarm(what=what, kind=kind, since="2026-11-19", evidence="more than before") for what, kind in ALARMS]
    monitored(lake, *alarms)
    needs = {one.what.split(" of what")[0]: one for one in needs_of(lake, use_case, TODAY) if one.kind == "alarms"}
    assert {name: one.action for name, one in needs.items()} == {
        "P95 seconds": "rollback",
        "Characters": "",
        "Label": "",
        "Measured accuracy": "",
    }
    assert "Look at the requests" in needs["Characters"].next_step and "train again" in needs["Characters"].next_step
    assert "ft monitor letters --acknowledge characters" in needs["Characters"].next_step


def test_what_ends_first_comes_first(lake: Lake, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [
        {"role": "compliance", "what": day, "next_step": "-", "until": day} for day in ("", "2027-01-02", "2026-12-01")
    ]
    monkeypatch.setattr(needs_module, "KINDS", {"waivers": lambda seen: iter(told)})
    assert [one.until for one in needs_of(lake, use_case, TODAY)] == ["2026-12-01", "2027-01-02", ""]


def test_what_cannot_be_read_is_a_need_and_hides_no_other(lake: Lake, use_case: NamedUseCase) -> None:
    publish(lake, "fairness_report", "fair-1")
    lake.add_verdict(lake.artifacts("letters", "fairness_report")[0], "is_fair", False, "s")
    monitored(lake)
    day = lake.artifacts("letters", "monitoring_report")[0]
    with open(f"{day.uri}/monitoring.json", "a") as file:
        file.write(" ")
    found = needs_of(lake, use_case, TODAY)
    assert set(kinds(found)) == {("alarms", "accountable"), ("checks", "compliance")}


def test_the_table_says_how_far_each_use_case_is(lake: Lake, use_case: NamedUseCase) -> None:
    empty = a_use_case().model_copy(update={"name": "empty"})
    publish(lake, "evaluation_report", "eval-1", metrics=metrics())
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=decision(False))
    monitored(lake)
    needs = {name: len(needs_of(lake, one, TODAY)) for name, one in (("letters", use_case), ("empty", empty))}
    found = portfolio_of(lake, {"letters": use_case, "empty": empty}, needs, TODAY)
    rows = {one.use_case: one for one in found}
    assert (rows["empty"].stage, rows["empty"].needs, rows["empty"].value) == ("nothing", 0, None)
    letters = rows["letters"]
    assert (letters.stage, letters.decision, letters.needs) == ("refused", "release refused", 1)
    assert (letters.value, letters.live, letters.alarms) == (0.87, 0.8, 0)
    table = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["use_case"] for row in table] == ["empty", "letters"] and table[1]["live"] == "0.8"


def test_money_of_two_currencies_is_not_added_up(
    lake: Lake, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(*currencies: str) -> Entry:
        rows = [{"use_case": "letters", "money": 1.5, "currency": one} for one in currencies]
        monkeypatch.setattr(Ledger, "rows", lambda *_: rows)
        return portfolio_of(lake, {"letters": use_case}, {"letters": 0}, TODAY)[0]

    same, mixed = entry("EUR", "EUR"), entry("EUR", "USD")
    assert (same.cost, same.currency, same.problem) == (3.0, "EUR", None)
    assert (mixed.cost, mixed.currency) == (None, None) and mixed.problem and "EUR and USD" in mixed.problem


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_cell_of_the_export_is_a_formula(text: str) -> None:
    entry = Entry("letters", text, text, "data")
    row = next(csv.DictReader(io.StringIO(as_csv([entry]))))
    assert row["description"] == row["owner"] == f"'{text}"
    below = replace(entry, saved=-3.0)
    assert next(csv.DictReader(io.StringIO(as_csv([below]))))["saved"] == "-3.0"


def permitted(lake: Lake, until: str) -> None:
    rows = pa.table({"record_id": ["r1"]})
    counts = {"rows": 1, "permitted_until": until}
    batches, zone = rows.to_batches(), "restricted"
    lake.write_table("letters", "permitted_records", batches, rows.schema, zone=zone, **HOW, counts=counts)


@pytest.mark.parametrize(("days", "verb"), [(-1, "ended"), (0, "ends"), (29, "ends"), (30, None)])
def test_a_permission_that_ends_within_a_month_is_for_compliance(
    lake: Lake, use_case: NamedUseCase, days: int, verb: str | None
) -> None:
    until = (TODAY + timedelta(days=days)).isoformat()
    permitted(lake, until)
    found = needs_of(lake, use_case, TODAY)
    assert [(one.kind, one.role, one.until) for one in found] == ([("permission", "compliance", until)] if verb else [])
    assert all(f" {verb} on {until}" in one.what for one in found)


def test_compliance_is_told_how_many_records_end_and_whether_the_champion_learned_from_them(
    lake: Lake, use_case: NamedUseCase
) -> None:
    permitted(lake, (TODAY + timedelta(days=400)).isoformat())
    records = lake.latest("letters", "permitted_records")
    ends = {TODAY + timedelta(days=days): count for days, count in ((12, 400), (29, 12), (31, 5))}
    learned = {TODAY + timedelta(days=12): 398}
    forecast = Forecast(TODAY, 900, ends, "release-0", learned)
    assert records
    lake.add_verdict(records, FORECAST, True, "s", forecast.to_dict())
    (found,) = needs_of(lake, use_case, TODAY)
    until = (TODAY + timedelta(days=12)).isoformat()
    assert (found.kind, found.role, found.until) == ("permission", "compliance", until)
    assert found.what.endswith("Within 30 days it ends for 412 of 900.")
    with lake.scratch("letters", "adapter_checkpoint") as folder:
        folder.mkdir(parents=True)
        (folder / "adapter.bin").write_bytes(b"weights")
        checkpoint = lake.publish("letters", "adapter_checkpoint", "ckpt-1", folder, parents=[], **HOW)
    released(lake, checkpoint)
    (found,) = (one for one in needs_of(lake, use_case, TODAY) if one.kind == "permission")
    assert found.what.endswith("release-0, which is released, learned from 398 of these.")
    released(lake, checkpoint)
    (found,) = (one for one in needs_of(lake, use_case, TODAY) if one.kind == "permission")
    assert found.what.endswith("nobody knows yet how many of these release-1, which is released, learned from.")
    assert "permission" not in [one.kind for one in needs_of(lake, use_case, TODAY - timedelta(days=18))]


def risky(use_case: NamedUseCase, risk: str | None) -> NamedUseCase:
    release = use_case.settings.release.model_copy(update={"risk_class": risk})
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"release": release})})


def test_the_register_names_what_a_high_risk_lacks_until_it_is_there_and_passed(
    lake: Lake, use_case: NamedUseCase
) -> None:
    def gaps() -> dict[str, str]:
        (row,) = register_of(lake, {"letters": risky(use_case, "high")})
        return {one.duty.article: one.gap for one in row.evidence}

    assert gaps()["10"] == "no data report, no fairness report" and all(gaps().values())
    publish(lake, "data_report", "data-1")
    publish(lake, "fairness_report", "fair-1")
    assert gaps()["10"] == ""
    lake.add_verdict(lake.artifacts("letters", "fairness_report")[0], "is_fair", False, "s")
    assert gaps()["10"] == "checks failed: fairness report"


def test_a_decision_covers_an_article_only_where_it_accepts(lake: Lake, use_case: NamedUseCase) -> None:
    def gap() -> str:
        (row,) = register_of(lake, {"letters": risky(use_case, "high")})
        return row.evidence[0].gap

    for stage in ("privacy_report", "regression_report"):
        publish(lake, stage, f"{stage}-1")
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=decision(True))
    assert gap() == "release no longer accepted", "it has no evidence"
    ended = {**decision(True), "valid_until": (TODAY - timedelta(days=1)).isoformat()}
    publish(lake, "release_decision", "decision-2", "decision_brief.html", decision=ended)
    assert gap().startswith("release no longer accepted, a waiver ended on ")
    publish(lake, "release_decision", "decision-3", "decision_brief.html", decision=refused("fairness/region"))
    assert gap() == "release refused"


@pytest.mark.parametrize(
    ("risk", "gaps", "duties"), [(None, 1, 0), ("minimal", 0, 0), ("limited", 1, 1), ("high", 9, 9)]
)
def test_a_risk_that_nobody_judged_is_a_gap(
    lake: Lake, use_case: NamedUseCase, risk: str | None, gaps: int, duties: int
) -> None:
    (row,) = register_of(lake, {"letters": risky(use_case, risk)})
    assert (row.gaps, len(row.evidence)) == (gaps, duties)


def test_the_class_of_risk_makes_no_version_stale(use_case: NamedUseCase) -> None:
    for stage in STAGES.values():
        assert stage.settings_hash(use_case) == stage.settings_hash(risky(use_case, "high")), stage.name


def test_the_server_shows_all_use_cases_and_what_waits(lake: Lake, use_case: NamedUseCase) -> None:
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=refused("fairness/region"))
    portal = Portal(lake, lambda: {"letters": use_case})
    pages = {path: portal.page(path) for path in ("/", "/needs", "/register", "/portfolio.csv")}
    texts = {path: page.content.decode() for path, page in pages.items() if page}
    assert "Release refused." in texts["/"] and 'href="letters/"' in texts["/"]
    assert "fairness/region is broken." in texts["/needs"] and "Compliance officer" in texts["/needs"]
    assert '<a href="waive?of=letters">' in texts["/needs"]
    assert "not judged" in texts["/register"]
    assert pages["/portfolio.csv"] and pages["/portfolio.csv"].kind == "text/csv"
    gone = Portal(lake).page("/")
    assert gone and b"Without a file that can be read" in gone.content and b'href="letters/"' in gone.content


def test_who_may_do_what_is_a_page_with_those_who_have_the_roles(lake: Lake, use_case: NamedUseCase) -> None:
    people = People(roles={"auditor": ["group:audit"]}, superiors={"compliance": "board@example.org"})
    owners = use_case.settings.owners.model_copy(update={"compliance": "carl@example.org"})
    owned = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"owners": owners})})
    found = Portal(lake, lambda: {"letters": owned}, lambda: people).page("/roles")
    text = found.content.decode() if found else ""
    rows = {says: row.count(">own<") + row.count(">all<") for says, row in ROW.findall(text)}
    for name, reach in table().items():
        assert rows[ACTIONS[name].says] == sum(map(bool, reach.values())), name
    assert all(words in text for words in ("group:audit", "board@example.org", "carl@example.org"))


def test_what_waits_for_whoever_asks_stands_first(lake: Lake, use_case: NamedUseCase) -> None:
    told = refused("beats/base_few_shot", "fairness/region")
    publish(lake, "release_decision", "decision-1", "decision_brief.html", decision=told)
    portal = Portal(lake, lambda: {"letters": use_case})

    def headings(*roles: str) -> list[str]:
        page = portal.page("/needs", lambda name: roles if name == "letters" else ())
        return re.findall("<h2[^>]*>(.*?)</h2>", page.content.decode()) if page else []

    assert headings("compliance", "auditor") == ["You", "Accountable owner"]
    assert headings("auditor") == ["You", "Accountable owner", "Compliance officer"]
    mine, others = portal.page("/needs", lambda name: ["compliance"]), portal.page("/needs", lambda name: [])
    assert mine and others and b"Nothing waits for you." in others.content
    text = mine.content.decode()
    assert "Nothing waits for you." not in text
    assert text.index("fairness/region is broken.") < text.index("beats/base_few_shot is broken.")


def test_the_list_says_that_an_evaluation_was_altered(
    environment: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_use_case(environment.defs, "letters", minimal_attributes("letters.csv"))
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    lake = open_lake(environment)
    publish(lake, "evaluation_report", "eval-1", metrics=metrics())

    def listed() -> dict[str, Any]:
        assert main(["list", "--json"]) == 0
        return json.loads(capsys.readouterr().out)[0]

    assert (listed()["value"], listed()["ended"]) == (0.87, "never run")
    damage(lake, "evaluation_report", "metrics.json")
    assert (listed()["value"], listed()["ended"]) == (None, "never run, evaluation report is damaged")


def test_the_command_tells_a_role_or_a_person(
    environment: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attributes = minimal_attributes("letters.csv")
    attributes["owners"] = {"accountable": "anna@example.org", "compliance": "carl@example.org"}
    write_use_case(environment.defs, "letters", attributes)
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    told = refused("beats/base_few_shot", "fairness/region")
    publish(open_lake(environment), "release_decision", "decision-1", "decision_brief.html", decision=told)

    def of(*words: str) -> list[str]:
        assert main(["needs", *words, "--json"]) == 0
        return [one["role"] for one in json.loads(capsys.readouterr().out)]

    assert sorted(of()) == ["accountable", "compliance"]
    assert of("--as", "compliance") == of("--as", "carl@example.org") == ["compliance"]
    assert of("letters", "--as", "nobody@example.org") == []
    assert main(["needs"]) == 0 and "fairness/region is broken." in capsys.readouterr().out
    assert main(["needs", "--as", "boss"]) == 1
