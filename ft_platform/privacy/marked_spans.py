"""Words that experts marked, in the texts of records."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pyarrow as pa

from ft_platform.privacy.pseudonyms import normalized
from ft_platform.privacy.spans import PSEUDONYM, Span, outside_pseudonyms, resolve

MARKED = PSEUDONYM
"""A placeholder: what stands in place of a finding and can be told from other words."""
SCORE = 1.0


@dataclass(frozen=True)
class InForce:
    """What the next anonymization does differently. Holds personal data: it never leaves the restricted zone.

    Attributes:
        hidden: record id -> entity and words that are hidden in it; `everywhere`: in every record.
        shown: record id -> words that stay as they are.
    """

    hidden: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    everywhere: Sequence[tuple[str, str]] = ()
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fingerprint: str = ""

    def __bool__(self) -> bool:
        return bool(self.fingerprint)


@lru_cache(maxsize=4096)
def _pattern(words: str) -> re.Pattern[str]:
    """The words as whole words, in any case, however many blanks are between them."""
    inside = r"\s+".join(re.escape(one) for one in words.split())
    before = r"(?<!\w)" if words[0].isalnum() else ""
    after = r"(?!\w)" if words[-1].isalnum() else ""
    return re.compile(f"{before}{inside}{after}", re.IGNORECASE)


def found_in(text: str, words: str) -> bool:
    """Whether the words stand in a text."""
    return _pattern(words).search(text) is not None


class MarkedSpans:
    """Findings of a record as experts corrected them."""

    def __init__(self, marks: InForce) -> None:
        self._marks = marks
        self._shown = {record: {normalized("", one) for one in words} for record, words in marks.shown.items()}

    def names(self, record_id: str) -> Sequence[tuple[str, str]]:
        """Entity and words that were missed in a record: names among them are looked for there in other forms too."""
        return self._marks.hidden.get(record_id, ())

    def concern(self, record_ids: pa.Array) -> np.ndarray:
        """Whether a mark says anything of each record. Shape `(rows,)`, dtype bool."""
        marked = {*self._marks.hidden, *self._marks.shown}
        if self._marks.everywhere or not marked:
            return np.full(len(record_ids), bool(self._marks.everywhere))
        return np.array([record in marked for record in record_ids.to_pylist()], bool)

    def corrected(self, record_id: str, text: str, spans: list[Span]) -> list[Span]:
        """The findings in a text of a record without those that hide nothing, and with those that were missed. Where
        both is said of the same words, they are hidden."""
        shown = self._shown.get(record_id)
        if shown:
            spans = [one for one in spans if normalized("", text[one.start : one.end]) not in shown]
        missed = list(_spans(text, [*self.names(record_id), *self._marks.everywhere]))
        return resolve(text, outside_pseudonyms(text, [*spans, *missed])) if missed else spans


def _spans(text: str, names: Iterable[tuple[str, str]]) -> Iterable[Span]:
    for entity, words in names:
        for match in _pattern(words).finditer(text):
            yield Span(match.start(), match.end(), entity, SCORE, "marked")


def originals_behind(before: str, after: str) -> list[str | None]:
    """What each placeholder of an anonymized text stands for; None where nobody can tell.

    What stands between the placeholders is looked for from the front and from the back. Where both find the same
    places, no other division of the text is possible.
    """
    kept, end = [], 0
    for match in MARKED.finditer(after):
        kept.append(after[end : match.start()])
        end = match.end()
    kept.append(after[end:])
    first = _gaps(before, kept)
    last = _gaps(before[::-1], [one[::-1] for one in reversed(kept)])
    turned = [(len(before) - stop, len(before) - start) for start, stop in reversed(last)] if last else []
    if not first or len(first) != len(turned):
        return [None] * (len(kept) - 1)
    return [before[slice(*a)] if a == b else None for a, b in zip(first, turned, strict=True)]


def _gaps(text: str, kept: Sequence[str]) -> list[tuple[int, int]]:
    """Places of what lies between these parts, each part as far to the front as it can be; none: they are not there."""
    if not text.startswith(kept[0]):
        return []
    gaps, end = [], len(kept[0])
    for number, part in enumerate(kept[1:], start=1):
        is_last = number == len(kept) - 1
        start = len(text) - len(part) if is_last else text.find(part, end + 1)
        if start <= end or not text.endswith(part if is_last else ""):
            return []
        gaps.append((end, start))
        end = start + len(part)
    return gaps
