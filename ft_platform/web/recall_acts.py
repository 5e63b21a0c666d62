"""What the forms of the page do where recall is measured on own records: each record that they show was asked for with
a purpose, and stands in the audit log before it is shown."""

from functools import partial
from typing import Any

from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.annotation.marks import entities_to_mark
from ft_platform.evaluation.annotation.own_recall import progress_of
from ft_platform.lake.keys.key_ring import pseudonym_key_place, read_key_ring
from ft_platform.lake.versions import TableVersion
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.looks.door import Door, LookEnded, SecondPersonNeeded, Wanted
from ft_platform.people.looks.look import Look
from ft_platform.people.person import Person
from ft_platform.privacy.marked_record import answer_of, findings, pieces_of
from ft_platform.privacy.own_sample import OTHER, OwnSample, begin_sample, keep_answer, texts_behind
from ft_platform.privacy.recall_verdict import measure_recall
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.asking import Act, Asking, Form, View

TABLE = "cleaned_records"
MAY_NOT = f"may not {ACTIONS['read_records'].says}"
Shown = dict[str, Any]


def _begin(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> Shown:
    """A look at records, and the first that nobody has answered."""
    door, confirmed = _door(environment, asking), form.get("number", "").strip()
    rules = asking.use_case.policy.looks
    wanted = Wanted(asking.name, TABLE, form.get("purpose", ""), form.get("reason", ""), rules.rows)
    look = _entered(door, asking, person, confirmed) if confirmed else _opened(door, person, wanted)
    return _following(door, look, asking, person, begin_sample(asking.lake, asking.use_case, person))


def _mark(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> Shown:
    """Keeps what was tapped, and shows the next record. The same form sent twice changes nothing."""
    door = _door(environment, asking)
    look = _entered(door, asking, person, form.get("look", ""))
    sample, record = begin_sample(asking.lake, asking.use_case, person), form.get("record", "")
    if record != sample.following and not (form.get("again") and record in sample.answers):
        return _following(door, look, asking, person, sample)
    anonymized = _anonymized(asking)
    _, texts = texts_behind(asking.lake, anonymized, record)
    pieces = pieces_of(texts, findings(asking.use_case.settings.privacy, texts))
    try:
        answer = answer_of(pieces, _numbers(form, "missed"), _numbers(form, "wrong"), form.get("kind", ""))
    except ConfigError as problem:
        return _shown(door, look, asking, person, sample, record) | {"problem": problem.message}
    sample = keep_answer(asking.lake, asking.use_case, sample, record, answer, person)
    if sample.is_over(asking.use_case.settings.privacy.min_recall):
        measure_recall(asking.lake, asking.use_case, anonymized)
    return _following(door, look, asking, person, sample)


def _back(environment: Environment, asking: Asking, person: Person, _view: View, form: Form) -> Shown:
    """The record that was answered last, to be corrected."""
    door = _door(environment, asking)
    look, sample = _entered(door, asking, person, form.get("look", "")), begin_sample(*asking[:2], person)
    if not sample.answered:
        return _following(door, look, asking, person, sample)
    return _shown(door, look, asking, person, sample, sample.answered[-1].record) | {"again": True}


def _following(door: Door, look: Look, asking: Asking, person: Person, sample: OwnSample) -> Shown:
    if sample.is_over(asking.use_case.settings.privacy.min_recall) or sample.following is None:
        return {"progress": progress_of(sample, asking.use_case), "look": look.number, "record": ""}
    return _shown(door, look, asking, person, sample, sample.following)


def _shown(door: Door, look: Look, asking: Asking, person: Person, sample: OwnSample, record: str) -> Shown:
    """A record with what was found in it. What cannot be noted is not shown."""
    version, texts = texts_behind(asking.lake, _anonymized(asking), record)
    try:
        look = door.show(look, person, version.id, [record])
    except LookEnded as ended:
        raise _ended(ended) from None
    return {
        "progress": progress_of(sample, asking.use_case),
        "look": look.number,
        "record": record,
        "texts": pieces_of(texts, findings(asking.use_case.settings.privacy, texts)),
        "kinds": entities_to_mark(asking.use_case),
        "other": OTHER,
        "before": bool(sample.answered),
    }


def _door(environment: Environment, asking: Asking) -> Door:
    use_case = asking.use_case
    log = audit_log_of(asking.lake, {use_case.name: use_case.path} if use_case.path else {})
    ring = partial(read_key_ring, pseudonym_key_place(environment))
    return Door(log, asking.permissions, use_case.policy.looks, ring)


def _opened(door: Door, person: Person, wanted: Wanted) -> Look:
    try:
        return door.enter(person, wanted)
    except SecondPersonNeeded as waits:
        raise _waiting(waits) from None


def _entered(door: Door, asking: Asking, person: Person, number: str) -> Look:
    if not (number.isascii() and number.isdecimal() and len(number) < 12):
        raise ConfigError(["the number of a look is a whole number"])
    try:
        return door.enter_again(person, int(number), asking.name, TABLE)
    except SecondPersonNeeded as waits:
        raise _waiting(waits) from None
    except LookEnded as ended:
        raise _ended(ended) from None


def _waiting(waits: SecondPersonNeeded) -> DataError:
    return DataError(waits.message, waits.next_step)


def _ended(ended: LookEnded) -> DataError:
    return DataError(ended.message, "What you marked is kept. Say again what you look at records for, to go on")


def _anonymized(asking: Asking) -> TableVersion:
    found = asking.lake.latest(asking.name, "anonymized_records")
    if found is None:
        raise DataError(f"{asking.name} has no anonymized_records", f"Run: ft run {asking.name} --until data_report")
    return found


def _numbers(form: Form, name: str) -> set[int]:
    given = [one for one in form.get(name, "").split(",") if one]
    if not all(one.isascii() and one.isdecimal() and len(one) < 8 for one in given):
        raise ConfigError(["this form is not one of this page"])
    return {int(one) for one in given}


def recall_acts(environment: Environment) -> dict[str, Act]:
    """What each form asks for -> what does it. No run follows: the verdict is kept at once."""
    done = {"begin": _begin, "mark": _mark, "back": _back}
    return {name: Act(partial(do, environment), MAY_NOT, changes=False) for name, do in done.items()}
