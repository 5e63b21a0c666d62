"""The user's text has fewer tokens than `cleaning.min_tokens`, by `cleaning.tokenizer`."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.cleaning.token_counts import token_counts
from ft_platform.use_case.named import NamedUseCase

ORDER = 2


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    settings = use_case.settings.cleaning
    return token_counts(records, settings) < settings.min_tokens if settings.min_tokens is not None else records.none()
