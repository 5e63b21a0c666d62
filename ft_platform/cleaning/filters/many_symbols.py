"""The user's text has more `#`, bullets and ellipses than `cleaning.max_symbols_per_word` for each word.

Ratio of symbols to words of Gopher, which allows 0.1 (Rae et al. 2021, arXiv:2112.11446, A.1.1); bullets are from its
rule on lines."""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase

ORDER = 1
SYMBOL = r"#|\.{3,}|[…•‣◦▪■●◆★]"


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    most = use_case.settings.cleaning.max_symbols_per_word
    if most is None:
        return records.none()
    return records.occurrences(SYMBOL) > most * records.occurrences(r"[^\s\p{Z}]+")
