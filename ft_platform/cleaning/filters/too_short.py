"""The user's text is shorter than `cleaning.min_characters`."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    return records.characters < use_case.settings.cleaning.min_characters
