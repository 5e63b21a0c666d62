"""The pages where people act, with an attack in the place of every text: valid, nothing loaded, nothing runs. What they
do: `ft_platform_tests/web/test_portal_actions.py`."""

from dataclasses import replace
from typing import Any

import pytest

from ft_platform.evaluation.annotation.own_recall import RecallProgress
from ft_platform.evaluation.review.sequential import Standing
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.privacy.marked_record import Piece
from ft_platform.release.erasures import Progress
from ft_platform.release.waivers import Waiver
from ft_platform.use_case.settings.serving_targets import LocalTarget
from ft_platform.web.portal_pages.acting import page_for
from ft_platform.web.portal_pages.actions import (
    ANNOTATE,
    ASK,
    DISCLOSE,
    ERASE,
    RECALL,
    RELEASE,
    REVIEW,
    REVIEWS,
    ROLL_BACK,
    SIGN,
    TITLES,
    WAIVE,
)
from ft_platform.web.portal_pages.asking import Asking, View
from ft_platform_tests.reporting import page_rules
from ft_platform_tests.reporting.test_hostile_pages import signed_off
from ft_platform_tests.reporting.xss import Attack, hostile
from ft_platform_tests.tables import use_case as a_use_case

FORMS = {"form", "input", "label", "select", "option", "textarea", "button", "fieldset", "legend", "blockquote", "mark"}
FORMS |= {"progress"}
OF_FORMS = {
    *("method", "action", "type", "value", "for", "required", "rows", "minlength", "maxlength", "min", "max"),
    *("aria-describedby", "autocomplete", "autocapitalize", "spellcheck", "selected"),
    *("accesskey", "autofocus", "checked", "disabled", "hidden"),
}
HREFS = {"href", "brief", "back", "skip", "here_again", "task", "field", "kind"}
RULE = {"rule": "the rule", "passed": False, "waiver": None, "value": 0.5, "low": 0.4, "high": 0.6}
RULE |= {"needed": "what is needed", "why": "why it is broken", "waivable": True}
WAIVER = {"rule": "the waived rule", "granted_by": "who waives", "until": "the day", "reason": "the reason to waive"}
EVIDENCE = [{"title": "the report", "id": "the version", "digest": "the digest", "href": "a/b"}]
DECIDED = {
    "id": "the decision",
    "href": "a/b",
    "words": "the verdict",
    "checkpoint": "the checkpoint",
    "policy": {"name": "the policy", "version": "the version of the policy"},
    "measured": [RULE],
    "others": [{**RULE, "rule": "a rule that holds", "passed": True}],
    "waivers": [WAIVER],
    "digests": {"decision": "the digest of the decision"},
    "evidence": EVIDENCE,
}
TOLD = {name: f"{name} of the release" for name in ("id", "checkpoint", "number", "released_by", "known_by")}
TOLD |= {"released_at": "the moment"}
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6}
CRITERION = {"name": "the criterion", "low": "what 1 means", "high": "what 5 means"}
CARD = {"place": 3, "number": 4, "question": "the question", "a": "the answer A", "b": "the answer B"}
CARD |= {"better": "", "comment": "the comment", "scores": [None]}
DECISION = {"decided": DECIDED, "lacking": ["what lacks"], "accepted": True}


SAID = ("id", "state", "received", "deadline", "requested_by", "decided_by", "reason", "refused_because")
OF_ERASURE = {name: f"{name} of the erasure" for name in SAID}
OF_ERASURE |= {"persons": 1, "left": 3, "waits": False, "approved": False, "own": False, "certificate": None}
FIGURES = {"checkpoint": "the measured checkpoint", "auc": 0.97, "chance": 0.01, "verbatim": 2, "texts": 3}
OF_ERASURE |= {"measures": True, "after": {"after": FIGURES}, "sealed_until": ""}
OF_ERASURE |= {"progress": Progress(3, "why it stopped", "when it stopped", ("a file that is left",))}
OF_ERASURE |= {"places": [{"place": "the place", "result": "the result", "count": 3, "why": "what to know of it"}]}
CERTIFICATE = {
    **{name: f"{name} of the certificate" for name in ("id", "at", "person", "requested_by", "approved_by")},
    **{name: f"{name} of the certificate" for name in ("received", "deadline")},
    **dict.fromkeys(("rows", "records", "persons", "bytes_found_after", "requests"), 4),
    "rows_by_table": {"the table": 4},
    "versions": ["the version"],
    "checkpoints": ["the checkpoint"],
    "releases_withdrawn": ["the release"],
    "searched": {"files": 1, "bytes": 2},
    "weights": {"before": [FIGURES, {"checkpoint": "another checkpoint", "not_measured": "why it was not"}]},
    "remains": [{"what": "what remains", "why": "why it remains"}],
}


def waiting() -> Waiver:
    words: dict[str, Any] = {name: Attack(f"{name} of the waiver") for name in Waiver.__dataclass_fields__}
    return Waiver(**words)


VALUES: dict[str, dict[str, Any]] = {
    SIGN: {
        **DECISION,
        "approve": ["compliance"],
        "reject": ["compliance", "domain_expert"],
        "delegate": ["compliance", "domain_expert"],
        "take_back": [("the statement", "what it says")],
        "why_not": "why not at all",
        "why_not_approve": "why not approve",
        "last_day": "the last day",
    },
    WAIVE: {
        "checkpoint": "the checkpoint",
        "brief": "a/b",
        "broken": [{**RULE, "role": "the role", "persons": ["a person"]}, {**RULE, "waiver": WAIVER}],
        "evidence": EVIDENCE,
        "digest": "the digest",
        "mine": ["the rule"],
        "confirms": ["id of the waiver"],
        "why_not": "why not at all",
        "last_day": "the last day",
    },
    RELEASE: {
        **DECISION,
        "lacking": [],
        "stands": TOLD,
        "is_released": False,
        "withdrawn": {"reason": "the reason to withdraw"},
        "may": True,
        "why_not": "why not at all",
    },
    ROLL_BACK: {
        "stands": TOLD,
        "earlier": [TOLD],
        "targets": {"the target": "the release there"},
        "may": True,
        "why_not": "why not at all",
    },
    REVIEW: {
        "state": "judge",
        "why_not": "why not at all",
        "criteria": [CRITERION],
        "voice": "the voice",
        "own": 3,
        "judged": 7,
        "most": 60,
        "card": {**CARD, "place": 4},
        "last": {**CARD, "question": "the last question", "better": "both_bad", "scores": [[1, 5]]},
    },
    REVIEWS: {
        "review": {
            **{name: f"{name} of the review" for name in ("id", "at", "person", "evaluation", "alternative")},
            "most": 60,
            "least": 0.5,
            "confidence": 0.95,
            "asked": ["who is asked"],
        },
        "standing": Standing(7, FIGURE, "missed"),
        "end": "how far it is",
        "hidden": False,
        "ended": False,
        "judgements": 8,
        "figures": {
            "answers": {"fine_tuned": 3, "tie": 1, "alternative": 2},
            "both_bad": 1,
            "agreement": {"kappa": FIGURE, "method": "the method", "rows": 6},
            "rubric": [{"criterion": "the criterion", "fine_tuned": 4.0, "alternative": 3.0, "difference": FIGURE}],
        },
        "agrees": "how far they agree",
        "raters": [{"rater": "the rater", "person": "who rates", "judgements": 8}],
        "of_rater": {"the rater": {"seconds": 9.0, "first_side": FIGURE, "tie": 1}},
        "sided": ["the rater with a side"],
        "comments": [("the commenting rater", "the comment")],
        "report": "a/b",
        "systems": [("the system", "title of the system")],
        "roles": ["domain_expert"],
        "no_start": "why none starts",
        "may": True,
        "why_not": "why not at all",
        "most_records": 1000,
        "most_criteria": 6,
    },
    ASK: {"stands": TOLD, "target": LocalTarget(), "why_not": "why not at all"},
    ERASE: {
        "open": [{**OF_ERASURE, "waits": True}, {**OF_ERASURE, "approved": True, "own": True}],
        "closed": [{**OF_ERASURE, "certificate": CERTIFICATE}, OF_ERASURE],
        "closed_in_all": 200,
        "why_not_ask": "why not at all",
        "why_not_erase": "",
    },
    DISCLOSE: {"why_not": "why not at all"},
    ANNOTATE: {
        "record": "the record",
        "task": "task-0",
        "field": "label",
        "labels": ["a label", "another"],
        "as_buttons": True,
        "parts": [("the text of the record", False), ("<hidden", True)],
        "answer": "the answer",
        "mine": "my word",
        "waits": True,
        "disputed": ["what one said"],
        "at": 2,
        "of": 3,
        "judged": 1,
        "waiting": 2,
        "back": "a/b",
        "skip": "a/b",
        "here_again": "a/b",
        "entities": ["an entity"],
        "confirms": ["a placeholder"],
        "placeholders": {"0-0": "another placeholder"},
        "may_show": True,
        "why_not": "",
        "own": [{"kind": "missed", "entity": "an entity", "everywhere": True}, {"kind": "shown", "entity": "a place"}],
        "to_confirm": [{"task": "task-0", "at": 3}],
        "tasks": [
            {
                "task": "task-0",
                "rows": 3,
                "judged": {"a rater": 2},
                "agreement": "how far they agree",
                "repaired": 1,
                "confirmed": 1,
                "single": 1,
                "disputed": 1,
                "gone": 1,
            }
        ],
        "marked": {"records": 1, "words": 9, "missed": 1, "per_1000_words": {"value": 1.0, "low": 0.0, "high": 9.0}},
    },
    RECALL: {
        "progress": None,
        "why_not": "why not at all",
        "purposes": ["a purpose"],
        "made": True,
        "file": None,
        "left_out": {"a kind": "why"},
    },
}
SHOWN = dict.fromkeys(TITLES, ("the problem", "the person", "why not at all")) | {
    REVIEW: ("the problem",),
    ANNOTATE: ("the problem", "the person", "the text of the record", "a label", "what one said", "a rater"),
}
FOUND = {
    "request": "",
    "done": 0,
    "steps": 13,
    "ids": ["the id"],
    "texts": ["the text"],
    "nothing": False,
    "plan": {
        "beside": {"another place": 3},
        "files": ["the file"],
        **dict.fromkeys(("records", "rows", "requests", "vault", "names_persons"), 3),
        "targets": ["the target"],
        "versions": [{"version": "the table", "rows": 1, "repairs": 1}],
        "checkpoints": [{"checkpoint": "the checkpoint", "rows": None}],
        "reports": [{"report": "the report", "rows": 1}],
        "trainings": ["the training"],
        "releases": ["the withdrawn release"],
    },
}
"""What a form for an erasure is answered."""


@pytest.mark.parametrize("name", TITLES)
def test_texts_of_people_and_of_evidence_are_shown_as_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_rules, "ELEMENTS", page_rules.ELEMENTS | FORMS)
    monkeypatch.setattr(page_rules, "ATTRIBUTES", page_rules.ATTRIBUTES | OF_FORMS)
    monkeypatch.setattr(page_rules, "VOID", page_rules.VOID | {"input"})
    values = hostile(VALUES[name], HREFS)
    values |= {"roles": signed_off().roles} if name in (SIGN, RELEASE) else {}
    values |= {"waiting": [waiting(), replace(waiting(), id="another")]} if name == WAIVE else {}
    values |= {"why_not": ""} if name == ANNOTATE else {}
    person, named = Person(Attack("the person")), a_use_case()
    asking = Asking(None, named, Permissions(), person)  # type: ignore[arg-type]
    sent = {field: Attack(f"{field} that was sent") for field in ("reason", "to", "until", "role", "id", "rule")}
    for what in ("reject", "delegate", "take_back", "waive", "release", "rollback"):
        text = page_for(name, asking, View(values), "the token", Attack("the problem"), {**sent, "what": what})
        assert page_rules.problems_of(text) == [], what
        words = " ".join(page_rules.Page(text).words.split())
        for shown in SHOWN[name]:
            assert " ".join(str(Attack(shown)).split()) in words, shown


@pytest.mark.parametrize("state", ["begin", "judge", "waits", "over", "none", "may_not"])
@pytest.mark.parametrize("back", [True, False])
def test_answers_and_comments_are_shown_as_text(state: str, back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_rules, "ELEMENTS", page_rules.ELEMENTS | FORMS)
    monkeypatch.setattr(page_rules, "ATTRIBUTES", page_rules.ATTRIBUTES | OF_FORMS)
    monkeypatch.setattr(page_rules, "VOID", page_rules.VOID | {"input"})
    values = {**hostile(VALUES[REVIEW], HREFS), "state": state}
    values |= {} if state == "judge" else {"card": None}
    asking = Asking(None, a_use_case(), Permissions(), Person(Attack("the person")))  # type: ignore[arg-type]
    found = {"back": True} if back else None
    text = page_for(REVIEW, asking, View(values), "the token", "", {}, found)
    assert page_rules.problems_of(text) == []
    words = " ".join(page_rules.Page(text).words.split())
    seen = {"begin": ["the person", "the voice", "the criterion"], "may_not": ["why not at all"]}.get(state, [])
    seen += ["the answer A", "the answer B", "what 5 means", "the comment"] if back or state == "judge" else []
    seen += ["the last question"] if back else []
    for shown in seen:
        assert " ".join(str(Attack(shown)).split()) in words, shown


def test_the_page_of_a_review_shows_figures_and_comments_as_text() -> None:
    asking = Asking(None, a_use_case(), Permissions(), Person(Attack("the person")))  # type: ignore[arg-type]
    text = page_for(REVIEWS, asking, View(hostile(VALUES[REVIEWS], HREFS)), "the token")
    words = " ".join(page_rules.Page(text).words.split())
    for shown in ("the comment", "who rates", "the rater with a side", "the criterion", "who is asked"):
        assert " ".join(str(Attack(shown)).split()) in words, shown


@pytest.mark.parametrize("end", ["", "above", "below", "all"])
def test_words_of_a_record_and_what_was_seen_in_it_are_shown_as_text(end: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_rules, "ELEMENTS", page_rules.ELEMENTS | FORMS)
    monkeypatch.setattr(page_rules, "ATTRIBUTES", page_rules.ATTRIBUTES | OF_FORMS)
    monkeypatch.setattr(page_rules, "VOID", page_rules.VOID | {"input"})
    values = hostile({**VALUES[RECALL], "why_not": ""})
    kinds = {str(Attack("a kind")): {"recall": 0.5, "low": 0.1, "high": 0.9, "spans": 2, "texts": 2}}
    far = RecallProgress(
        9, 8, 1, 0.9, 0.5, 0.99, 0.9, 12, end, kinds, [str(Attack("a kind"))] if end == "below" else []
    )
    asking = Asking(None, a_use_case(), Permissions(), Person(Attack("the person")))  # type: ignore[arg-type]
    pieces = [Piece(str(Attack("a word")), "", 0, 1), Piece(" "), Piece(str(Attack("a find")), "EMAIL", 0)]
    record = {"record": Attack("the record"), "texts": [pieces], "kinds": [Attack("a kind")], "other": "OTHER"}
    record |= {"before": True, "problem": Attack("the problem")}
    found = {"progress": far, "look": 7, **({"record": ""} if end else record)}
    text = page_for(RECALL, asking, View(values), "the token", "", {}, found)
    assert page_rules.problems_of(text) == []
    words = " ".join(page_rules.Page(text).words.split())
    for shown in ("the person",) if end else ("a word", "a find", "the person"):
        assert " ".join(str(Attack(shown)).split()) in words, shown


@pytest.mark.parametrize("request_id", ["", "the request"])
def test_whom_an_erasure_is_about_is_shown_as_text(request_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_rules, "ELEMENTS", page_rules.ELEMENTS | FORMS)
    monkeypatch.setattr(page_rules, "ATTRIBUTES", page_rules.ATTRIBUTES | OF_FORMS)
    monkeypatch.setattr(page_rules, "VOID", page_rules.VOID | {"input"})
    values = hostile({**VALUES[ERASE], "why_not_ask": ""}, HREFS)
    asking = Asking(None, a_use_case(), Permissions(), Person(Attack("the person")))  # type: ignore[arg-type]
    sent = {name: Attack(f"{name} that was sent") for name in ("ids", "texts", "reason", "received")}
    found = {**hostile(FOUND, HREFS), "request": Attack(request_id) if request_id else ""}
    text = page_for(ERASE, asking, View(values), "the token", "", {**sent, "what": "plan"}, found)
    assert page_rules.problems_of(text) == []
    words = " ".join(page_rules.Page(text).words.split())
    for shown in ("the id", "the text", "the withdrawn release", "why it remains", "another place"):
        assert " ".join(str(Attack(shown)).split()) in words, shown
