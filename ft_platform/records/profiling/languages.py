"""The language of a text, by py3langid (97 languages, model in the wheel)."""

from collections.abc import Iterable
from functools import cache
from typing import Any

HEAD_CHARACTERS = 300
"""Characters of a text that are looked at."""

LEAST_PROBABILITY = 0.5
UNDETERMINED = "und"
"""ISO 639-2 for a language that was not determined."""


def is_installed() -> bool:
    """Whether the package is there: `pip install "ft-platform[language]"`."""
    import importlib.util

    return importlib.util.find_spec("py3langid") is not None


def languages(texts: Iterable[str]) -> list[str]:
    """ISO 639-1 code of each text, or `UNDETERMINED`."""
    found = [_identifier().classify(text[:HEAD_CHARACTERS]) for text in texts]
    return [language if probability >= LEAST_PROBABILITY else UNDETERMINED for language, probability in found]


@cache
def _identifier() -> Any:
    """Loads the model: half a cpu-second, 100 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
