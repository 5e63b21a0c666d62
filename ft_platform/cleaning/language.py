"""How sure it is that a text is in one of the allowed languages, by py3langid (97 languages, BSD-3-Clause, model in the
wheel).

A naive Bayes model of byte n-grams whose probabilities are tempered by the length of the text. Measured with py3langid
0.4.0 on 4,000 texts of the message catalogues of Django 5.2 in 26 languages, with the language of the text as the only
one allowed and a confidence of 0.8: of texts of 20 to 39 characters 0.7 % are wrongly removed and 28 % undetermined, of
40 to 79 characters none and 12 %, of longer ones none and 4 %. With English as the only one allowed, 97 % of the
shortest others are removed and all longer ones. `benchmarks/cleaning.py --languages` prints this. On 1,500 of these,
lingua 2.1 had the same accuracy (0.9 % and 24 %; 96 %) at a twentieth of the speed, from 96 MB. Not covered: a text of
several languages counts as what prevails in it; languages the model does not know; transliterations."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.use_case.settings.cleaning import Cleaning

if TYPE_CHECKING:
    from ft_platform.cleaning.filters import CleanedRecords

HEAD_CHARACTERS = 1000
"""Characters of a text that are looked at."""
LEAST_PROBABILITY = 0.15
"""If neither the allowed languages together nor any other one get this much, nothing is known: of `12345`, all get 1 to
3 %. At 0.15, 0.7 % of the texts of 20 to 39 characters are wrongly removed; at 0.25 0.5 %, but then 5.2 instead of 2.8
% of the foreign ones stay."""
UNKNOWN = 0.5
NO_LANGUAGE = "zxx"
"""ISO 639-2 for text that is in no language, such as numbers; the model knows it too."""


def allowed_share(records: "CleanedRecords", settings: Cleaning) -> np.ndarray:
    """Probability in [0, 1] that each text is in an allowed language and not in the likeliest other one. Shape
    `(rows,)`.

    Raises:
        MissingExtra: py3langid is not installed.
        ConfigError: a language that the model does not know.
    """
    if "allowed_share" not in records.memo:
        identifier = _identifier()
        allowed = frozenset(settings.allowed_languages)
        if unknown := sorted(allowed - set(identifier.labels)):
            known = ", ".join(sorted(identifier.labels))
            raise ConfigError(
                [f"cleaning.allowed_languages: {', '.join(unknown)} is not known to the language model"],
                f"Known languages: {known}",
            )
        records.memo["allowed_share"] = np.array(
            [share_of(identifier, text, allowed) for text in records.texts.to_pylist()]
        )
    return records.memo["allowed_share"]


def likeliest(texts: Iterable[str], languages: Sequence[str]) -> list[str | None]:
    """Which of the languages each text is most probably in; None for text in no language, such as numbers.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    identifier, allowed = _identifier(), frozenset(languages)
    return [
        next((language for language, _ in ranked if language in allowed), None) if ranked[0][0] != NO_LANGUAGE else None
        for ranked in (identifier.rank(text[:HEAD_CHARACTERS]) for text in texts)
    ]


def is_foreign(text: str, settings: Cleaning) -> bool:
    """Whether a text is in none of the allowed languages, as surely as `language_not_allowed` wants it.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    allowed = frozenset(settings.allowed_languages)
    return 1 - share_of(_identifier(), text, allowed) >= settings.language_confidence


def share_of(identifier: Any, text: str, allowed: frozenset[str]) -> float:
    """The same for one text."""
    ranked = identifier.rank(text[:HEAD_CHARACTERS])
    if ranked[0][0] == NO_LANGUAGE:
        return UNKNOWN
    inside = sum(probability for language, probability in ranked if language in allowed)
    outside = next((probability for language, probability in ranked if language not in allowed), 0.0)
    return inside / (inside + outside) if max(inside, outside) >= LEAST_PROBABILITY else UNKNOWN


@cache
def _identifier() -> Any:
    """Loads the model: half a cpu-second, 100 MB."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtra("py3langid", "language") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
