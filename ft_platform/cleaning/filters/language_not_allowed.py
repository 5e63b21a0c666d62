"""The user's text is in none of `cleaning.allowed_languages`, with at least `cleaning.language_confidence`."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.cleaning.language import allowed_share
from ft_platform.use_case.named import NamedUseCase

ORDER = 2


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    settings = use_case.settings.cleaning
    if not settings.allowed_languages:
        return records.none()
    return 1 - allowed_share(records, settings) >= settings.language_confidence
