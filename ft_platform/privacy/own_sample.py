"""A sample of a use case's own records in which a person marks what the recognizers missed or took for personal data,
until the recall is clear.

The order is drawn before the first answer and kept, signed, with the weight of each draw (`sequential_recall`): nearly
each record as likely as any other, and `EVEN` of the draws for the group of `Strata` that was drawn least, until
`LEAST_OF_EACH` of each group were seen. Each answer is a signed statement with numbers by kind: no word of a record.
Covered: a record that is drawn again counts again and is not asked for again; records that were erased since are left
out; later versions of the records, as long as the recognizers are the same and half of the records were there when it
was drawn. Not covered: whether people see all that is missed."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ft_platform.errors import DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.parents import tables_behind
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import state, statements
from ft_platform.privacy.sequential_recall import Interval, Seen, interval, records_to_go
from ft_platform.privacy.strata import Strata, entities_of
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

SAMPLES, ANSWERS = "recall_sample", "recall_answer"
"""The statements."""
EVEN = 0.3
"""Share of the draws that rare groups get: no record counts more than 1 / (1 - EVEN) = 1.43 times as much as without
them, which costs as many records more."""
LEAST_OF_EACH = 3
"""Records of each group that are looked at before anything is proven."""
LEAST_RECORDS = 20
"""Records with personal data before anything is proven, as of a file of annotated texts (`annotated.LEAST_TEXTS`)."""
MOST_DRAWS = 600
OTHER = "OTHER"
"""Kind of missed words that is none of those that are looked for, or several."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw. `group`: of `Strata`. `weight`, `largest`: as in `sequential_recall.Seen`."""

    record: str
    group: str
    weight: float
    largest: float


@dataclass(frozen=True)
class Answer:
    """What a person said about a record: kind -> places that were found rightly, taken for personal data wrongly, and
    missed."""

    found: Mapping[str, int]
    wrong: Mapping[str, int]
    missed: Mapping[str, int]

    def share(self, kind: str = "") -> float | None:
        """Found of the personal data of a kind, or of all kinds; None: there is none."""
        found, missed = (one.get(kind, 0) if kind else sum(one.values()) for one in (self.found, self.missed))
        return found / (found + missed) if found + missed else None


@dataclass(frozen=True)
class OwnSample:
    """A sample as far as it was answered.

    Attributes:
        id: of its statement.
        draws: those whose records are still there.
        answers: record id -> answer.
    """

    id: str
    draws: Sequence[Draw]
    answers: Mapping[str, Answer]

    @cached_property
    def answered(self) -> list[Draw]:
        """Draws up to the first one without an answer."""
        places = (place for place, one in enumerate(self.draws) if one.record not in self.answers)
        return list(self.draws[: next(places, len(self.draws))])

    @property
    def records(self) -> int:
        return len({one.record for one in self.answered})

    @property
    def with_any(self) -> int:
        """Records with personal data."""
        return len({one.record for one in self.answered if self.answers[one.record].share() is not None})

    @property
    def following(self) -> str | None:
        """The record to look at next; None: all that were drawn are answered."""
        place = len(self.answered)
        return self.draws[place].record if place < len(self.draws) else None

    def seen(self, kind: str = "") -> list[Seen]:
        return [Seen(self.answers[one.record].share(kind), one.weight, one.largest) for one in self.answered]

    @cached_property
    def recall(self) -> Interval:
        return interval(self.seen())

    @cached_property
    def kinds(self) -> dict[str, dict[str, Any]]:
        """Kind -> `{"recall", "low", "high", "spans", "texts"}`, the least found first."""
        answers = [self.answers[one] for one in {draw.record for draw in self.answered}]
        found = {}
        for kind in sorted({kind for one in answers for kind in (*one.found, *one.missed)}):
            rate = interval(self.seen(kind))
            spans = sum(one.found.get(kind, 0) + one.missed.get(kind, 0) for one in answers)
            if rate.value is not None:
                texts = sum(one.share(kind) is not None for one in answers)
                figures = {"recall": rate.value, "low": rate.low, "high": rate.high}
                found[kind] = {name: round(value, 4) for name, value in figures.items()} | {
                    "spans": spans,
                    "texts": texts,
                }
        return dict(sorted(found.items(), key=lambda item: (item[1]["recall"], item[0])))

    @property
    def places(self) -> tuple[int, int]:
        """Found rightly, and missed."""
        answers = [self.answers[one] for one in {draw.record for draw in self.answered}]
        return sum(sum(one.found.values()) for one in answers), sum(sum(one.missed.values()) for one in answers)

    @cached_property
    def groups_seen_after(self) -> int:
        """Draws after which `LEAST_OF_EACH` records of each group were seen, or all that were drawn of it."""
        there = {group: {one.record for one in self.draws if one.group == group} for group in self._groups}
        seen: dict[str, set[str]] = defaultdict(set)
        for place, one in enumerate(self.draws):
            if all(len(seen[group]) >= min(LEAST_OF_EACH, len(records)) for group, records in there.items()):
                return place
            seen[one.group].add(one.record)
        return len(self.draws)

    @property
    def _groups(self) -> set[str]:
        return {one.group for one in self.draws}

    def is_above(self, floor: float) -> bool:
        """Whether the recall is shown to reach the floor."""
        return self.recall.low >= floor and self._saw_enough

    @property
    def _saw_enough(self) -> bool:
        return len(self.answered) >= self.groups_seen_after and self.with_any >= LEAST_RECORDS

    def below(self, floor: float) -> list[str]:
        """Kinds that are shown to be found less often; an empty name: all together."""
        rates = {"": self.recall.high} | {kind: one["high"] for kind, one in self.kinds.items() if kind != OTHER}
        return [kind for kind, high in rates.items() if high < floor]

    def says_something(self, floor: float) -> bool:
        """Whether it is over, or less was found than the floor asks for."""
        recall = self.recall.value
        return bool(self.answered) and (self.is_over(floor) or (recall is not None and recall < floor))

    def is_over(self, floor: float) -> bool:
        return self.following is None or self.is_above(floor) or bool(self.below(floor))

    def to_go(self, floor: float) -> int | None:
        """About how many records are left where nothing more is missed; None: nobody can tell."""
        left = records_to_go(self.seen(), floor)
        if left is None:
            return None
        for_groups = {one.record for one in self.draws[len(self.answered) : self.groups_seen_after]}
        return max(left, len(for_groups - {*self.answers}), LEAST_RECORDS - self.with_any)


def drawn(anonymized: Rows, seed: int, most: int = MOST_DRAWS) -> list[Draw]:
    """The order in which records are looked at. Equal seeds and records give the same.

    Raises:
        DataError: there are no records.
    """
    strata = Strata(anonymized)
    if not strata.records:
        raise DataError("there is no record to look at", "Look at anonymized_records")
    members: dict[str, list[str]] = defaultdict(list)
    for record, entities in entities_of(anonymized):
        members[strata.of(entities)].append(record)
    groups = sorted(members)
    parts = np.array([len(members[group]) / strata.records for group in groups])
    rng, draws = np.random.default_rng(seed), []
    seen: dict[str, set[str]] = defaultdict(set)
    for _ in range(most):
        lacking = [one for one in groups if len(seen[one]) < min(LEAST_OF_EACH, len(members[one]))]
        chances, largest = parts, 1.0
        if lacking:
            least = min(lacking, key=lambda one: (len(seen[one]), len(members[one]), one))
            chances = (1 - EVEN) * parts + EVEN * np.array([one == least for one in groups])
            largest = 1 / (1 - EVEN)
        place = int(rng.choice(len(groups), p=chances / chances.sum()))
        record = members[groups[place]][int(rng.integers(len(members[groups[place]])))]
        seen[groups[place]].add(record)
        draws.append(Draw(record, groups[place], min(float(parts[place] / chances[place]), largest), largest))
    return draws


def recognizers_hash(use_case: NamedUseCase) -> str:
    """Of all that decides what is found in a text."""
    from ft_platform.privacy.ner import identity

    privacy = use_case.settings.privacy
    return settings_hash(
        {"privacy": privacy.in_anonymization.model_dump(mode="json"), "recognizers": identity(privacy)}
    )


def begin_sample(lake: Lake, use_case: NamedUseCase, person: Person) -> OwnSample:
    """The sample that counts for the newest records, or a new one.

    Raises:
        DataError: there are no anonymized records.
        VersionRefused: the lake was opened without keys.
    """
    anonymized = lake.latest(use_case.name, "anonymized_records")
    if anonymized is None:
        problem = f"{use_case.name} has no anonymized_records to draw from"
        raise DataError(problem, f"Run: ft run {use_case.name} --until data_report")
    if (known := own_sample(lake, use_case, anonymized)) is not None:
        return known
    recognizers = recognizers_hash(use_case)
    seed = int(hashlib.sha256(f"{anonymized.id}{anonymized.content_hash}{recognizers}".encode()).hexdigest()[:16], 16)
    rows = lake.rows(anonymized)
    draws = drawn(rows, seed)
    note(lake, use_case, "annotation", "drew records to measure recall", person, source=anonymized.id)
    said = {"recognizers": recognizers, "of": anonymized.id, "records": rows.num_rows} | {
        "draws": [[one.record, one.group, one.weight, one.largest] for one in draws]
    }
    said |= {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
    return OwnSample(state(lake, use_case, SAMPLES, said, [])["id"], draws, {})


def own_sample(lake: Lake, use_case: NamedUseCase, anonymized: TableVersion) -> OwnSample | None:
    """The newest sample that says something about these records; None: there is none.

    Raises:
        CorruptVersion: a statement was altered.
    """
    if lake.signing is None:
        return None
    recognizers, present = recognizers_hash(use_case), None
    for one in statements(lake, use_case, SAMPLES):
        if one.taken_back or one.said["recognizers"] != recognizers:
            continue
        present = present if present is not None else _record_ids(lake, anonymized)
        draws = [Draw(*draw) for draw in one.said["draws"]]
        there = [draw for draw in draws if draw.record in present]
        if 2 * one.said["records"] * len(there) / len(draws) >= len(present):
            return OwnSample(one.said["id"], there, _answers(lake, use_case, one.said["id"]))
    return None


def keep_answer(
    lake: Lake, use_case: NamedUseCase, sample: OwnSample, record: str, answer: Answer, person: Person
) -> OwnSample:
    """Keeps what a person says about a record of a sample; the newest answer counts. Returns the sample with it.

    Raises:
        DataError: the record was not drawn.
    """
    if record not in {one.record for one in sample.draws}:
        raise DataError("this record is not one of the sample")
    said = {"sample": sample.id, "record_id": record, "found": dict(answer.found), "wrong": dict(answer.wrong)}
    said |= {"missed": dict(answer.missed), "person": person.name, "known_by": person.known_by}
    note(lake, use_case, "annotation", "marked personal data in a record", person, sample=sample.id)
    state(lake, use_case, ANSWERS, {**said, "at": now("milliseconds")}, [])
    return OwnSample(sample.id, sample.draws, {**sample.answers, record: answer})


def texts_behind(lake: Lake, anonymized: TableVersion, record: str) -> tuple[TableVersion, list[str]]:
    """The table that anonymized records were made from, and the texts of one of its records.

    Raises:
        DataError: it is not there any more.
    """
    cleaned = tables_behind(lake, anonymized)["cleaned_records"]
    for batch in lake.rows(cleaned).batches(["record_id", "messages"]):
        ids = batch.column("record_id").to_pylist()
        if record in ids:
            messages = batch.column("messages")[ids.index(record)].as_py()
            return cleaned, [one["content"] or "" for one in messages or ()]
    raise DataError("this record is not among the records any more", "Look at the next one")


def _answers(lake: Lake, use_case: NamedUseCase, sample: str) -> dict[str, Answer]:
    standing = [one.said for one in statements(lake, use_case, ANSWERS) if not one.taken_back]
    found = {}
    for said in sorted(standing, key=lambda one: (one["at"], one["id"])):
        if said["sample"] == sample:
            found[said["record_id"]] = Answer(said["found"], said["wrong"], said["missed"])
    return found


def _record_ids(lake: Lake, version: TableVersion) -> Collection[str]:
    return {
        record
        for batch in lake.rows(version).batches(["record_id"])
        for record in batch.column("record_id").to_pylist()
    }


def counted(kinds: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(kinds).items()))
