"""What the forms of the page for experts do: the functions that `ft annotate import` and the anonymization call."""

from ft_platform.errors import ConfigError
from ft_platform.evaluation.annotation.browsing import Sheet, judge
from ft_platform.evaluation.annotation.marks import mark_missed, mark_none, mark_shown
from ft_platform.evaluation.annotation.personal_data import place_of
from ft_platform.evaluation.annotation.tasks import ORDERS, make_task
from ft_platform.people.actions import ACTIONS
from ft_platform.people.person import Person
from ft_platform.records.cells import MOST_CHARACTERS
from ft_platform.web.portal_pages.asking import Act, Asking, Form, View

MOST_ROWS = 10_000
Next = dict[str, str]


def _judge(asking: Asking, person: Person, view: View, form: Form) -> Next:
    sheet, record, number = _at(view)
    judge(asking.lake, asking.use_case, sheet, record, form.get("value", ""), person)
    following = sheet.after(number)
    return {"task": sheet.task.id, **({"at": str(following + 1)} if following is not None else {})}


def _missed(asking: Asking, person: Person, view: View, form: Form) -> Next:
    sheet, record, number = _at(view)
    texts, words, entity = sheet.records[record].messages, form.get("words", ""), form.get("entity", "")
    of = (asking.lake, asking.use_case, record, texts, words, entity, person)
    mark_missed(*of, everywhere=form.get("everywhere") == "yes")
    return _again(sheet, number)


def _shown(asking: Asking, person: Person, view: View, form: Form) -> Next:
    sheet, record, number = _at(view)
    place = place_of(form.get("placeholder", ""))
    mark_shown(asking.lake, asking.use_case, record, sheet.records[record].messages, place, person)
    return _again(sheet, number)


def _none(asking: Asking, person: Person, view: View, _form: Form) -> Next:
    sheet, record, number = _at(view)
    mark_none(asking.lake, asking.use_case, record, sheet.records[record].messages, person)
    return _again(sheet, number)


def _start(asking: Asking, person: Person, _view: View, form: Form) -> Next:
    rows, order = form.get("rows", ""), form.get("order", "")
    if not rows.isdecimal() or not 1 <= int(rows[:9]) <= MOST_ROWS or order not in ORDERS:
        raise ConfigError([f"a task has 1 to {MOST_ROWS:,} records, in the order {' or '.join(ORDERS)}"])
    made = make_task(asking.lake, asking.use_case, None, person, rows=int(rows[:9]), order=order)
    return {"task": made["task"]}


def _at(view: View) -> tuple[Sheet, str, int]:
    """The record that a form is about.

    Raises:
        ConfigError: the page shows none.
    """
    if view.values["record"] is None:
        raise ConfigError(["this page shows no record"])
    return view.values["sheet"], view.values["record"], view.values["at"] - 1


def _again(sheet: Sheet, number: int) -> Next:
    return {"task": sheet.task.id, "at": str(number + 1)}


REPAIR, SHOW_AGAIN = (f"may not {ACTIONS[name].says}" for name in ("repair", "show_again"))
ANNOTATE_ACTS = {
    "judge": Act(_judge, REPAIR, follows=False, most_characters=MOST_CHARACTERS),
    "missed": Act(_missed, REPAIR, follows=False),
    "shown": Act(_shown, SHOW_AGAIN, follows=False),
    "none": Act(_none, REPAIR, follows=False),
    "start": Act(_start, REPAIR, follows=False),
}
"""What a form asks for -> what does it. No run follows: what was corrected is learned from when people start one."""
