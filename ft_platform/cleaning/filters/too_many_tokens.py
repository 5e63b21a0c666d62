"""The user's text has more tokens than `cleaning.max_tokens`, by `cleaning.tokenizer`."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.cleaning.token_counts import token_counts
from ft_platform.use_case.named import NamedUseCase

ORDER = 2


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    settings = use_case.settings.cleaning
    return token_counts(records, settings) > settings.max_tokens if settings.max_tokens is not None else records.none()
