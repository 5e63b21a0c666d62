"""Requests that are unlike every record a model was tested on, so that no accuracy is known for them.

Covered: texts without letters and digits, or with the same one over and over; texts in none of
`cleaning.allowed_languages`, which are removed from the records with the same certainty. Not covered: words without a
meaning, and other languages where the use case names none."""

from collections.abc import Sequence

from ft_platform.cleaning.language import is_foreign
from ft_platform.use_case.settings.cleaning import Cleaning

NAME = "abstained"
FEWEST_REPEATED = 3


def is_unlike_the_records(texts: Sequence[str], cleaning: Cleaning) -> bool:
    """Whether what a person wrote is unlike the records.

    Raises:
        MissingExtra: py3langid is not installed.
        ConfigError: a language that the model of languages does not know.
    """
    text = " ".join(texts)
    written = {character for character in text.casefold() if character.isalnum()}
    if not written or (len(written) == 1 and sum(map(str.isalnum, text)) >= FEWEST_REPEATED):
        return True
    return bool(cleaning.allowed_languages) and is_foreign(text, cleaning)
