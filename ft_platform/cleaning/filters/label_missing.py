"""A record to learn a class from has no label."""

from ft_platform.cleaning.filters import CleanedRecord
from ft_platform.use_case import NamedUseCase


def removes(record: CleanedRecord, use_case: NamedUseCase) -> bool:
    return use_case.settings.task.kind == "classification" and not record.label
