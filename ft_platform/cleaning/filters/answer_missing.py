"""A record to learn an answer from has none."""

from ft_platform.cleaning.filters import CleanedRecord
from ft_platform.use_case import NamedUseCase


def removes(record: CleanedRecord, use_case: NamedUseCase) -> bool:
    return use_case.settings.task.kind == "generation" and not (record.answer or "").strip()
