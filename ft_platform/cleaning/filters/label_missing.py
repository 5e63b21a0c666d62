"""A record to learn a class from has no label."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    if use_case.settings.task.kind != "classification":
        return records.none()
    return records.labels.is_null().to_numpy(zero_copy_only=False)
