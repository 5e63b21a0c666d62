"""The user's text is shorter than `cleaning.min_characters`."""

from ft_platform.cleaning.filters import CleanedRecord
from ft_platform.use_case import NamedUseCase


def removes(record: CleanedRecord, use_case: NamedUseCase) -> bool:
    return len(record.text) < use_case.settings.cleaning.min_characters
