"""Most letters of the user's text are capitals: more than `cleaning.max_capitals_share` of them.

Texts with fewer than `MIN_LETTERS` letters stay: `ATM FEE` is no shouting. Scripts without capitals never match.
"""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase

ORDER = 1
MIN_LETTERS = 20


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    most = use_case.settings.cleaning.max_capitals_share
    if most is None:
        return records.none()
    letters = records.occurrences(r"\p{L}")
    return (letters >= MIN_LETTERS) & (records.occurrences(r"\p{Lu}") > most * letters)
