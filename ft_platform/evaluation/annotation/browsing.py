"""A task as experts see it in the browser: one record at a time, on anonymized text.

Nobody sees the label that a record has, nor what another rater said, before they have judged: both would be believed.
Only the arbiter of a record sees both values, in the order of their words and without names. An answer is shown, to be
corrected. Covered: records that were erased or withdrawn since the task was made are not shown; whoever has judged a
record in the browser is no arbiter of it. Not covered: a rater who hands in a file under another handle besides."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ft_platform.errors import AnswersRefused
from ft_platform.evaluation.annotation.answers import Judgements
from ft_platform.evaluation.annotation.repairs import add_judgements, answers_of, handed_in, merged, state_after
from ft_platform.evaluation.annotation.task import Task, answer_hash, plain, tasks
from ft_platform.evaluation.annotation.tasks import candidates, usable
from ft_platform.lake.store import Lake
from ft_platform.people.person import Person
from ft_platform.records.cells import MOST_CHARACTERS
from ft_platform.records.columns import SIDES
from ft_platform.use_case.named import NamedUseCase

RATERS = 2
"""Who judge a record; a third one is its arbiter."""
SECONDS = 60.0
"""So long it is believed that `splits` may be used: asking takes longer than a page may."""


@dataclass(frozen=True)
class Shown:
    """A record.

    Attributes:
        text: what a person reads.
        answer: its present answer; None where a label is asked for.
        messages: all its texts.
    """

    text: str
    answer: str | None
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A task as one person sees it.

    Attributes:
        records: those that can be shown, in the order of the task.
        ratings, decided: of raters and of arbiters: rater -> record id -> label, or sha256 of the answer.
        state: as `repairs.state_of`.
        handed_in: statements of the task.
        rater: handle of the person; empty: nobody has signed in.
    """

    task: Task
    records: Mapping[str, Shown]
    ratings: Mapping[str, Mapping[str, str]]
    decided: Mapping[str, Mapping[str, str]]
    state: Mapping[str, Any]
    handed_in: list[dict[str, Any]]
    rater: str

    @cached_property
    def order(self) -> list[str]:
        return [record for record in self.task.before if record in self.records]

    @property
    def mine(self) -> Mapping[str, str]:
        return {**self.ratings.get(self.rater, {}), **self.decided.get(self.rater, {})}

    @cached_property
    def to_decide(self) -> list[str]:
        """Records on which others disagree."""
        disputed = set(self.state["disputed"])
        return [record for record in self.order if record in disputed and record not in self.mine]

    @cached_property
    def waiting(self) -> list[str]:
        """Records that wait for this person, to be judged or decided."""
        return [one for one in self.order if one not in self.mine and (one in self.to_decide or self._lacks(one))]

    def _lacks(self, record: str) -> bool:
        return sum(record in records for records in self.ratings.values()) < RATERS

    def after(self, place: int) -> int | None:
        """Place of the next record that waits for this person, from the first one again after the last."""
        places = [self.order.index(record) for record in self.waiting]
        return next((one for one in places if one > place), next((one for one in places if one != place), None))

    def decides(self, record: str) -> bool:
        """Whether this person is the arbiter of a record, or was."""
        return record in self.to_decide or record in self.decided.get(self.rater, {})

    def values(self, record: str) -> list[str]:
        """What raters said about a record, each once."""
        return sorted({records[record] for records in self.ratings.values() if record in records})


def handle_of(person: Person) -> str:
    """What a person who signed in is called as a rater: no name, and always the same."""
    return f"user_{hashlib.sha256(person.name.casefold().encode()).hexdigest()[:12]}"


def sheets(lake: Lake, use_case: NamedUseCase, person: Person | None) -> list[Sheet]:
    """Every task, newest first.

    Raises:
        DataError: there are no splits.
        VersionRefused: they may not be used.
    """
    known = tasks(lake, use_case)
    records = shown_records(lake, use_case) if known else {}
    said, rater = handed_in(lake, use_case, once=True), handle_of(person) if person else ""
    found = []
    for task in known:
        own = said.get(task.id, [])
        found.append(Sheet(task, records, *merged(own), state_after(use_case, task, own), own, rater))
    return found


_known: dict[tuple[str, str], tuple[object, float, dict[str, Shown]]] = {}


def shown_records(lake: Lake, use_case: NamedUseCase) -> dict[str, Shown]:
    """The records of the newest `splits` that are in any task. Kept until there is another version, a task is made or
    somebody is erased, and `SECONDS` at most. Raises as `sheets`."""
    splits, place, now = lake.latest(use_case.name, "splits"), (str(lake.root), use_case.name), time.monotonic()
    erased = lake.erased_rows(splits).numbers() if splits else None
    state = (splits, erased, lake.artifact_paths(use_case.name, "annotation_task"))
    known = _known.get(place)
    if known is None or known[0] != state or now - known[1] > SECONDS:
        known = _known[place] = (state, now, _read(lake, use_case))
    return known[2]


def _read(lake: Lake, use_case: NamedUseCase) -> dict[str, Shown]:
    wanted = {record for task in tasks(lake, use_case) for record in task.before}
    there, _ = candidates(use_case, usable(lake, use_case)[1], SIDES)
    found = zip(there.ids, there.texts, there.side.answers, there.side.messages(), strict=True)
    return {
        record: Shown(
            text,
            answer if there.field == "answer" else None,
            tuple(one["content"] or "" for one in messages or ()),
        )
        for record, text, answer, messages in found
        if record in wanted
    }


def judge(lake: Lake, use_case: NamedUseCase, sheet: Sheet, record: str, value: str, person: Person) -> None:
    """Keeps what a person says about a record, and repairs it if that settles it.

    Raises:
        AnswersRefused: it is no label of the use case, empty, too long, holds personal data, or is no JSON that the
            task asks for.
    """
    value, task = plain(value), sheet.task
    if task.field == "label" and value not in task.labels:
        raise AnswersRefused(["this is no label of the use case"])
    if not value or len(value) > MOST_CHARACTERS:
        raise AnswersRefused([f"an answer has 1 to {MOST_CHARACTERS:,} characters"])
    rater = handle_of(person)
    found = Judgements(task, {rater: {record: value}}, {rater: {record: ""}})
    add_judgements(lake, use_case, found, person, [rater] if sheet.decides(record) else [], sheet.handed_in)


def texts_of(lake: Lake, use_case: NamedUseCase, sheet: Sheet, record: str) -> dict[str, str]:
    """Value -> its words, of what raters and this person said about a record. Words that were erased are empty."""
    values = {*sheet.values(record), *([sheet.mine[record]] if record in sheet.mine else [])}
    if sheet.task.field == "label":
        return {value: value for value in values}
    known, present = answers_of(lake, use_case, sheet.task.id), sheet.records[record].answer or ""
    words = {answer_hash(present): present}
    return {value: known.get((record, value)) or words.get(value, "") for value in values}
