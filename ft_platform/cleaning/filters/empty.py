"""Nothing is left of the user's text after cleaning."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    return is_blank(records.texts)


def is_blank(texts: pa.Array) -> np.ndarray:
    """Whether each text is empty or white space. Shape `(texts,)`, dtype bool."""
    starts = pc.utf8_slice_codeunits(texts, 0, 1)
    maybe = pc.or_(pc.equal(starts, ""), pc.utf8_is_space(starts)).to_numpy(zero_copy_only=False)
    blank = np.zeros(len(texts), bool)
    rows = np.flatnonzero(maybe)
    blank[rows] = [not text.strip() for text in texts.take(pa.array(rows)).to_pylist()]
    return blank
