"""What experts say about personal data in anonymized texts: words that were missed, and placeholders that hide none.

Each mark is a signed statement with who and when, and names no word. The words stand in the table `marked_words` of the
restricted zone, beside the records that they are from, with the record and its person: `ft erase` takes them out with
all else of that person. Covered: words that were missed count at once, since hiding more is the safe side; what was
replaced without need is shown again only where a second person says the same, and both may say so (`show_again`).
Not covered: versions that were made before a mark still hold the words that were missed; words inside labels and
features."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import Stated, state, statements, take_back
from ft_platform.privacy.marked_spans import MARKED, InForce, found_in, originals_behind
from ft_platform.privacy.pseudonyms import normalized
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

MARKS, WORDS = "personal_data_marks", "marked_words"
"""The statements, and the table of the restricted zone."""
SCHEMA = pa.schema([(name, pa.string()) for name in ("record_id", "subject_id", "mark", "words")])
PERSONS = 2
"""Who have to say of a placeholder that it hides nothing."""
MOST_CHARACTERS = 200
"""Of the words of a mark."""
Kind = Literal["missed", "shown", "none"]
"""Words that were missed; a placeholder that hides no personal data; a record in which nothing is missing."""


@dataclass(frozen=True)
class Mark:
    """One mark, without its words.

    Attributes:
        id: of the statement.
        entity: of what was missed, or the placeholder.
        everywhere: in all records of the use case.
        words: which row of `marked_words`; empty: none.
        looked_at: how many words the text has.
    """

    id: str
    kind: Kind
    record_id: str
    entity: str
    everywhere: bool
    words: str
    looked_at: int
    person: str
    at: str


def standing_marks(lake: Lake, use_case: NamedUseCase) -> list[Mark]:
    """Every mark that nobody took back, oldest first.

    Raises:
        CorruptVersion: a statement was altered.
    """
    found = [_mark(one) for one in statements(lake, use_case, MARKS) if not one.taken_back]
    return sorted(found, key=lambda one: (one.at, one.id))


def _mark(stated: Stated) -> Mark:
    said = stated.said
    return Mark(**{name: said[name] for name in Mark.__dataclass_fields__})


def in_force(lake: Lake, use_case: NamedUseCase) -> InForce:
    """What marks change. Whose words were erased changes nothing any more. Raises as `standing_marks`."""
    marks = [one for one in standing_marks(lake, use_case) if one.words]
    if not marks:
        return InForce()
    words = _words(lake, use_case)
    known = [(one, words[one.words]) for one in marks if one.words in words]
    hidden: dict[str, list[tuple[str, str]]] = {}
    everywhere: list[tuple[str, str]] = []
    for one, text in known:
        if one.kind == "missed":
            hidden.setdefault(one.record_id, []).append((one.entity, text))
            everywhere += [(one.entity, text)] if one.everywhere else []
    shown: dict[str, list[str]] = {}
    agreed = [pair for pair in known if pair[0].kind == "shown" and _says_the_same(pair, known) >= PERSONS]
    for one, text in agreed:
        if text not in shown.setdefault(one.record_id, []):
            shown[one.record_id].append(text)
    counted = [one.id for one, _ in known if one.kind == "missed"] + [one.id for one, _ in agreed]
    fingerprint = settings_hash({"marks": sorted(counted)}) if counted else ""
    return InForce(hidden, everywhere, shown, fingerprint)


def _says_the_same(pair: tuple[Mark, str], known: Sequence[tuple[Mark, str]]) -> int:
    """How many persons."""
    mark, text = pair
    return len({one.person for one, words in known if _place(one, words) == _place(mark, text)})


def _place(mark: Mark, words: str) -> tuple[str, str, str]:
    return mark.kind, mark.record_id, normalized("", words)


def unconfirmed(lake: Lake, use_case: NamedUseCase) -> list[Mark]:
    """Placeholders of which one person says that they hide nothing. Raises as `standing_marks`."""
    marks = [one for one in standing_marks(lake, use_case) if one.kind == "shown"]
    if not marks:
        return []
    words = _words(lake, use_case)
    known = [(one, words[one.words]) for one in marks if one.words in words]
    return [pair[0] for pair in known if _says_the_same(pair, known) < PERSONS]


def mark_missed(
    lake: Lake,
    use_case: NamedUseCase,
    record_id: str,
    texts: Sequence[str],
    words: str,
    entity: str,
    person: Person,
    *,
    everywhere: bool = False,
) -> None:
    """Notes words that are personal data and were not replaced.

    Args:
        texts: of the record, as they are shown.

    Raises:
        ConfigError: they are too short or too long, no such entity is looked for, or they do not stand in the texts.
        DataError: they stand in the texts as a surrogate only, so they are nobody's; or the record is gone.
    """
    words = " ".join(words.split())
    if not 2 <= len(words) <= MOST_CHARACTERS or not any(one.isalnum() for one in words):
        raise ConfigError([f"missed words have 2 to {MOST_CHARACTERS} characters, a letter or digit among them"])
    if entity not in entities_to_mark(use_case):
        raise ConfigError([f"this use case replaces no {entity if entity.isidentifier() else 'such entity'}"])
    if not any(found_in(text, words) for text in texts):
        raise ConfigError(["these words do not stand in the text as it is shown"], "Copy them from the text")
    subject, before = _source(lake, use_case, record_id)
    if not any(found_in(text, words) for text in before):
        problem = "the source of this record does not have these words: they were invented in place of others"
        raise DataError(problem, "Nothing was recorded")
    _state(lake, use_case, person, "missed", (record_id, subject), words, entity, texts, everywhere=everywhere)


def mark_shown(
    lake: Lake, use_case: NamedUseCase, record_id: str, texts: Sequence[str], place: tuple[int, int], person: Person
) -> None:
    """Notes a placeholder that hides no personal data.

    Args:
        texts: of the record, as they are shown.
        place: number of the text, and of the placeholder in it.

    Raises:
        ConfigError: there is no such placeholder.
        DataError: nobody can tell which words it stands for, or the record is gone.
    """
    placeholders = placeholders_in(texts)
    if place not in placeholders:
        raise ConfigError(["this text has no such placeholder"])
    subject, before = _source(lake, use_case, record_id)
    text, number = place
    behind = originals_behind(before[text], texts[text]) if len(before) == len(texts) else []
    words = behind[number] if number < len(behind) else None
    if not words:
        problem = "nobody can tell which words this placeholder stands for: other words beside it were replaced too"
        raise DataError(problem, "Tell whoever keeps the recognizers")
    _state(lake, use_case, person, "shown", (record_id, subject), words, placeholders[place], texts)


def mark_none(lake: Lake, use_case: NamedUseCase, record_id: str, texts: Sequence[str], person: Person) -> None:
    """Notes that somebody looked for personal data in a record and missed none."""
    _state(lake, use_case, person, "none", (record_id, None), "", "", texts)


def withdraw_mark(lake: Lake, use_case: NamedUseCase, mark_id: str, person: Person, reason: str) -> None:
    """Takes a mark back; it stays on record. Where that shows words again, it needs nobody else: they are what the
    recognizers leave.

    Raises:
        ConfigError: no reason is named.
        DataError: there is no such mark that stands.
    """
    found = next((one for one in statements(lake, use_case, MARKS) if one.said["id"] == mark_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no mark {mark_id}", f"See: ft annotate status {use_case.name}")
    reason = require_reason(reason)
    note(lake, use_case, "annotation", "took a mark of personal data back", person, statement=mark_id)
    take_back(lake, use_case, found, by=person.name, known_by=person.known_by, reason=reason)


def placeholders_in(texts: Sequence[str]) -> dict[tuple[int, int], str]:
    """Number of the text and of the placeholder in it -> the placeholder."""
    return {
        (text, number): match.group()
        for text, one in enumerate(texts)
        for number, match in enumerate(MARKED.finditer(one))
    }


def entities_to_mark(use_case: NamedUseCase) -> list[str]:
    """What missed words can be: all that the use case replaces."""
    from ft_platform.privacy.entities import recognizers_of

    return sorted(recognizers_of(use_case.settings.privacy))


def figures(marks: Sequence[Mark]) -> dict[str, Any]:
    """How many records were looked at, what was missed in them, and how much that is in 1,000 words.

    Returns:
        `{"records", "words", "missed", "per_1000_words": {"value", "low", "high"} or None, "shown"}`. The interval is
        exact (Garwood 1936, 95 %); it holds for records that were drawn at random.
    """
    from scipy.stats import chi2

    seen = {one.record_id: one.looked_at for one in marks if one.kind != "shown"}
    missed, words = sum(one.kind == "missed" for one in marks), sum(seen.values())
    rate = None
    if words:
        low = chi2.ppf(0.025, 2 * missed) / 2 if missed else 0.0
        high = chi2.ppf(0.975, 2 * missed + 2) / 2
        rate = {name: float(count) * 1000 / words for name, count in (("value", missed), ("low", low), ("high", high))}
    shown = sum(one.kind == "shown" for one in marks)
    return {"records": len(seen), "words": words, "missed": missed, "per_1000_words": rate, "shown": shown}


def _state(
    lake: Lake,
    use_case: NamedUseCase,
    person: Person,
    kind: Kind,
    record: tuple[str, str | None],
    words: str,
    entity: str,
    texts: Sequence[str],
    *,
    everywhere: bool = False,
) -> None:
    note(lake, use_case, "annotation", "marked personal data in a record", person, record=record[0], mark=kind)
    mark = secrets.token_hex(8) if words else ""
    if words:
        row = pa.RecordBatch.from_pylist([dict(zip(SCHEMA.names, (*record, mark, words), strict=True))], schema=SCHEMA)
        lake.write_table(use_case.name, WORDS, [row], SCHEMA, zone="restricted", input_hash=mark, append=True)
    about = {"kind": kind, "record_id": record[0], "entity": entity, "everywhere": everywhere, "words": mark}
    looked_at = sum(len(text.split()) for text in texts)
    who = {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
    state(lake, use_case, MARKS, {**about, "looked_at": looked_at, **who}, [])


def _words(lake: Lake, use_case: NamedUseCase) -> dict[str, str]:
    """Number of a mark -> its words."""
    newest = lake.latest(use_case.name, WORDS, zone="restricted")
    rows = lake.read_table(newest, ["mark", "words"]).to_pylist() if newest else []
    return {one["mark"]: one["words"] for one in rows}


def _source(lake: Lake, use_case: NamedUseCase, record_id: str) -> tuple[str | None, list[str]]:
    """The person of a record, and its texts before they were anonymized.

    Raises:
        DataError: it is not in the newest `cleaned_records`.
    """
    cleaned: TableVersion | None = lake.latest(use_case.name, "cleaned_records")
    for batch in lake.read(cleaned, ["record_id", "subject_id", "messages"]) if cleaned else ():
        ids = batch.column("record_id").to_pylist()
        if record_id in ids:
            row = batch.slice(ids.index(record_id), 1).to_pylist()[0]
            return row["subject_id"], [one["content"] or "" for one in row["messages"] or ()]
    raise DataError("this record is not among the cleaned records any more", f"Run: ft run {use_case.name}")
