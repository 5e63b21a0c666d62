"""Faults that real data has, put into sample records together with a note of the ground truth."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ft_platform.sources.samples.phrases import Words, say

Truth = dict[str, Any]
"""One planted thing: `{"kind": ..., ...}`; see `truth.py` for the kinds."""

TYPOGRAPHIC = (
    "They told me to “wait and see” – for {span}.",
    "It’s the third time they’ve done this.",
    "The café next door has better service – honestly.",
    "I’ve got the receipt for £40 as well.",
    "Señor Muñoz at the desk couldn’t say why.",
    "They’re “reviewing” it, they say.",
)
UNDEFINED = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
MARKUP = ("<p>", "</p>", "<br/>", "&amp;", "&nbsp;", "<b>", "</b>")
ADDITIONS = ("Second request.", "Sending this again.", "Hello again.", "Once more.")
MIN_WORDS_OF_NEAR_DUPLICATE = 32
"""Three more words in front add three word 3-grams to 30 or more: a Jaccard similarity of 0.9 or more."""
EMPTY_TEXTS = ("", " ", "n/a", "see attached", "...")
OVER_LONG_CHARACTERS = 21_000
"""Above the default of `cleaning.max_characters`."""


@dataclass
class Draft:
    """A record on its way into a sample.

    Attributes:
        text: the user's words.
        columns: everything else, by column.
        truth: what is planted in it.
        plain: it takes part in no other plant, so faults do not overlap.
    """

    text: str
    columns: dict[str, str] = field(default_factory=dict)
    truth: list[Truth] = field(default_factory=list)
    plain: bool = True


def plant_mojibake(rng: random.Random, draft: Draft, words: Words) -> None:
    """UTF-8 read as Windows-1252, in one sentence."""
    expected = say(rng, rng.choice(TYPOGRAPHIC), words)
    broken = "".join(c if c.isascii() else _as_windows_1252(c.encode()) for c in expected)
    draft.text = f"{draft.text} {broken}"
    draft.truth.append({"kind": "mojibake", "broken": broken, "expected": expected})


def _as_windows_1252(data: bytes) -> str:
    """As browsers read it: the five bytes without a character become control characters (WHATWG Encoding Standard)."""
    return "".join(
        byte.decode("cp1252") if byte not in UNDEFINED else byte.decode("latin-1")
        for byte in (data[i : i + 1] for i in range(len(data)))
    )


def plant_html(rng: random.Random, draft: Draft) -> None:
    """The text as a web form or a mail program sends it."""
    words = draft.text.split(" ")
    place = rng.randrange(len(words))
    words[place] = f"<b>{words[place]}</b>"
    text = " ".join(words).replace(" and ", " &amp; ", 1).replace(". ", ".<br/>", 1).replace(", ", ",&nbsp;", 1)
    draft.text = f"<p>{text}</p>"
    draft.truth.append({"kind": "html", "markup": [m for m in MARKUP if m in draft.text]})


def plant_duplicate(rng: random.Random, kind: str, draft: Draft, original: Draft, original_key: str) -> None:
    """The same text sent again, for a near duplicate with a few words in front."""
    draft.text = original.text
    if kind == "near_duplicate":
        draft.text = f"{rng.choice(ADDITIONS)} {original.text}"
    draft.truth.append({"kind": kind, "of": original_key})


def plant_empty(rng: random.Random, draft: Draft) -> None:
    draft.text = rng.choice(EMPTY_TEXTS)
    draft.truth.append({"kind": "empty"})


def plant_over_long(rng: random.Random, draft: Draft, sentence: Callable[[], str]) -> None:
    """A text that somebody pasted a whole correspondence into."""
    parts = [draft.text]
    size = rng.randint(OVER_LONG_CHARACTERS, OVER_LONG_CHARACTERS + 4_000)
    while sum(map(len, parts)) + len(parts) < size:
        parts.append(sentence())
    draft.text = " ".join(parts)
    draft.truth.append({"kind": "over_long", "characters": len(draft.text)})


def is_long_enough(draft: Draft) -> bool:
    """Long enough that a few words more leave a near duplicate."""
    return len(draft.text.split()) >= MIN_WORDS_OF_NEAR_DUPLICATE


def take_pairs(free: list[int], count: int, fits: Callable[[int], bool]) -> list[tuple[int, int]]:
    """Takes `count` pairs `(earlier, later)` out of `free`, as far as there are any whose earlier one fits."""
    pairs: list[tuple[int, int]] = []
    passed: list[int] = []
    while len(pairs) < count and len(free) > 1:
        first, second = sorted((free.pop(), free.pop()))
        if fits(first):
            pairs.append((first, second))
        else:
            passed += [first, second]
    free.extend(passed)
    return pairs


def note_personal_data(draft: Draft, values: list[tuple[str, str]]) -> None:
    draft.truth.extend({"kind": "pii", "entity": entity, "value": value} for entity, value in values)


def quotas(rng: random.Random, total: int, shares: dict[str, float]) -> list[str]:
    """`total` names in the given shares (which sum to 1), every name at least once where there is room, in random
    order."""
    least = 1 if total >= len(shares) else 0
    spare = total - least * len(shares)
    exact = {name: spare * share for name, share in shares.items()}
    counts = {name: least + int(value) for name, value in exact.items()}
    # What rounding down left over goes to the largest remainders.
    by_remainder = sorted(exact, key=lambda name: exact[name] - int(exact[name]), reverse=True)
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    names = [name for name, count in counts.items() for _ in range(count)]
    rng.shuffle(names)
    return names
