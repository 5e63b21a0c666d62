"""The pages of a review in the browser: where raters judge, and how far it is.

Covered: which answer is whose is in no page while the review is open, and whoever may judge sees no figure of it until
it has come to its end: neither could be forgotten again. Not covered: raters who tell each other."""

from typing import Any

from ft_platform.errors import FtError
from ft_platform.evaluation.agreement import FINE_TUNED, in_words
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.pairs import newest_evaluation
from ft_platform.evaluation.predictions import systems_in
from ft_platform.evaluation.review.figures import online_figures
from ft_platform.evaluation.review.judgements import Judgement
from ft_platform.evaluation.review.online import (
    MOST_CRITERIA,
    MOST_RECORDS,
    Review,
    may_judge,
    newest_review,
    published,
)
from ft_platform.evaluation.review.sequential import Standing
from ft_platform.evaluation.systems import TITLES
from ft_platform.people.actions import ACTIONS
from ft_platform.reporting.published import portal_address
from ft_platform.reporting.review_report import END_WORDS
from ft_platform.use_case.settings.roles import ROLES, title
from ft_platform.web.portal_pages.asking import Asking, View

BY_CHANCE = 0.01
"""A rater whose choice of sides is less likely by chance is pointed out."""


def review_view(asking: Asking) -> View:
    """The record that a rater has before them."""
    lake, use_case, permissions, person = asking[:4]
    review = newest_review(lake, use_case)
    values: dict[str, Any] = {"state": "none", "card": None, "last": None, "why_not": "", "criteria": []}
    if review is None or published(lake, review):
        return View({**values, "state": "none" if review is None else "over"})
    values |= {"criteria": review.criteria, "voice": use_case.settings.task.style.rubric.strip(), "most": review.most}
    why_not = may_judge(review, person, permissions) if person else ""
    if person is None or why_not:
        may_not: dict[str, str] = dict.fromkeys(("begin", "judge", "back"), why_not)
        return View({**values, "state": "may_not", "why_not": why_not}, may_not=may_not)
    judgements = review.judgements
    said, own = judgements.all(), [one for one in judgements.all() if one.person == person.name]
    over = judgements.ended() or bool(review.standing(said).end)
    given = judgements.given_to(person.name)
    done = {one.record for one in own}
    values |= {"own": len(own), "judged": len({one.record for one in said})}
    if over:
        values["state"] = "over"
    elif person.name not in judgements.raters():
        values["state"] = "begin"
    elif given is None or given in done or given not in review.pairs:
        values["state"] = "waits"
    else:
        values |= {"state": "judge", "card": card(review, person.name, given, len(own) + 1)}
    left = [one for one in own if one.record in review.pairs]
    if left and not judgements.ended():
        values["last"] = card(review, person.name, left[-1].record, len(own), left[-1])
    return View(values)


def card(review: Review, person: str, record: str, number: int, said: Judgement | None = None) -> dict[str, Any]:
    """What a rater sees of a record, and what they said of it. It names no system and no record.

    Args:
        number: how many they have judged with it.
    """
    pair = review.pairs[record]
    answers = (pair.fine_tuned, pair.alternative)
    a, b = answers if review.first_for(person, record) == FINE_TUNED else answers[::-1]
    return {
        "place": list(review.pairs).index(record),
        "number": number,
        "question": pair.question,
        "a": a,
        "b": b,
        "better": said.better if said else "",
        "comment": said.comment if said else "",
        "scores": [said.scores.get(one.name) if said else None for one in review.criteria],
    }


def reviews_view(asking: Asking) -> View:
    """How far the newest review is, and what may be done with it."""
    lake, use_case, permissions, person = asking[:4]
    ruling = permissions.may(person, "start_reports", asking.name) if person else None
    why_not = ruling.why if ruling is not None and not ruling else ""
    review = newest_review(lake, use_case)
    report = published(lake, review) if review else None
    values: dict[str, Any] = {"review": None, "report": "", "why_not": why_not, "systems": [], "no_start": ""}
    values |= {"may": bool(ruling), "most_records": MOST_RECORDS, "most_criteria": MOST_CRITERIA}
    values |= {"roles": list(ACTIONS["review"].roles)}
    if review is None or report:
        values |= {"report": portal_address(lake, report), **_systems(asking)}
        may_not = {"start": why_not or values["no_start"]} | dict.fromkeys(("publish", "drop"), "no review is open")
        return View(values, {"review": None}, may_not=may_not)
    judgements, said = review.judgements, review.judgements.all()
    stand = review.standing(said)
    over = judgements.ended() or bool(stand.end)
    hidden = not over and person is not None and not may_judge(review, person, permissions)
    values |= {"review": _told(review), "standing": stand, "end": END_WORDS[stand.end], "hidden": hidden}
    values |= {"ended": judgements.ended(), "judgements": len(said), "raters": _raters(review, said), "figures": None}
    if said and not hidden and stand.records:
        values |= _figures(asking, review, said, stand)
    may_not = {"start": "a review is open", "publish": why_not, "drop": why_not}
    return View(values, {"review": review.id, "ended": judgements.ended()}, may_not=may_not)


def _systems(asking: Asking) -> dict[str, Any]:
    """Systems that the newest evaluation can be compared with, or why none is."""
    try:
        evaluation = newest_evaluation(asking.lake, asking.use_case)
        found = [one for one in systems_in(read_predictions(asking.lake, evaluation)) if one != FINE_TUNED]
    except FtError as error:
        return {"systems": [], "no_start": error.message}
    # As `ft review start` does, where there is one.
    found.sort(key=lambda one: (one != "base_few_shot", one))
    return {"systems": [(one, TITLES.get(one, one)) for one in found]}


def _told(review: Review) -> dict[str, Any]:
    told = {name: review.said[name] for name in ("id", "at", "person", "evaluation", "most", "least", "confidence")}
    other = TITLES.get(review.said["alternative"], review.said["alternative"])
    raters = [title(one) if one in ROLES else one for one in review.raters]
    return {**told, "alternative": other, "asked": raters, "criteria": review.criteria}


def _raters(review: Review, said: list[Judgement]) -> list[dict[str, Any]]:
    """Who has begun, and how many they have judged."""
    return [
        {"person": person, "rater": rater, "judgements": sum(one.person == person for one in said)}
        for person, rater in review.judgements.raters().items()
    ]


def _figures(asking: Asking, review: Review, said: list[Judgement], stand: Standing) -> dict[str, Any]:
    found = online_figures(review, said, asking.use_case.settings.evaluation)
    kappa = found["agreement"]["kappa"]
    return {
        "figures": found,
        "agrees": in_words(kappa["value"]) if kappa else "",
        "sided": [one["rater"] for one in found["raters"] if one["first_p"] is not None and one["first_p"] < BY_CHANCE],
        "comments": [(one.rater, one.comment) for one in said if one.comment],
        "of_rater": {one["rater"]: one for one in found["raters"]},
    }
