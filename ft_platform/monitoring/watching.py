"""From day to day: what is watched of the release that answers, and which measure raised an alarm and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, get_args

import numpy as np

from ft_platform.monitoring import alarms
from ft_platform.monitoring.causes import causes
from ft_platform.monitoring.day_reports import Alarm, Kind
from ft_platform.monitoring.embedded import MOST_TEXTS, Embedded, day_embedded, vectors_of
from ft_platform.monitoring.embeddings import DIRECTION, DISTANCE, Days, space_of
from ft_platform.monitoring.measures import Column, Measure, day_counts, fit_rows, measure_of
from ft_platform.monitoring.reference import Reference
from ft_platform.monitoring.served import Served
from ft_platform.monitoring.texts import new_words, text_columns, words_of
from ft_platform.use_case.settings.monitoring import Watch, Watched

INPUTS = ("characters", "prompt_tokens", "language", "new_words", DISTANCE, DIRECTION)
ASKED = ("word", "language", "key", "route")
GOES_WITH = {
    "label": ("label",),
    "language": ("language", "key", "route"),
    "guardrails": ("guardrail", *ASKED),
    "estimated_accuracy": ("label", *ASKED),
}
"""Measure -> kinds of values that can explain its alarm; of all others `ASKED`, what was asked and by whom."""
FIRST_ROWS = 100
"""The first day with so many values is the reference of a measure that the test split has no values of."""


@dataclass(frozen=True)
class Kept:
    """What is kept from day to day while one release answers most.

    Attributes:
        reference: id of the evaluation report.
        state: of the alarms.
        history: `{"day", "requests", "errors", ...}` of the last days, oldest first.
        embedded: of embeddings.
    """

    release: str
    reference: str
    state: alarms.State
    history: tuple[Mapping[str, Any], ...] = ()
    embedded: Embedded = field(default_factory=Embedded)

    def to_json(self) -> str:
        said = {"release": self.release, "reference": self.reference, "history": self.history}
        return json.dumps(
            {**said, "embedded": asdict(self.embedded), "state": json.loads(alarms.to_json(self.state))}, sort_keys=True
        )

    @staticmethod
    def from_json(text: str) -> "Kept":
        found = json.loads(text)
        state = alarms.from_json(json.dumps(found["state"]))
        days, towards = found["embedded"].pop("days"), tuple(found["embedded"].pop("towards"))
        days = Days(**{**days, **{name: tuple(days[name]) for name in ("total", "late_total")}})
        embedded = Embedded(days, towards, **found["embedded"])
        return Kept(found["release"], found["reference"], state, tuple(found["history"]), embedded)


def kind_of(measure: str) -> Kind:
    return "inputs" if measure in INPUTS else "outputs"


def begun(reference: Reference, watch: Watch) -> alarms.State:
    """The state before the first day of a release. What the test split has no values of begins with its traffic."""
    names = [name for name in get_args(Watched) if name not in watch.leave_out]
    columns = {**reference.columns, **reference.text_columns}
    columns = {name: column for name, column in columns.items() if name in names}
    if len(reference.side) < alarms.LEAST_REQUESTS or not columns:
        return alarms.State({}, len(names), watch.false_alarms)
    state = alarms.started(columns, rate=watch.false_alarms)
    if reference.vectors is not None and DISTANCE in names:
        distances = space_of(reference.vectors).distance(reference.vectors)
        apart = alarms.started({DISTANCE: distances}, rate=watch.false_alarms)
        state = replace(state, watched={**state.watched, **apart.watched})
    return replace(state, shares=len(names))


def columns_of(served: Served, reference: Reference) -> list[dict[str, Column]]:
    """Every measure of a day. Columns in one mapping have the same rows."""
    texts = served.first_texts()
    asked = [text for _, text, _ in texts]
    answers = [answer for *_, answer in texts] if reference.answers is None else None
    of_texts = {**text_columns(asked, answers), "new_words": new_words(asked, reference.vocabulary)} if texts else {}
    return [*served.columns(), of_texts]


def embedded(kept: Kept, served: Served, reference: Reference, watch: Watch) -> tuple[Kept, dict[str, Column]]:
    """What is kept with the direction of this day, and the columns of embeddings; none without texts, or where their
    distance is not watched."""
    texts = served.first_texts()
    if watch.encoder is None or DISTANCE not in kept.state.watched or not texts:
        return kept, {}
    assert reference.vectors is not None
    today = vectors_of(watch.encoder, [text for _, text, _ in sorted(texts)[:MOST_TEXTS]])  # ids are random
    learned = DIRECTION not in watch.leave_out
    state, found, columns = day_embedded(kept.state, kept.embedded, reference.vectors, today, learned)
    return replace(kept, state=state, embedded=found), columns


def after_day(
    state: alarms.State, day: str, columns: Sequence[Mapping[str, Column]], watch: Watch
) -> tuple[alarms.State, dict[str, np.ndarray]]:
    """The state after a day, and the counts of its measures."""
    counts: dict[str, np.ndarray] = {}
    for some in columns:
        known = [state.watched[name].measure for name in some if name in state.watched]
        counts |= day_counts(known, some) if known else {}
    apart = watch.weekends_apart and date.fromisoformat(day).weekday() > 4
    state = alarms.day_passed(state, day, counts, "weekend" if apart else "all")
    for name, column in ((name, column) for some in columns for name, column in some.items()):
        if name not in state.watched and name not in watch.leave_out and _values(column) >= FIRST_ROWS:
            fit = fit_rows(len(column))
            measure = measure_of(name, [v for v, chosen in zip(column, fit, strict=True) if chosen])
            rest = measure.counts([v for v, chosen in zip(column, fit, strict=True) if not chosen])
            state = alarms.renewed(state, measure, rest)
    return state, counts


def _values(column: Column) -> int:
    return sum(value is not None for value in column)


def new_alarms(
    state: alarms.State, day: str, counts: Mapping[str, np.ndarray], cause: Sequence[dict[str, Any]]
) -> list[Alarm]:
    """Of the measures that raised one on this day."""
    found, levels = [], state.levels()
    for name, since in state.alarms.items():
        if since == day:
            one = state.watched[name]
            before = sum((np.asarray(counted) for counted in one.reference.values()), np.zeros(one.measure.bins))
            about = causes_of(name, cause)
            what, old, new = _moved(one.measure, before, counts[name])
            if about and about[0]["kind"] == name:  # over all records, not only those that chose no bins
                what, old, new = f"{name} {about[0]['value']}", about[0]["before"], about[0]["now"]
            said = (
                f"{what}: {old:.1%} before, {new:.1%} of {counts[name].sum():,} on {day}; the evidence of all days is"
                f" {levels[name]:.1f} times what an alarm takes"
            )
            shown = records_of(about)
            found.append(Alarm(what=name, kind=kind_of(name), since=day, evidence=said, cause=about, records=shown))
    return found


def causes_of(measure: str, moved: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What can explain the alarm of a measure, of all that moved: its own values first.

    A label that became frequent says why labels moved, and nothing of, say, how long requests are.
    """
    kinds = GOES_WITH.get(measure, ASKED)
    own = [one for one in moved if one["kind"] == measure]
    return own or [one for one in moved if one["kind"] in kinds]


def records_of(cause: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ids of requests to look at: those with the first value that became more frequent."""
    return next((list(one["records"]) for one in cause if one["records"]), [])


def _moved(measure: Measure, before: np.ndarray, now: np.ndarray) -> tuple[str, float, float]:
    """What moved most, with its share before and now: a value of names; of numbers those up to a bound, where the
    distributions are furthest apart (as in the test of Kolmogorov and Smirnov)."""
    old, new = (counts / max(counts.sum(), 1) for counts in (before, now))
    if measure.bounds is None:
        names = [f"{measure.name} {value}" for value in (*measure.values, "of any other value")]
    else:
        old, new = (np.append(shares[0], np.cumsum(shares[1:])) for shares in (old, new))
        names = [f"requests without {measure.name}", *(f"{measure.name} up to {bound:.4g}" for bound in measure.bounds)]
    place = int(np.argmax(np.abs(new - old)[: len(names)]))
    return names[place], float(old[place]), float(new[place])


def what_moved(reference: Reference, before: Served, now: Served) -> list[dict[str, Any]]:
    """Labels, languages and words against the test split; keys, routes and guardrails against the days before.

    Args:
        before: the week before, of the same release.
        now: the days in question.
    """
    shown = reference.shown_words if now.texts else frozenset()
    tested = {name: list(reference.columns[name]) for name in ("label",) if name in reference.columns}
    asked = [text for _, text, _ in now.first_texts()]
    answers = now.answers(once=True)
    moved = causes(
        tested,
        {"label": [one["decision"] for one in answers]},
        reference.side.rows["record_id"].to_pylist(),
        [one["request_id"] for one in answers],
    )
    texts = {"word": [words_of(text) & shown for text in asked], **_languages(text_columns(asked, None))}
    known = {
        "word": [words_of(text) & shown for text in reference.side.texts] if asked else [],
        **_languages(reference.text_columns if asked else {}),
    }
    if asked:
        moved += causes(known, texts, reference.side.rows["record_id"].to_pylist(), [i for i, *_ in now.first_texts()])
    moved += causes(_sources(before), _sources(now), _ids(before), _ids(now))
    return [asdict(one) for one in sorted(moved, key=lambda one: (one.probability, -abs(one.now - one.before)))]


def _languages(columns: Mapping[str, Column]) -> dict[str, Any]:
    return {"language": columns["language"]} if "language" in columns else {}


def _sources(served: Served) -> dict[str, list[Any]]:
    return {
        "key": [one["key"] for one in served.requests],
        "route": [one["route"] for one in served.requests],
        "guardrail": [one["guardrails"] or [] for one in served.requests],
    }


def _ids(served: Served) -> list[str]:
    return [one["request_id"] for one in served.requests]
