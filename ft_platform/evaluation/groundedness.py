"""How much of an answer is supported by the text that the model was given: claims without support are what people call hallucinations.

A claim is a sentence of an answer that holds a number, a name or two content words. It is supported where all its numbers and names stand in the
context, and at least half of its content words in one passage of it (`PASSAGE` sentences in a row), by their first letters.

Covered: invented numbers, dates, names, and sentences about something else. Not covered: what contradicts the context in its own words ("is
covered" for "is not covered"), numbers in words, right answers from general knowledge (they count as unsupported), the same in other words (counts
as unsupported where most words differ), languages written without blanks. Where nouns are capitalized, as in German, they count as names. The
reference answers are measured as well: what the method finds there is its own error, or the references use what the model is not given.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.use_case import Evaluation

LEAST_WORDS = 0.5
"""Share of a claim's content words that must stand in one passage."""
PASSAGE = 3
"""Sentences in a row: an answer often joins what stands in neighbouring ones."""
STEM = 6
"""First letters of a word that are compared: endings differ, in most languages, and no dictionary is needed."""
SHORTEST_WORD = 4
"""Letters of a content word; shorter ones are mostly articles, pronouns and prepositions."""

REFERENCE = "reference"
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
LIST_MARK = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+", re.MULTILINE)
WORD = re.compile(r"\w+(?:['’]\w+)*")
NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
STOP = frozenset(
    re.findall(
        r"\w+",
        """
about also although always another because been before being both cannot could does each either else even every from have having here into just like
made make many might more most much must need never only other otherwise over please should since some such than that their them then there these they
this those though through under until upon very want well were what when where whether which while will with within without would your yours yourself
""",
    )
)
"""English words of four letters and more that claim nothing."""


@dataclass(frozen=True)
class Claims:
    """What an answer states, and how much of it has no support.

    Attributes:
        claims, unsupported: sentences.
        facts, unsupported_facts: numbers and names.
    """

    claims: int
    unsupported: int
    facts: int
    unsupported_facts: int


def claims_in(answer: str, context: str) -> Claims:
    """The claims of an answer, compared with its context."""
    known_numbers, known_words = set(_numbers(context)), {word.casefold() for word in _words(context)}
    passages = _passages(context)
    claims = unsupported = facts = unknown = 0
    for sentence in _sentences(answer):
        numbers, names, stems = _numbers(sentence), _names(sentence), _stems(sentence)
        if not (numbers or names or len(stems) > 1):
            continue  # "Hello!"
        missing = sum(number not in known_numbers for number in numbers) + sum(name not in known_words for name in names)
        overlap = max((len(stems & passage) for passage in passages), default=0)
        claims += 1
        facts += len(numbers) + len(names)
        unknown += missing
        unsupported += bool(missing) or overlap < LEAST_WORDS * len(stems)
    return Claims(claims, unsupported, facts, unknown)


def _sentences(text: str) -> list[str]:
    return [part for part in map(str.strip, SENTENCE_END.split(LIST_MARK.sub("", text))) if part]


def _passages(context: str) -> list[set[str]]:
    """Stems of the content words of every `PASSAGE` sentences in a row."""
    stems = [_stems(sentence) for sentence in _sentences(context)]
    return [set().union(*stems[start : start + PASSAGE]) for start in range(max(1, len(stems) - PASSAGE + 1))]


def _words(text: str) -> list[str]:
    """Words with a letter in them, without a possessive ending."""
    return [re.sub(r"['’]s$", "", word) for word in WORD.findall(text) if not word[0].isdigit()]


def _stems(text: str) -> set[str]:
    folded = (word.casefold() for word in _words(text))
    return {word[:STEM] for word in folded if len(word) >= SHORTEST_WORD and word not in STOP}


def _numbers(text: str) -> list[str]:
    """Numbers by their digits alone: `1,000` and `1000`, `2024-01-05` and `2024/01/05` are the same."""
    return [re.sub(r"\D", "", number) for number in NUMBER.findall(WORD.sub(_without_names, text))]


def _without_names(found: re.Match[str]) -> str:
    """A word as it is read for numbers: `PERSON_4f2` is a name and holds none."""
    return found[0] if found[0][0].isdigit() else " "


def _names(sentence: str) -> list[str]:
    """Capitalized words that do not begin the sentence, in lower case; `I` is none."""
    words = _words(sentence)
    return [word.casefold() for word in words[1:] if word[0].isupper() and len(word) > 1 and not re.match(r"I['’]", word)]


def statistics(answers: list[str], contexts: list[str]) -> np.ndarray:
    """Per answer: claims, unsupported claims, has claims, has an unsupported one, numbers and names, those without support. Shape `(rows, 6)`."""
    found = (claims_in(answer, context) for answer, context in zip(answers, contexts, strict=True))
    return np.array([[c.claims, c.unsupported, c.claims > 0, c.unsupported > 0, c.facts, c.unsupported_facts] for c in found], float).reshape(-1, 6)


def _ratio(part: int, whole: int) -> Any:
    def score(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[..., part] / sums[..., whole]

    return score


FIGURES = {
    "unsupported_claims": Metric("unsupported_claims", "Claims without support", "generation", 0.0, 1.0, False, 1, lambda rows: rows, _ratio(1, 0)),
    "hallucination_rate": Metric("hallucination_rate", "Answers with such a claim", "generation", 0.0, 1.0, False, 2, lambda rows: rows, _ratio(3, 2)),
    "unsupported_facts": Metric("unsupported_facts", "Numbers and names without support", "generation", 0.0, 1.0, False, 3, lambda rows: rows, _ratio(5, 4)),
}
"""Shares in [0, 1]. Not among the metrics of every use case: they need a context, which most use cases do not give."""


def groundedness(outputs: Mapping[str, Outputs], references: list[str], contexts: list[str], settings: Evaluation) -> dict[str, Any]:
    """How far each system's answers, and the references, are supported by the contexts.

    Args:
        contexts: what the model was given per record.

    Returns:
        `{"context", "rows", "systems": {system: {figure: {"value", "low", "high"} or None}}, "differences": {system: {figure: ...}}}`: `systems`
        holds `reference` too; `differences` are the last system minus each other one on the same records. None where no answer claims anything.
    """
    rows = {REFERENCE: statistics(references, contexts)}
    rows |= {system: statistics(found.answers, contexts) for system, found in outputs.items() if isinstance(found, TextOutputs)}
    last = list(rows)[-1]
    return {
        "context": settings.groundedness,
        "rows": len(contexts),
        "systems": {system: {name: _figure(one, table, settings) for name, one in FIGURES.items()} for system, table in rows.items()},
        "differences": {
            system: {name: _difference(one, rows[last], table, settings) for name, one in FIGURES.items()} for system, table in rows.items() if system != last
        },
    }


def _figure(metric: Metric, rows: np.ndarray, settings: Evaluation) -> dict[str, float] | None:
    value = float(metric.score(rows.sum(axis=0)))
    if np.isnan(value):
        return None
    draws = metric.score(resampled_sums(rows, settings.bootstrap_samples, settings.seed))
    return interval(value, draws[~np.isnan(draws)], settings.confidence)


def _difference(metric: Metric, first: np.ndarray, second: np.ndarray, settings: Evaluation) -> dict[str, float] | None:
    if _figure(metric, first, settings) is None or _figure(metric, second, settings) is None:
        return None
    found = paired_difference(metric, first, second, settings)  # type: ignore[arg-type]
    return None if np.isnan([found["low"], found["high"]]).any() else found
