"""Whether the user's text is in one of `cleaning.allowed_languages` cannot be said with `cleaning.language_confidence`:
mostly short texts.

Removes them only where `cleaning.undetermined_language` is `remove`.
"""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.cleaning.language import allowed_share
from ft_platform.use_case.named import NamedUseCase

ORDER = 2


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    settings = use_case.settings.cleaning
    if not settings.allowed_languages or settings.undetermined_language == "keep":
        return records.none()
    share = allowed_share(records, settings)
    return (share < settings.language_confidence) & (1 - share < settings.language_confidence)
