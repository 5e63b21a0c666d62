"""The user's text is made of links: more than `cleaning.max_link_share` of its characters, white space aside."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow.compute as pc

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase

ORDER = 1
LINK = r"(?i)(?:\bhttps?://|\bwww\.)[^\s<>\"]+"
VISIBLE = r"[^\s\p{Z}]"


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    most = use_case.settings.cleaning.max_link_share
    if most is None:
        return records.none()
    visible = records.occurrences(VISIBLE)
    other = pc.count_substring_regex(pc.replace_substring_regex(records.texts, LINK, ""), VISIBLE).to_numpy()
    return visible - other > most * visible
