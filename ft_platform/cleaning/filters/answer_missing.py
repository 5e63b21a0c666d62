"""A record to learn an answer from has none."""

import numpy as np
import pyarrow.compute as pc

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.cleaning.filters.empty import is_blank
from ft_platform.use_case.named import NamedUseCase


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    if use_case.settings.task.kind != "generation":
        return records.none()
    return is_blank(pc.fill_null(records.answers, ""))
