"""Writes varied sentences from templates: `[one|other]` is a choice, `{name}` a word of a list or a generated value."""

import random
import re
from collections.abc import Callable, Mapping, Sequence

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
SENTENCE_START = re.compile(r"(^|[.!?]\s+)([a-z])")

Words = Mapping[str, Sequence[str] | Callable[[random.Random], str]]

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


def say(rng: random.Random, template: str, words: Words) -> str:
    """One sentence made from a template. Equal states of `rng` give equal sentences."""
    text = template
    while CHOICE.search(text) or SLOT.search(text):
        text = CHOICE.sub(lambda m: rng.choice(m[1].split("|")), text)
        text = SLOT.sub(lambda m: _word(rng, words[m[1]]), text)
    text = re.sub(r"\s+([.,])", r"\1", " ".join(text.split()))
    return SENTENCE_START.sub(lambda m: m[1] + m[2].upper(), text)


def _word(rng: random.Random, choices: Sequence[str] | Callable[[random.Random], str]) -> str:
    return choices(rng) if callable(choices) else rng.choice(choices)


def amount(rng: random.Random) -> str:
    whole = rng.choice([rng.randint(12, 99), rng.randint(100, 999), rng.randint(1000, 9800)])
    return f"${whole:,}.{rng.randint(0, 99):02d}" if rng.random() < 0.4 else f"${whole:,}"


def day(rng: random.Random) -> str:
    return f"{rng.choice(MONTHS)} {rng.randint(1, 28)}"


def span(rng: random.Random) -> str:
    return f"{rng.choice(NUMBERS)} {rng.choice(('days', 'weeks', 'months', 'months', 'years'))}"


GENERATED: Words = {
    "amount": amount,
    "day": day,
    "month": MONTHS,
    "span": span,
    "times": lambda rng: f"{rng.choice(NUMBERS)} times",
    "number": NUMBERS,
}
"""Values that every template may use."""


def roughen(rng: random.Random, text: str) -> str:
    """The text as people type it: now and then without capitals, apostrophes or care."""
    dice = rng.random()
    if dice < 0.06:
        text = text.lower()
    elif dice < 0.12:
        text = text.replace("'", "").replace(", and", " and")
    elif dice < 0.22:
        text = _with_typing_errors(rng, text)
    elif dice < 0.27:
        text = text.replace(". ", "! ", 1).rstrip(".!") + "!!"
    elif dice < 0.35:
        text = text.replace("'", "’")
    return text


def _with_typing_errors(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    long_words = [i for i, word in enumerate(words) if len(word) > 5 and word.isalpha() and word.islower()]
    for i in rng.sample(long_words, k=min(2, len(long_words))):
        place = rng.randint(1, len(words[i]) - 3)
        word = words[i]
        words[i] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return " ".join(words)
