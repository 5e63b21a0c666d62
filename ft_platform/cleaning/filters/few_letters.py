"""Too few of the user's characters are letters, white space aside: less than `cleaning.min_letter_share`.

Tables of numbers, rulers and log lines. Gopher asks for letters in 80 % of the words (Rae et al. 2021,
arXiv:2112.11446, A.1.1); a share of characters also works for scripts without blanks between words.
"""

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase

ORDER = 1


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    least = use_case.settings.cleaning.min_letter_share
    if least is None:
        return records.none()
    return records.occurrences(r"[\p{L}\p{M}]") < least * records.occurrences(r"[^\s\p{Z}]")
