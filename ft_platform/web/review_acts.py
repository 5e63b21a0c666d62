"""What the forms of a review in the browser do: the functions that `ft review` calls, and what raters say."""

from ft_platform.errors import ConfigError
from ft_platform.evaluation.review.online import criteria_in, drop, start_review
from ft_platform.evaluation.review.rating import begin, judge
from ft_platform.people.actions import ACTIONS
from ft_platform.people.person import Person
from ft_platform.reporting.publishing.review import publish_review
from ft_platform.web.portal_pages.asking import Act, Asking, Form, View

MAY_NOT_JUDGE = f"may not {ACTIONS['review'].says}"
MAY_NOT_START = f"may not {ACTIONS['start_reports'].says}"


def _begin(asking: Asking, person: Person, _view: View, _form: Form) -> None:
    begin(asking.lake, asking.use_case, person, asking.permissions)


def _judge(asking: Asking, person: Person, _view: View, form: Form) -> None:
    place = _number(form, "place", "the record")
    judge(asking.lake, asking.use_case, person, asking.permissions, place, form)


def _back(_asking: Asking, _person: Person, view: View, _form: Form) -> dict[str, bool] | None:
    """Shows what was said last."""
    return {"back": True} if view.values.get("last") else None


def _start(asking: Asking, person: Person, _view: View, form: Form) -> None:
    start_review(
        asking.lake,
        asking.use_case,
        person,
        asking.permissions,
        alternative=form.get("alternative", ""),
        most=_number(form, "most", "the most records"),
        raters=form.get("raters", "").replace(",", " ").split(),
        criteria=criteria_in(form.get("criteria", "").splitlines()),
    )


def _publish(asking: Asking, person: Person, _view: View, _form: Form) -> None:
    publish_review(asking.lake, asking.use_case, person)


def _drop(asking: Asking, person: Person, _view: View, form: Form) -> None:
    drop(asking.lake, asking.use_case, person, form.get("reason", ""))


def _number(form: Form, name: str, what: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise ConfigError([f"{what} must be a whole number"])
    return int(text)


JUDGE = {
    "begin": Act(_begin, MAY_NOT_JUDGE, changes=False),
    "judge": Act(_judge, MAY_NOT_JUDGE, changes=False),
    "back": Act(_back, MAY_NOT_JUDGE, changes=False),
}
"""What is said of a record is kept in a transaction of its own, so raters need not wait for each other."""
MANAGE = {
    "start": Act(_start, MAY_NOT_START),
    "publish": Act(_publish, MAY_NOT_START),
    "drop": Act(_drop, MAY_NOT_START),
}
