"""The page where experts correct records, one at a time: labels, answers, and personal data in anonymized texts."""

from typing import Any

from ft_platform.evaluation.annotation.browsing import Sheet, sheets, texts_of
from ft_platform.evaluation.annotation.personal_data import Marked, choices, marked, parts_of
from ft_platform.evaluation.annotation.settling import agreed_in_words
from ft_platform.web.portal_pages.asking import Asking, View

BUTTONS = 12
"""Labels up to which each has a button; more are in a list."""


def annotate_view(asking: Asking) -> View:
    """The record that a task and a place in it name, or the next one that waits for the person; how far all tasks are.

    What a person does is about one record as they saw it: the same form sent twice, or one about a record that others
    have settled since, changes nothing."""
    lake, use_case, permissions, person = asking[:4]
    may_repair = permissions.may(person, "repair", asking.name) if person else None
    may_show = permissions.may(person, "show_again", asking.name) if person else None
    found, marks = sheets(lake, use_case, person), marked(lake, use_case)
    values: dict[str, Any] = {"tasks": [_task(one) for one in found], "marked": marks.figures, "record": None}
    values |= {"why_not": "" if may_repair or person is None else may_repair.why if may_repair is not None else ""}
    why_not_show = "" if may_show or may_show is None else may_show.why
    may_not = {**dict.fromkeys(("judge", "missed", "none", "start"), values["why_not"]), "shown": why_not_show}
    values["to_confirm"] = _links(found, marks.to_confirm(person)) if person and may_show else []
    about: dict[str, Any] = {"tasks": [one.task.id for one in found]}
    if person is None or not (may_repair or may_show):
        return View(values, may_not=may_not)
    if place := _place(found, asking):
        sheet, number = place
        record = sheet.order[number]
        own = [one for one in marks.of(record) if one.person.casefold() == person.name.casefold()]
        about |= {"task": sheet.task.id, "record": record, "mine": sheet.mine.get(record)}
        about |= {"decides": sheet.decides(record), "waits": record in sheet.waiting, "marks": [one.id for one in own]}
        values |= _record(asking, sheet, number, marks) | {"own": own, "may_show": bool(may_show)}
        values["confirms"] = [one.entity for one in marks.to_confirm(person) if one.record_id == record and may_show]
    return View(values, about, may_not=may_not)


def _place(found: list[Sheet], asking: Asking) -> tuple[Sheet, int] | None:
    """A task and the place of a record in it: as the address says, or the first that waits."""
    asked, at = asking.query.get("task", ""), asking.query.get("at", "")
    for sheet in found:
        if sheet.task.id == asked and at.isdecimal() and 1 <= int(at[:9]) <= len(sheet.order):
            return sheet, int(at[:9]) - 1
    for sheet in found:
        if sheet.waiting and asked in ("", sheet.task.id):
            return sheet, sheet.order.index(sheet.waiting[0])
    return None


def _record(asking: Asking, sheet: Sheet, number: int, marks: Marked) -> dict[str, Any]:
    """One record as the template shows it."""
    record, task = sheet.order[number], sheet.task
    shown, decides = sheet.records[record], sheet.decides(record)
    following = sheet.after(number)
    mine = sheet.mine.get(record)
    said = texts_of(asking.lake, asking.use_case, sheet, record) if mine or decides else {}
    own = said[mine] if mine else None
    return {
        "sheet": sheet,
        "record": record,
        "task": task.id,
        "field": task.field,
        "labels": task.labels,
        "as_buttons": len(task.labels) <= BUTTONS,
        "parts": parts_of(shown.text),
        "answer": own if own is not None else shown.answer,
        "mine": own,
        "waits": record in sheet.waiting,
        "disputed": sorted(said[one] for one in sheet.values(record)) if decides else [],
        "at": number + 1,
        "of": len(sheet.order),
        "judged": len([one for one in sheet.order if one in sheet.mine]),
        "waiting": len(sheet.waiting),
        "back": _address(asking, task.id, number) if number else "",
        "skip": _address(asking, task.id, following + 1) if following is not None else "",
        "here_again": _address(asking, task.id, number + 1),
        "entities": marks.entities,
        "placeholders": choices(shown.messages),
    }


def _address(asking: Asking, task: str, at: int) -> str:
    return f"annotate?of={asking.name}&task={task}&at={at}"


def _task(sheet: Sheet) -> dict[str, Any]:
    state = sheet.state
    agreement = agreed_in_words(state["agreement"]) if state["agreement"] else "nobody has judged yet"
    gone = len(sheet.task.before) - len(sheet.order)
    return {**state, "disputed": len(state["disputed"]), "agreement": agreement, "gone": gone}


def _links(found: list[Sheet], waiting: Any) -> list[dict[str, Any]]:
    """Records with a placeholder that waits for a second person, where a task has them."""
    links = {}
    for mark in waiting:
        for sheet in found:
            if mark.record_id in sheet.order and mark.record_id not in links:
                links[mark.record_id] = {"task": sheet.task.id, "at": sheet.order.index(mark.record_id) + 1}
    return list(links.values())
