"""How much personal data the current recognizers find in annotated texts, and how much else they take away.

Covered: recall by character over all annotated identifying types and per type, precision by character, F2, 95 %
intervals. Not covered: whether the replacement reads well; whether a finding has the right entity (a telephone number
taken for a card is protected)."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.errors import DataError
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span

Z_95 = 1.959964
"""Quantile of the normal distribution for a two-sided interval of 95 %."""

SAME_AS = {
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "GPE": "LOCATION",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "US_DRIVER_LICENSE": "DRIVING_LICENCE",
    "US_PASSPORT": "PASSPORT",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "UK_NHS": "MEDICAL_RECORD_NUMBER",
    "DOMAIN_NAME": "URL",
    "DATE_TIME": "DATE",
    "CRYPTO": "CRYPTO_WALLET",
}
"""Names of microsoft/presidio and presidio-research for entities that have another name here."""

NOT_IDENTIFYING = frozenset({"ORGANIZATION", "OTHER_NAME", "TITLE", "PREFIX", "AGE", "NRP", "DATE", "DATE_TIME"})
"""Annotated types that alone point to no person. They count only where the settings name the entity; every other type
counts, known or not."""

RIGHT_BESIDES = {"DATE_TIME": {"DATE_OF_BIRTH", "DATE"}, "DATE": {"DATE_OF_BIRTH"}}
"""Annotated types that do not count for recall, and findings that are no mistake there."""


class NotAnnotated(DataError):
    """A file of texts that nobody has annotated yet."""


@dataclass(frozen=True, slots=True)
class GoldText:
    """An annotated text. `spans` are `(start, end, type)`, offsets in characters."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    group: str = ""
    """What related texts share, e.g. the template they were made from. Empty: none is known."""
    weight: float = 1.0
    """Texts of the source that it stands for: one that was drawn from many counts for more than one that was drawn from
    few."""


@dataclass
class Tally:
    """Characters of one entity in all texts."""

    annotated: float = 0
    covered: float = 0
    squares: float = 0
    spans: int = 0
    texts: int = 0

    def add(self, annotated: int, covered: int, spans: int, weight: float = 1.0) -> None:
        self.annotated += weight * annotated
        self.covered += weight * covered
        self.squares += (weight * annotated) ** 2
        self.spans += spans
        self.texts += 1

    @property
    def effective_size(self) -> float:
        """Independent observations that the characters are worth, between 1 and the number of texts with the entity.

        Characters of one text are found or missed together, so each text counts as one observation, weighted by its
        characters: `sum(n)^2 / sum(n^2)` (Kish 1965, Survey Sampling, 11.7; a design effect with an intraclass
        correlation of 1, the most cautious)."""
        return self.annotated**2 / self.squares if self.squares else 0.0


@dataclass
class Scores:
    """What `evaluate` measured. Shares in [0, 1]; a share of nothing is None."""

    recall: float | None
    precision: float | None
    f2: float | None
    entities: dict[str, dict[str, Any]] = field(default_factory=dict)
    precisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    texts: int = 0
    not_counted: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """`{"recall", "precision", "f2", "entities": {name: {"recall", "low", "high", "spans", "texts"}}}`, the worst
        entity first."""
        return {"recall": self.recall, "precision": self.precision, "f2": self.f2, "entities": self.entities}


OnBroken = Callable[[DataError], None]


def read_gold(path: Path, on_broken: OnBroken | None = None) -> list[GoldText]:
    """Annotated texts of a JSON list or of JSON lines `{"full_text", "spans": [{"entity_type", "start_position",
    "end_position"}]}`.

    In place of the positions a span may have `entity_value`, the words themselves: they count wherever they stand in
    the text. A text whose `spans` are null is not annotated yet and is left out; one without personal data has an empty
    list.

    Args:
        on_broken: is told of a text or span that is not as it must be, which is then left out. None: it is an error.

    Raises:
        DataError: the file is missing, is neither format, holds no annotated text, or an offset is outside its text;
            the message never quotes a text.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such file",
            "Give a file in the format of presidio-research with --gold",
        )
    return gold_in(str(path), path.read_bytes(), on_broken)


def gold_in(path: str, content: bytes, on_broken: OnBroken | None = None) -> list[GoldText]:
    """The annotated texts of a file's content, as `read_gold` says. `path` is for messages."""
    rows = list(_rows(path, content))
    if not rows:
        raise DataError(f"{path}: the file has no annotated text", ("Add texts: an empty file would score as perfect"))
    closed = [(number, row) for number, row in enumerate(rows, start=1) if not _is_open(row)]
    annotated = [text for number, row in closed if (text := _gold_text(path, number, row, on_broken or _refuse))]
    if not annotated:
        raise NotAnnotated(
            f"{path}: none of its {len(rows)} texts is annotated {'as it must be' if closed else 'yet'}",
            (
                "See docs/how_to/add_a_recognizer.md"
                if closed
                else "Replace each null in `spans` with a list, empty where there is nothing to find"
            ),
        )
    return annotated


def _refuse(broken: DataError) -> None:
    raise broken


def _is_open(row: Any) -> bool:
    return isinstance(row, dict) and "spans" in row and row["spans"] is None


def _rows(path: str, content: bytes) -> Iterator[Any]:
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip()[:1] == "[":
            yield from json.loads(text)
        else:
            yield from (json.loads(line) for line in text.split("\n") if line.strip())
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError; the texts of both quote the file
        raise DataError(
            f"{path}: neither a JSON list nor JSON lines in UTF-8 ({type(error).__name__})",
            "See docs/how_to/add_a_recognizer.md",
        ) from None


def _gold_text(path: str, number: int, row: Any, on_broken: OnBroken) -> GoldText | None:
    text, annotated = (row.get("full_text"), row.get("spans")) if isinstance(row, dict) else (None, None)
    if not isinstance(text, str) or not isinstance(annotated, list):
        on_broken(_malformed(path, number))
        return None
    spans: list[tuple[int, int, str]] = []
    for span in annotated:
        try:
            spans += _places(text, span)
        except (KeyError, TypeError, ValueError, AttributeError):
            on_broken(_malformed(path, number))
        except _Outside as outside:
            on_broken(
                DataError(
                    f"{path}: text {number} has {len(text)} characters, but a span at {outside}",
                    "Offsets count characters, not bytes",
                )
            )
    return GoldText(text, tuple(spans), row.get("masked") or str(row.get("template_id") or ""))


def _malformed(path: str, number: int) -> DataError:
    return DataError(
        f"{path}: text {number} must have full_text and spans with entity_type, and start_position and end_position,"
        " or entity_value as it stands there",
        "See docs/how_to/add_a_recognizer.md",
    )


class _Outside(Exception):
    """A span that is not inside its text."""


def _places(text: str, span: Any) -> list[tuple[int, int, str]]:
    """Where a span is: at its positions, or wherever its words stand.

    Raises:
        ValueError: its words are not in the text.
    """
    kind, value = str(span["entity_type"]), span.get("entity_value")
    if "start_position" in span or value is None:
        start, end = int(span["start_position"]), int(span["end_position"])
        if not 0 <= start < end <= len(text):
            raise _Outside(f"{start}-{end}")
        return [(start, end, kind)]
    whole = rf"(?<!\w){re.escape(value)}(?!\w)" if value else ""
    found = [(m.start(), m.end(), kind) for m in re.finditer(whole, text) if m.group()]
    if not found:
        raise ValueError("the words are not in the text")
    return found


HALVES = ("development", "held_out")


def half_of(gold: Sequence[GoldText], half: str) -> list[GoldText]:
    """One half of annotated texts: errors are looked at in `development`, figures are taken from `held_out`.

    The first byte of SHA-256 over a text's group (its template, or the text itself where none is known) is even for
    `development`, so texts of one template are never on both sides.

    Raises:
        DataError: there is no text in this half.
    """
    wanted = HALVES.index(half)
    chosen = [one for one in gold if hashlib.sha256((one.group or one.text).encode()).digest()[0] % 2 == wanted]
    if not chosen:
        raise DataError(f"half {half} has no text", "There are too few texts or templates to divide")
    return chosen


def evaluate(gold: Sequence[GoldText], scanner: Scanner) -> Scores:
    """Scores of what the scanner finds in annotated texts.

    Recall: share of the characters of counted annotations that any finding covers, whatever its entity. Precision:
    share of the found characters that a counted annotation covers. F2 weighs recall four times as much as precision
    (van Rijsbergen 1979, beta = 2).

    Raises:
        DataError: there is no text, or nothing in them is annotated with a type that counts.
    """
    return score(gold, scanner.find([g.text for g in gold]), scanner.entities)


def score(gold: Sequence[GoldText], found: Sequence[Sequence[Span]], looked_for: Iterable[str] = ()) -> Scores:
    """Scores of findings that are there already, `found[i]` those of `gold[i]`. `looked_for`: entities that count
    although they identify nobody alone."""
    looked_for = set(looked_for)
    recall: dict[str, Tally] = {}
    precision: dict[str, Tally] = {}
    ignored: Counter[str] = Counter()
    total, total_found = Tally(), Tally()
    for one, spans in zip(gold, found, strict=True):
        counted, others = _split(one, looked_for)
        ignored.update(kind for _, _, kind in others)
        ours = {place for s in spans for place in range(s.start, s.end)}
        theirs = {place for start, end, _ in counted for place in range(start, end)}
        total.add(len(theirs), len(theirs & ours), len(counted), one.weight)
        _add_entities(recall, counted, ours, one.weight)
        right = _add_findings(precision, spans, theirs, others, one.weight)
        total_found.add(len(ours), right, len(spans), one.weight)
    if not total.annotated:
        raise DataError(
            "no annotation counts: no type in the file identifies a person on its own",
            f"Every type counts except {', '.join(sorted(NOT_IDENTIFYING))}",
        )
    shares = {name: _with_interval(tally) for name, tally in recall.items()}
    r, p = _share(total), _share(total_found)
    return Scores(
        recall=r,
        precision=p,
        f2=_f2(p, r),
        entities=dict(sorted(shares.items(), key=lambda item: (item[1]["recall"], item[0]))),
        precisions={
            name: {"precision": _share(tally), "spans": tally.spans} for name, tally in sorted(precision.items())
        },
        texts=len(gold),
        not_counted=dict(sorted(ignored.items())),
    )


def _split(one: GoldText, looked_for: set[str]) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    counted = [s for s in one.spans if s[2] not in NOT_IDENTIFYING or SAME_AS.get(s[2], s[2]) in looked_for]
    return counted, [s for s in one.spans if s not in counted]


def _add_entities(recall: dict[str, Tally], counted: list[tuple[int, int, str]], ours: set[int], weight: float) -> None:
    for kind in {kind for _, _, kind in counted}:
        places = {place for start, end, other in counted if other == kind for place in range(start, end)}
        recall.setdefault(kind, Tally()).add(
            len(places), len(places & ours), sum(other == kind for _, _, other in counted), weight
        )


def _add_findings(
    precision: dict[str, Tally],
    spans: Sequence[Span],
    theirs: set[int],
    others: list[tuple[int, int, str]],
    weight: float,
) -> int:
    """Adds the findings of one text by entity; returns how many found characters are right."""
    all_right: set[int] = set()
    for entity in {s.entity for s in spans}:
        mine = [s for s in spans if s.entity == entity]
        places = {place for s in mine for place in range(s.start, s.end)}
        besides = {
            place for start, end, kind in others if entity in RIGHT_BESIDES.get(kind, ()) for place in range(start, end)
        }
        right = places & (theirs | besides)
        all_right |= right
        precision.setdefault(entity, Tally()).add(len(places), len(right), len(mine), weight)
    return len(all_right)


def _with_interval(tally: Tally) -> dict[str, Any]:
    share = tally.covered / tally.annotated
    low, high = wilson(share, tally.effective_size)
    return {
        "recall": round(share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "spans": tally.spans,
        "texts": tally.texts,
    }


def wilson(share: float, size: float) -> tuple[float, float]:
    """Interval of 95 % of a share seen in `size` observations (Wilson 1927); it stays inside [0, 1] and is no point at
    0 or 1."""
    if size <= 0:
        return 0.0, 1.0
    square = Z_95**2 / size
    middle = (share + square / 2) / (1 + square)
    half = Z_95 * math.sqrt(share * (1 - share) / size + square / (4 * size)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _share(tally: Tally) -> float | None:
    return round(tally.covered / tally.annotated, 4) if tally.annotated else None


def _f2(precision: float | None, recall: float | None) -> float | None:
    if recall is None or precision is None:  # nothing was found at all: recall is 0
        return 0.0 if recall == 0.0 else None
    return round(5 * precision * recall / (4 * precision + recall), 4) if precision + recall else 0.0
