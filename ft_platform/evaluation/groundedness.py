"""How much of an answer is supported by the text that the model was given: claims without support are what people call
hallucinations.

A claim is a sentence of an answer that holds a number, a name or two content words. It is supported where all its
numbers and names stand in the context, and at least half of its content words in one passage of it (`PASSAGE` sentences
in a row), by their first letters. With a sentence encoder (`evaluation.groundedness_model`) it is supported as well
where, instead of half of the words, the meaning of one sentence of the context is close to its own.

Covered: invented numbers, dates, names, and sentences about something else; with an encoder, the same in other words.
Not covered: what contradicts the context in its own words ("is covered" for "is not covered"), numbers in words, right
answers from general knowledge (they count as unsupported), without an encoder the same in other words (counts as
unsupported where most words differ), languages written without blanks. Where nouns are capitalized, as in German, they
count as names. How often each kind is told rightly: `benchmarks/groundedness.py`. The reference answers are measured as
well: what the method finds there is its own error, or the references use what the model is not given.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.models.sentence_encoder import SentenceEncoder, encoder_fingerprint
from ft_platform.use_case.settings.evaluation import Evaluation

LEAST_WORDS = 0.5
"""Share of a claim's content words that must stand in one passage."""
PASSAGE = 3
"""Sentences in a row: an answer often joins what stands in neighbouring ones."""
STEM = 6
"""First letters of a word that are compared: endings differ, in most languages, and no dictionary is needed."""
SHORTEST_WORD = 4
"""Letters of a content word; shorter ones are mostly articles, pronouns and prepositions."""

REFERENCE = "reference"
SETTING = "evaluation.groundedness_model"
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+|\n+")
LIST_MARK = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+", re.MULTILINE)
WORD = re.compile(r"\w+(?:['’]\w+)*")
NUMBER = re.compile(r"\d+(?:[.,:/\-]\d+)*")
STOP = frozenset(
    re.findall(
        r"\w+",
        """
about also although always another because been before being both cannot could does each either else even every from
have having here into just like made make many might more most much must need never only other otherwise over please
should since some such than that their them then there these they this those though through under until upon very want
well were what when where whether which while will with within without would your yours yourself
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


class Meanings:
    """Whether two sentences mean about the same, by the cosine of their vectors.

    Args:
        encoder: of sentences.
        sha256: of its files.
        least: cosine in [-1, 1] from which they do.
    """

    def __init__(self, encoder: SentenceEncoder, sha256: str, least: float) -> None:
        self.sha256, self.least = sha256, least
        self._encoder = encoder
        self._vectors: dict[str, np.ndarray] = {}

    def read(self, texts: Iterable[str]) -> None:
        """Makes the vectors of all sentences of some texts, many at once."""
        new = sorted({sentence for text in texts for sentence in sentences_in(text)} - self._vectors.keys())
        self._vectors |= zip(new, _of_length_one(self._encoder.vectors(new)), strict=True)

    def close(self, sentence: str, context: str) -> bool:
        """Whether one sentence of the context means about the same. Both were read."""
        known = [self._vectors[one] for one in sentences_in(context)]
        return bool(known) and float(np.max(np.stack(known) @ self._vectors[sentence])) >= self.least


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def meanings_of(settings: Evaluation) -> Meanings | None:
    """The encoder that the settings name; None: words alone decide.

    Raises:
        ConfigError: it is no folder with a model that can be loaded.
        MissingExtra: torch or transformers is not installed.
    """
    name = settings.groundedness_model
    if name is None:
        return None
    return Meanings(
        SentenceEncoder(name, SETTING), encoder_fingerprint(name, SETTING), settings.groundedness_similarity
    )


def claims_in(answer: str, context: str, meanings: Meanings | None = None) -> Claims:
    """The claims of an answer, compared with its context.

    Args:
        meanings: has read both; None: words alone decide.
    """
    known_numbers, known_words = set(_numbers(context)), {word.casefold() for word in _words(context)}
    passages = _passages(context)
    claims = unsupported = facts = unknown = 0
    for sentence in sentences_in(answer):
        numbers, names, stems = _numbers(sentence), _names(sentence), _stems(sentence)
        if not (numbers or names or len(stems) > 1):
            continue  # "Hello!"
        missing = sum(number not in known_numbers for number in numbers) + sum(
            name not in known_words for name in names
        )
        overlap = max((len(stems & passage) for passage in passages), default=0)
        claims += 1
        facts += len(numbers) + len(names)
        unknown += missing
        said = overlap >= LEAST_WORDS * len(stems) or (meanings is not None and meanings.close(sentence, context))
        unsupported += bool(missing) or not said
    return Claims(claims, unsupported, facts, unknown)


def sentences_in(text: str) -> list[str]:
    return [part for part in map(str.strip, SENTENCE_END.split(LIST_MARK.sub("", text))) if part]


def _passages(context: str) -> list[set[str]]:
    """Stems of the content words of every `PASSAGE` sentences in a row."""
    stems = [_stems(sentence) for sentence in sentences_in(context)]
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
    return [
        word.casefold() for word in words[1:] if word[0].isupper() and len(word) > 1 and not re.match(r"I['’]", word)
    ]


def statistics(answers: list[str], contexts: list[str], meanings: Meanings | None = None) -> np.ndarray:
    """Per answer: claims, unsupported claims, has claims, has an unsupported one, numbers and names, those without
    support. Shape `(rows, 6)`."""
    if meanings is not None:
        meanings.read([*answers, *contexts])
    found = (claims_in(answer, context, meanings) for answer, context in zip(answers, contexts, strict=True))
    return np.array(
        [[c.claims, c.unsupported, c.claims > 0, c.unsupported > 0, c.facts, c.unsupported_facts] for c in found], float
    ).reshape(-1, 6)


def _ratio(part: int, whole: int) -> Any:
    def score(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[..., part] / sums[..., whole]

    return score


FIGURES = {
    "unsupported_claims": Metric(
        "unsupported_claims",
        "Claims without support",
        "generation",
        0.0,
        1.0,
        False,
        1,
        lambda rows: rows,
        _ratio(1, 0),
    ),
    "hallucination_rate": Metric(
        "hallucination_rate",
        "Answers with such a claim",
        "generation",
        0.0,
        1.0,
        False,
        2,
        lambda rows: rows,
        _ratio(3, 2),
    ),
    "unsupported_facts": Metric(
        "unsupported_facts",
        "Numbers and names without support",
        "generation",
        0.0,
        1.0,
        False,
        3,
        lambda rows: rows,
        _ratio(5, 4),
    ),
}
"""Shares in [0, 1]. Not among the metrics of every use case: they need a context, which most use cases do not give."""


def groundedness(
    outputs: Mapping[str, Outputs],
    references: list[str],
    contexts: list[str],
    settings: Evaluation,
    meanings: Meanings | None = None,
) -> dict[str, Any]:
    """How far each system's answers, and the references, are supported by the contexts.

    Args:
        contexts: what the model was given per record.
        meanings: of `meanings_of`.

    Returns:
        `{"context", "meanings": {"sha256", "least_similarity"} or None, "rows", "systems": {system: {figure: {"value",
        "low", "high"} or None}}, "differences": {system: {figure: ...}}}`: `systems` holds `reference` too;
        `differences` are the last system minus each other one on the same records. None where no answer claims
        anything.
    """
    rows = {REFERENCE: statistics(references, contexts, meanings)}
    rows |= {
        system: statistics(found.answers, contexts, meanings)
        for system, found in outputs.items()
        if isinstance(found, TextOutputs)
    }
    last = list(rows)[-1]
    return {
        "context": settings.groundedness,
        "meanings": {"sha256": meanings.sha256, "least_similarity": meanings.least} if meanings else None,
        "rows": len(contexts),
        "systems": {
            system: {name: _figure(one, table, settings) for name, one in FIGURES.items()}
            for system, table in rows.items()
        },
        "differences": {
            system: {name: _difference(one, rows[last], table, settings) for name, one in FIGURES.items()}
            for system, table in rows.items()
            if system != last
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
