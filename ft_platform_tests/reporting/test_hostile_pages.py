"""Every page with attacks in the place of its texts: valid, nothing loaded, nothing runs.

Three ways: a small run whose labels, groups, description, purpose, licence and use are attacks; what makes the other
reports, with an attack in the place of every text of their figures; and every template once more, with an attack in the
place of every text that it was given."""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ft_platform.costs.quotas import Measure, Standing
from ft_platform.costs.waiting import InQueue
from ft_platform.lake.draft import Draft
from ft_platform.lake.versions import Version
from ft_platform.monitoring.day_reports import Accuracy, Alarm, DayReport
from ft_platform.release.decide import Decision, decide, newest_evidence
from ft_platform.release.incidents import Incident
from ft_platform.release.sign_off import RoleState, SignOff
from ft_platform.release.signatures import Digests, Signature
from ft_platform.release.standing import Standing as Decided
from ft_platform.release.waivers import Waiver
from ft_platform.reporting.canary_report import write_canary_report
from ft_platform.reporting.decision_brief import write_decision
from ft_platform.reporting.deployment_report import write_deployment_report
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.pack import write_pack
from ft_platform.reporting.html import TEMPLATES, page
from ft_platform.reporting.judge_report import write_judge_report
from ft_platform.reporting.loop_page import write_loop_page
from ft_platform.reporting.monitoring_report import write_monitoring_report
from ft_platform.reporting.privacy_report import write_privacy_report
from ft_platform.reporting.regression_report import write_regression_report
from ft_platform.reporting.review_report import write_review_report
from ft_platform.reporting.roi_report import write_roi_report
from ft_platform.reporting.sign_off_page import write_sign_off
from ft_platform.reporting.use_case_state import State
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import Owners
from ft_platform.use_case.settings.experiments import Search
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.quotas import Queue, Raise
from ft_platform.web.portal_pages.board import Line
from ft_platform.web.portal_pages.compare_page import comparison_page
from ft_platform.web.portal_pages.compliance import Compliance, Ends, InForce, LogState, Retained
from ft_platform.web.portal_pages.history import Event, TrainedVersion
from ft_platform.web.portal_pages.home import home_page
from ft_platform.web.portal_pages.needs import Need
from ft_platform.web.portal_pages.packs import Pack
from ft_platform.web.portal_pages.pages import board_page, compliance_page, needs_page, portfolio_page, register_page
from ft_platform.web.portal_pages.portfolio import Entry
from ft_platform.web.portal_pages.quotas_page import Stopped
from ft_platform.web.portal_pages.quotas_page import page_of as quotas_page_of
from ft_platform.web.portal_pages.register import Duty, Evidence, Registered
from ft_platform.web.portal_pages.roles import roles_page
from ft_platform.web.portal_pages.story import BAD, GOOD, OPEN, Step
from ft_platform_tests.business.cases import PLAN, found, priced, satisfaction, write_rows
from ft_platform_tests.evaluation import tiny_case as tiny
from ft_platform_tests.reporting import report_figures
from ft_platform_tests.reporting.browser import browser, opened
from ft_platform_tests.reporting.page_rules import ELEMENTS, Page, html5_problems, problems_of
from ft_platform_tests.reporting.xss import ATTACKS, Attack, hostile

pytestmark = pytest.mark.pictures
FREE_TEXT = " ".join(ATTACKS)
NO_PAGES = {
    "base.html",
    "lineage.html",
    "playground.html",
    "portal_action.html",
    "portal_annotate.html",
    "portal_ask.html",
    "portal_catalogue.html",
    "portal_decided.html",
    "portal_disclose.html",
    "portal_erase.html",
    "portal_forms.html",
    "portal_nav.html",
    "portal_new.html",
    "portal_recall.html",
    "portal_release.html",
    "portal_review.html",
    "portal_reviews.html",
    "portal_rollback.html",
    "portal_sign.html",
    "portal_top.html",
    "portal_waive.html",
    "review_form.html",
    "sign_in.html",
    "way_home.html",
}
"""Parts of other templates, and the form of `ft review`, the playground of `ft serve`, the sign-in, the catalogue and
the pages where people act, which have scripts or forms by design and tests of their own."""
NOT_TEXTS = {"href", "folder", "documents", "pages", "check", "sections"}
"""Addresses inside a pack or on the server, and what is left of the page of Great Expectations: see the test of data
docs."""


def hostile_rows(kind: str) -> list[dict]:
    """Four records of each attack as label: two for training, one for validation, one for test; another attack is its
    group."""
    sides = ("train", "train", "validation", "test")
    ordinary = enumerate(ORDINARY_ROWS(kind, 4 * len(ATTACKS)))
    return [
        {**row, "label": ATTACKS[n // 4], "feature_region": ATTACKS[n // 4 % 3 + 6], "split": sides[n % 4]}
        for n, row in ordinary
    ]


def hostile_attributes(model: Path, kind: str, **evaluation: object) -> dict:
    attributes = ORDINARY_ATTRIBUTES(
        model, kind, bootstrap_samples=100, few_shot_examples=1, max_prompt_tokens=256, **evaluation
    )
    attributes["training"]["max_steps"] = 1
    attributes["description"] = FREE_TEXT
    attributes["task"]["instruction"] = "Name the product."
    attributes["release"] = {"intended_use": FREE_TEXT, "not_intended_for": FREE_TEXT, "licence": ATTACKS[8]}
    attributes["governance"] |= {"purpose": ATTACKS[0], "licence": ATTACKS[8], "accepted_consent": ["yes", *ATTACKS]}
    return attributes


ORDINARY_ROWS, ORDINARY_ATTRIBUTES = tiny.rows_for, tiny.attributes_for


@contextmanager
def watched() -> Iterator[dict[str, dict[str, Any]]]:
    """Template -> the values that it was last rendered with inside the block."""
    from jinja2 import Template

    seen: dict[str, dict[str, Any]] = {}
    plain = Template.render

    def render(template: Template, **values: Any) -> str:
        seen[str(template.name)] = values
        return plain(template, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "render", render)
        yield seen


@dataclass(frozen=True)
class Made:
    """What the tests look at.

    Attributes:
        files: HTML and Markdown files of the pack of a run with attacks everywhere.
        reports: report -> page, made from figures with an attack in the place of every text.
        values: template -> values that it was given.
    """

    files: dict[str, str]
    reports: dict[str, str]
    values: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    from ft_platform.reporting.data_report import publish_data_report
    from ft_platform.reporting.profile_page import publish_profile
    from ft_platform.reporting.publishing.training_audit import audit_for

    home = tmp_path_factory.mktemp("hostile")
    with watched() as values, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "rows_for", hostile_rows)
        patch.setattr(tiny, "attributes_for", hostile_attributes)
        case = tiny.tiny_case(home, "classification")
        publish_data_report(case.lake, case.use_case, case.splits)
        publish_profile(case.lake, case.use_case, case.splits)
        audit_for(case.lake, case.environment, case.use_case, case.splits)
        pack = write_pack(case.lake, case.use_case, gather(case.lake, case.checkpoint), home / "pack")
        files = {
            name: (pack.folder / name).read_text(encoding="utf-8")
            for name in pack.files
            if name.endswith((".html", ".md"))
        }
        reports = reports_of(case, home / "reports")
        described = case.use_case.settings.model_copy(update={"description": FREE_TEXT})
        named = case.use_case.model_copy(update={"settings": described})
        reports["home"] = home_page(case.lake, named.name, named) or ""
        reports["story"] = told_home(case)
    return Made(files, reports, values)


def reports_of(case: tiny.TinyCase, home: Path) -> dict[str, str]:
    """Reports that take more than one training or people, from figures with an attack in the place of every text."""
    from ft_platform.reporting.curve_report import write_curve_report
    from ft_platform.reporting.search_report import write_search_report
    from ft_platform.reporting.seed_report import write_seed_report

    def draft(*parents: Version, use_case: NamedUseCase = case.use_case) -> Draft:
        return Draft(case.lake, use_case, "stage", Attack("the report"), "inputs", parents)

    figures = {
        "regression": (write_regression_report, case.checkpoint, report_figures.regression()),
        "judge": (write_judge_report, case.report, report_figures.judge()),
        "human_review": (write_review_report, case.report, report_figures.human_review()),
        "seeds": (write_seed_report, case.checkpoint, report_figures.seeds()),
        "canaries": (write_canary_report, case.splits, report_figures.canaries()),
        "learning_curve": (write_curve_report, case.splits, report_figures.learning_curve()),
    }
    writers = {
        name: functools.partial(
            write, draft=draft(parent), **{("record" if name == "deployment" else "found"): hostile(found)}
        )
        for name, (write, parent, found) in figures.items()
    }
    privacy, losses = hostile(report_figures.privacy()), report_figures.privacy_losses()
    put_there = hostile(report_figures.deployment())
    searched = draft(case.splits, use_case=searching(case.use_case))
    writers |= {
        "privacy": lambda to: write_privacy_report(to, draft(case.checkpoint), privacy, losses),
        "roi": lambda to: write_roi_report(to, draft(case.report), case.report, hostile(worth(case, home))),
        "search": lambda to: write_search_report(to, searched, hostile(report_figures.search())),
        "decision": lambda to: write_decision(to, draft(), decision(case)),
        "deployment": lambda to: write_deployment_report(to, draft(case.checkpoint), put_there),
        "monitoring": lambda to: write_monitoring_report(to, draft(case.report), *monitored()),
        "loop": lambda to: write_loop_page(to, played()),
        "sign_off": lambda to: write_sign_off(to, draft(case.checkpoint), signed_off()),
    }
    texts = {}
    for name, write in writers.items():
        (home / name).mkdir(parents=True)
        write(home / name)
        (file,) = (home / name).glob("*.html")
        texts[name] = file.read_text(encoding="utf-8")
    return {**texts, **portal(), "data_docs": data_docs_of(FREE_TEXT), "audit_examples": audit_examples()}


def monitored() -> tuple[DayReport, list[dict[str, Any]]]:
    """A day and the days before it; dates are no free text."""
    figures = hostile(report_figures.monitoring())
    day, accuracies = "2026-03-02", ("estimated_accuracy", "measured_accuracy")
    alarms = [Alarm.model_construct(**one, since=day) for one in figures.pop("alarms")]
    known = {name: Accuracy.model_construct(**figures.pop(name)) for name in accuracies}
    past = {"day": day, "requests": 3, "errors": 1, "p95_seconds": 0.5, "value": 0.7, "low": 0.6, "high": 0.8}
    return DayReport.model_construct(**figures, **known, alarms=alarms, day=day, requests=3), [past]


def played() -> dict[str, Any]:
    """Two days of a loop with every branch; dates, counts and names of events are no free text."""
    days = []
    for number, known in enumerate(({"value": None}, {"value": 0.7, "low": 0.6, "high": 0.8, "of": 0.8})):
        words = hostile({"alarms": ["characters"], "cause": "word software", "events": {"alarm": "it fell"}})
        about = {"day": f"2026-03-0{number + 1}", "requests": 3, "accuracy": 0.5, "by_release": {"release-1": 3}}
        days.append({**about, **words, "estimated": known, "measured": known})
    return {"plan": {"share": 0.4, "requests": 3}, "days": days, "starts": []}


def searching(use_case: NamedUseCase) -> NamedUseCase:
    search = Search.model_validate({"space": {"schedule": {"choices": ["cosine", "constant"]}}})
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"search": search})})


def worth(case: tiny.TinyCase, home: Path) -> dict[str, Any]:
    """Figures of a return with every branch: savings, prices, measurements, and one that cannot be compared."""
    uri = write_rows(home / "measured.csv", satisfaction([3.0, 3.5] * 8, [4.0, 4.5] * 8))
    measurements = [{"uri": uri, "period": "period"}]
    figures = found(case, priced(case.environment), **PLAN, api_price_per_1000=4, measurements=measurements)
    return {**figures, "not_compared": {"the measure": "why it is not compared"}, "introduced_on": "the day"}


def decision(case: tiny.TinyCase) -> Decision:
    """A refusal of the small run, for which most evidence is missing, with a waiver."""
    refused = decide(
        case.lake, case.use_case, case.checkpoint, newest_evidence(case.lake, case.use_case, case.checkpoint)
    )
    rulings = [replace(ruling, why=Attack(ruling.why), needed=Attack(ruling.needed)) for ruling in refused.rulings]
    waived = next(ruling.rule for ruling in rulings if not ruling.passed and ruling.waivable)
    words = {
        name: Attack(f"{name} of the waiver")
        for name in ("id", "checkpoint", "granted_by", "role", "reason", "recorded_by")
    }
    days = {"until": "2027-02-01", "granted_at": "2026-12-01T00:00:00+00:00"}  # checked where a waiver is read
    return replace(refused, rulings=rulings, waivers={waived: Waiver(rule=waived, **words, **days)})


def signed_off() -> SignOff:
    """A role that has signed by a delegation, and one that has rejected."""
    words = {
        name: Attack(f"{name} of the signature")
        for name in ("id", "use_case", "role", "person", "known_by", "delegation", "reason", "decision", "at")
    }
    about: Any = {"says": "approved", "groups": [], "recorded_by": "", "key": "", "signature": ""}
    signature = Signature(**words, **about, digests=Digests("", "", {}))
    rejected = RoleState("compliance", "rejected", Attack("why"), [Attack("a person")], reason=Attack("the reason"))
    roles = [RoleState("domain_expert", "signed", "", [], [signature]), rejected]
    return SignOff(Attack("the use case"), Attack("the decision"), roles, 1, [])


def told_home(case: tiny.TinyCase) -> str:
    """The home page with attacks in its steps and its history. Names of versions are checked when they are read."""
    texts = {name: Attack(f"{name} of the step") for name in ("title", "figure", "verdict", "older", "next_step", "at")}
    steps = [Step(assets=("splits",), state=state, page="a/b", **texts) for state in (GOOD, BAD, OPEN)]
    texts = {name: Attack(f"{name} of the version") for name in ("data", "metric", "decision", "trained_at")}
    figures = {"value": 0.5, "low": 0.4, "high": 0.6, "releases": (Attack("a release"),)}
    version = TrainedVersion("ckpt-1", page="a/b", before="ckpt-0", decision_page="a/b", **texts, **figures)
    versions = [version, replace(version, id="ckpt-0")]
    event = Event(Attack("a moment"), Attack("an event"), Attack("why it was withdrawn"), "a/b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ft_platform.web.portal_pages.home.story_of", lambda *_: steps)
        state = State("withdrawn", Attack("the state"), Decided("decision-1", "ended", None, Attack("why it ended")))
        patch.setattr("ft_platform.web.portal_pages.home.state_of", lambda *_: state)
        patch.setattr("ft_platform.web.portal_pages.home.versions_of", lambda *_: (versions, 9))
        patch.setattr("ft_platform.web.portal_pages.home.events_of", lambda *_: ([event], 9))
        return home_page(case.lake, case.use_case.name, in_dagster=True) or ""


def compared() -> str:
    """A comparison with every branch; names of its two sides are checked when they are read."""
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    metric = {"name": "f1", "title": "the metric", "higher_is_better": False, "same_code": False}
    one = {"checkpoint": "the checkpoint", "trained_at": "a moment", "evaluation": "an evaluation", "released": True}
    change = {"right": "what is right", "a": "what a said", "b": "what b said"}
    told = {
        "use_case": "the use case",
        "a": one,
        "b": one,
        "metrics": [{**metric, "a": figure, "b": figure, "difference": figure}],
        "records": {"a": 9, "b": 9, "compared": 7, "other": 1, "learned": 1, "why_not": ""},
        "verdict": {"word": "better", "text": "the verdict"},
        "mcnemar": {"only_a": 1, "only_b": 2, "p": 0.5},
        "predictions": {"same": 4, "differ": 3, "only_a_right": 1, "only_b_right": 2, "both_wrong": 0}
        | {"changes": [{**change, "records": 3}], "examples": [{**change, "record_id": "the record"}]},
        "settings": [{"name": "the setting", "a": "its value", "b": ["another value"]}],
        "data": {
            "stages": [{"stage": "the stage", "a": {"id": "a table", "rows": 9}, "b": None, "same": False}],
            "learned": {"a": 9, "b": 9, "both": 8, "only_a": 1, "only_b": 1},
        },
    }
    pages = {side: {"checkpoint": "a/b", "evaluation": None} for side in "ab"}
    return comparison_page(hostile(told), pages, "a/b", [{"title": Attack("another checkpoint"), "href": "a/b"}])


def portal() -> dict[str, str]:
    """The pages over all use cases. Names of these are checked when their folders are read."""
    texts = {name: Attack(f"{name} of the need") for name in ("what", "next_step", "since", "until")}
    need = Need("letters", "checks", "compliance", **texts, page="a/b")
    names = (
        "description",
        "owner",
        "stage",
        "state",
        "decision",
        "released_on",
        "metric",
        "currency",
        "saved_currency",
    )
    words: dict[str, Any] = {name: Attack(f"{name} of the entry") for name in (*names, "saved_currency", "problem")}
    figures: dict[str, Any] = {"value": 0.5, "live": 0.5, "live_low": 0.4, "live_high": 0.6, "cost": 1.0, "saved": 2.0}
    entry = Entry("letters", **words, **figures, alarms=2, needs=1)
    words = {name: Attack(f"{name} of the register") for name in ("purpose", "intended_use", "basis", "licence")}
    more = ("retention", "base_model", "risk_class", "owner", "state")
    words |= {name: Attack(f"{name} of the register") for name in more}
    gap = Evidence(Duty("10", Attack("the duty")), [(Attack("a report"), "a/b", True)], Attack("the gap"))
    row = Registered("letters", **words, records=1, permitted_until=Attack("a day"), release=None, evidence=[gap])
    pages = {"needs": needs_page([need], 1), "portfolio": portfolio_page([entry], ["gone"])}
    members = [Attack("a member of a role")]
    people = People.model_construct(roles={"auditor": members}, superiors={"compliance": Attack("a superior")})
    owners = Owners.model_construct(accountable=Attack("an owner"))
    settings: Any = SimpleNamespace(settings=SimpleNamespace(owners=owners), policy=Policy())
    line = Line(entry, Attack("the risk"), {Attack("a currency"): 1.0}, currency=Attack("the currency"))
    line = replace(line, forecast=2.0, low=1.0, high=3.0, realized=1.0, answers=5.0, problem=Attack("the problem"))
    pages |= {"board": board_page([line], date(2026, 11, 29)), "compare": compared()}
    return {
        **pages,
        "register": register_page([row]),
        "roles": roles_page(people, {"letters": settings}),
        "compliance": compliance(),
        "quotas": quotas(),
    }


def quotas() -> str:
    """Every table of the page of quotas. Names of use cases are checked when their folders are read."""
    measure = Measure("gpu_hours", Attack("the unit"), 3.0, 1.0, 1.5, 2.0)
    more = Raise.model_construct(team="t", month="m", gpu_hours=1.0, money=1.0, reason=Attack("the reason"))
    team = Standing(Attack("a team"), "2026-11", measure, replace(measure, name="money", unit=Attack("money")), [more])
    words = {name: Attack(f"{name} of the queue") for name in ("pool", "team", "program", "profile", "priority", "why")}
    waits = InQueue(place=1, use_case="letters", waited_minutes=3.0, made_room_at=None, **words)
    stopped = Stopped(Attack("the moment"), Attack("its team"), "letters", 3.0)
    return quotas_page_of([team], [waits, replace(waits, place=0, team="")], [stopped], Queue(), 2, Attack("a month"))


def compliance() -> str:
    """Every table of the page of compliance."""
    names = ("id", "rule", "checkpoint", "granted_by", "role", "reason", "until", "granted_at", "recorded_by")
    waiver = Waiver(**{name: Attack(f"{name} of the waiver") for name in names})
    said = {name: Attack(f"{name} of the incident") for name in ("id", "what", "severity", "aware")}
    entry = {name: Attack(f"{name} of the entry") for name in ("at", "use_case", "what", "person")}
    noted: Any = SimpleNamespace(**entry, details={"version": Attack("the version")})
    words: dict[str, Any] = {name: Attack(f"{name} of the ends") for name in ("first", "release", "on_day")}
    held = {name: Attack(f"{name} of the hold") for name in ("id", "at", "person", "reason")}
    told = {"id": Attack("the report"), "at": Attack("its moment"), "rows": 3, "versions": [1], "checkpoints": [1]}
    told["records"] = {Attack("why it went"): 3}
    found = Compliance(
        [Ends("letters", 3, [2, 3], **words, learned=[1, 2]), Ends("claims", 3, release=Attack("the release"))],
        [InForce("letters", waiver, date(2027, 2, 1), Attack("why it counts for nothing"))],
        [("letters", Incident(said, date(2027, 2, 1), [], None))],
        [],
        [noted],
        LogState(3, Attack("the newest entry"), Attack("the moment"), 3, 1),
        {"letters": Attack("the checkpoint of the release")},
        [Attack("a problem")],
        [Retained("letters", Attack("the periods"), [held], [told])],
    )
    version = SimpleNamespace(id="ckpt-1", stage="adapter_checkpoint")
    checkpoint: Any = SimpleNamespace(use_case="letters", found=version)
    return compliance_page(found, [Attack("another")], [Pack("ckpt-1", "0" * 64, 3)], [checkpoint], date(2027, 1, 15))


def audit_examples() -> str:
    from ft_platform.training.audit_view import ShownExample, Span

    example = ShownExample(
        Attack("a record"), "train", [Span("context", FREE_TEXT, 3), Span("supervised", Attack("an answer"), 2)]
    )
    figures = {"problems": [Attack("a fault")], "rows": 1, "supervised_share": 0.5}
    return page("audit_examples.html", title=Attack("the title"), examples=[example], figures=figures)


def data_docs_of(markup: str) -> str:
    """Data docs where Great Expectations rendered `markup` as it stands."""
    from ft_platform.reporting import data_docs

    expectation = Attack("the expectation")
    failed = {"expectation": expectation, "passed": False, "unexpected_count": 1, "record_ids": [Attack("a record")]}
    result: Any = SimpleNamespace(expectations=[failed], rows=3)
    use_case: Any = SimpleNamespace(name=Attack("the use case"))
    version: Any = SimpleNamespace(id=Attack("the version"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            data_docs,
            "_rendered",
            lambda *_: (
                f'<html><body><div class="ge-section"><table><tr><td>{markup}</td></tr></table></div></body></html>'
            ),
        )
        return data_docs.data_docs(use_case, version, result, {Attack("quarantined"): 1})


@pytest.fixture(scope="module")
def pages(made: Made) -> dict[str, str]:
    """Name -> page, made in all three ways."""
    again = {
        f"templates/{name}": page(name, **hostile(values, NOT_TEXTS))
        for name, values in made.values.items()
        if name.endswith(".html")
    }
    return {**made.files, **{f"reports/{name}.html": text for name, text in made.reports.items()}, **again}


@pytest.mark.integration
def test_every_kind_of_page_is_there(pages: dict[str, str]) -> None:
    kinds = {name.split("/")[1] for name in pages if name.startswith("versions/")}
    assert kinds >= {
        "adapter_checkpoint",
        "base_evaluation",
        "evaluation_report",
        "fairness_report",
        "model_card",
        "data_report",
        "profile",
        "training_audit",
    }
    documents = {
        "index.html",
        "documents/technical_documentation.html",
        "documents/training_data_summary.html",
        "documents/dataset/README.md",
    }
    assert documents <= set(pages)


@pytest.mark.integration
def test_every_template_was_tried(made: Made) -> None:
    seen = {path.name for path in TEMPLATES.glob("*.html")} - NO_PAGES
    assert seen == {name for name in made.values if name.endswith(".html")}


@pytest.mark.integration
def test_every_page_is_valid_and_has_only_elements_and_attributes_of_the_templates(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        if name.endswith(".html"):
            assert problems_of(text) == [], name


@pytest.mark.integration
def test_the_attacks_are_shown_as_text(pages: dict[str, str]) -> None:
    """A page that left them out would pass the test above without having been tried."""
    kinds = {"evaluation_report": ATTACKS[:20], "model_card": ATTACKS, "fairness_report": ATTACKS[6:9]}
    for kind, attacks in kinds.items():
        (text,) = (
            text for name, text in pages.items() if name.startswith(f"versions/{kind}/") and name.endswith(".html")
        )
        words = " ".join(Page(text).words.split())
        assert [attack for attack in attacks if " ".join(attack.split()) not in words] == [], kind
    assert ATTACKS[0] in Page(pages["documents/technical_documentation.html"]).words


@pytest.mark.integration
@pytest.mark.parametrize(
    ("report", "texts"),
    [
        ("decision", ["reason of the waiver", "granted_by of the waiver"]),
        ("privacy", ["the checkpoint", "the entity", "the vault is off", "on answers"]),
        ("regression", ["the harness task", "the metric", "the champion"]),
        ("roi", ["the measure", "why it is not compared", "the day"]),
        (
            "judge",
            [
                "the evaluation",
                "name of the judge",
                "the judge",
                "what makes an answer better",
                "another system",
                "why it may not be used",
            ],
        ),
        ("human_review", ["the sheet", "the first rater", "the second rater", "another system", "the method"]),
        ("seeds", ["another system", "what came out of the seeds"]),
        ("canaries", ["what came out of the secrets", "user texts"]),
        ("search", ["how the trial failed", "training: lines to copy", "cosine"]),
        (
            "compliance",
            [
                "reason of the waiver",
                "why it counts for nothing",
                "what of the incident",
                "person of the entry",
                "the version",
                "release of the ends",
                "the checkpoint of the release",
                "a problem",
            ],
        ),
        ("audit_examples", ["a record", "an answer", "a fault"]),
        ("story", ["figure of the step", "verdict of the step", "an event", "why it was withdrawn", "a release"]),
        ("compare", ["the verdict", "what a said", "the record", "the setting", "its value", "another checkpoint"]),
        ("board", ["the risk", "the problem", "the currency", "stage of the entry"]),
        ("learning_curve", ["what came out of the curve", "the report"]),
        (
            "deployment",
            [
                "the target",
                "the release",
                "the release before",
                "https://models.example.org",
                "the name of the model",
                "the currency",
            ],
        ),
    ],
)
def test_the_attacks_in_figures_are_shown_as_text(report: str, texts: list[str], pages: dict[str, str]) -> None:
    words = " ".join(Page(pages[f"reports/{report}.html"]).words.split())
    assert [text for text in texts if " ".join(str(Attack(text)).split()) not in words] == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_the_page_of_great_expectations_runs(attack: str) -> None:
    """Its page is cleaned and not escaped: values of the YAML, such as a set of labels, may come through it as they
    are."""
    assert problems_of(data_docs_of(attack)) == []


@pytest.mark.components(name="browser")
def test_a_browser_shows_every_page_and_runs_and_loads_nothing(made: Made, tmp_path: Path) -> None:
    shown = {**{name: text for name, text in made.files.items() if name.endswith(".html")}, **made.reports}
    with browser() as chrome:
        for number, (name, text) in enumerate(shown.items()):
            path = tmp_path / f"{number}.html"
            path.write_text(text, encoding="utf-8")
            seen = opened(chrome, path)
            assert (seen.requests, seen.dialogs, seen.complaints, seen.pictures_not_shown) == ([], [], [], 0), name
            assert seen.wider_by <= 0, name
            assert seen.pdf_bytes > 1000 and len(seen.words) > 100, name


@pytest.mark.smoke  # seam: browser
@pytest.mark.components(name="browser")
def test_a_script_or_a_request_in_a_page_is_seen_by_the_browser(tmp_path: Path) -> None:
    page = "<!DOCTYPE html><html lang=en><head><title>x</title></head><body><h1>x</h1>%s</body></html>"
    faults = {
        "<script>alert(1)</script>": "dialogs",
        '<p onmouseover="alert(1)">x</p>': "dialogs",
        '<img alt="x" src="http://127.0.0.1:9/p.png">': "requests",
        "<style>body { background: url(http://127.0.0.1:9/p.png) }</style>": "requests",
        '<img alt="x" src="data:image/png;base64,AAAA">': "pictures_not_shown",
        '<div style="width: 3000px">x</div>': "wider_by",
    }
    with browser() as chrome:
        for number, (fault, where) in enumerate({"": "", **faults}.items()):
            path = tmp_path / f"{number}.html"
            path.write_text(page % fault, encoding="utf-8")
            seen = opened(chrome, path)
            bad = {name for name in ("requests", "dialogs", "pictures_not_shown", "wider_by") if getattr(seen, name)}
            assert where in bad if where else not bad, fault


@pytest.mark.integration
def test_cards_in_markdown_hold_no_markup(made: Made) -> None:
    cards = {name: text for name, text in made.files.items() if name.endswith(".md")}
    assert len(cards) >= 3
    for name, text in cards.items():
        _, head, body = text.split("---\n", 2)
        assert isinstance(yaml.safe_load(head), dict), name
        assert not re.search(r"<[a-zA-Z/!?]", body), name
        assert not re.search(r"(?<!\\)\]\((?!(\.\./)+versions/)", body), f"{name}: a link that is not to a version"
        assert not re.search(r"(?<!\\)!\[", body), name


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_that_is_not_escaped_is_found(attack: str) -> None:
    """The rules themselves: each attack in the place of a text, and in that of an attribute."""
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head><title>x</title></head>\n<body><h1>x</h1><p>%s</p><p'
        ' class="%s">x</p></body>\n</html>\n'
    )
    assert problems_of(page % ("x", "x")) == []
    harmless_as_text = not re.search(r"<[a-zA-Z/!]", attack)
    assert bool(Page(page % (attack, "x")).problems) != harmless_as_text
    if '"' in attack:
        assert Page(page % ("x", attack)).problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('<img src="data:image/png;base64,AAAA">', "without alt"),
        ('<img alt="x" src="https://x.example/a.png">', "no picture inside"),
        ('<a href="javascript:alert(1)">x</a>', "href"),
        ('<a href="//x.example">x</a>', "href"),
        ('<a href="data:text/html,x">x</a>', "href"),
        ("<style>p { background: url(//x.example) }</style>", "styles load"),
        ("<p><table></table></p>", "inside <p>"),
        ("<p>x", "closes another"),
        ('<p id="a">x</p><p id="a">x</p>', "twice"),
        ("<h1>again</h1>", "2 <h1>"),
    ],
)
def test_a_fault_in_a_page_is_found(change: str, problem: str) -> None:
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><title>x</title></head>\n<body><h1>x</h1>{change}</body>\n</html>\n'
    )
    assert any(problem in found for found in Page(page).problems)


def test_the_reference_parser_sees_what_a_browser_would_see() -> None:
    pytest.importorskip("html5lib", reason="html5lib is not installed (extra dev)")
    page = "<!DOCTYPE html><html lang=en><head><title>x</title></head><body><h1>x</h1><p>%s</p></body></html>"
    assert html5_problems(page % "x") == []
    for attack in ATTACKS:
        element = re.match(r"<([a-zA-Z]+)[ />]", attack)
        if element and (element[1].lower() not in ELEMENTS or re.search(r"\bon[a-z]+=", attack)):
            assert html5_problems(page % attack), attack
    assert "script" not in ELEMENTS
