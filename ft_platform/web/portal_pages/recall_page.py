"""The page where a person looks at some records as they were before they were anonymized, and marks what was missed.

A record is only shown as the answer to a form (`web.recall_acts`), to somebody who may look at records of persons and
said what for; the page itself has figures."""

from typing import Any

from ft_platform.evaluation.annotation.own_recall import progress
from ft_platform.people.may import knowledge_problem
from ft_platform.web.portal_pages.asking import Asking, View


def recall_view(asking: Asking) -> View:
    """How far it is, and whether the person may look at records."""
    lake, use_case, permissions, person = asking[:4]
    why_not = ""
    if person is not None:
        ruling = permissions.may(person, "read_records", asking.name)
        why_not = knowledge_problem(use_case, person.known_by) or ("" if ruling else ruling.why)
    values: dict[str, Any] = {
        "progress": progress(lake, use_case),
        "why_not": why_not,
        "purposes": use_case.policy.looks.purposes,
        "made": lake.latest(asking.name, "anonymized_records") is not None,
        "file": use_case.settings.privacy.gold,
        "left_out": use_case.settings.privacy.left_out,
    }
    return View(values, may_not=dict.fromkeys(("begin", "mark", "back"), why_not))
