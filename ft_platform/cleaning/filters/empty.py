"""Nothing is left of the user's text after cleaning."""

from ft_platform.cleaning.filters import CleanedRecord
from ft_platform.use_case import NamedUseCase


def removes(record: CleanedRecord, use_case: NamedUseCase) -> bool:
    return not record.text.strip()
