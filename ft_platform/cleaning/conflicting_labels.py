"""Equal texts with different labels: the label that most of them have is taken, and where there is no such label the
text says nothing about its label, so that none of them stays.

Whichever record comes first would be chance, and a model cannot learn two answers to one question: Northcutt et al.
2021 (arXiv:1911.00068) treat such labels as noise of annotators, for which the majority is the likelier one.
"""

import numpy as np

NO_LABEL = 0
"""Number of records without a label: they have no vote."""


def settled(
    first: np.ndarray, labels: np.ndarray, rank: np.ndarray, votes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """The original of every row, which rows have none, and how many texts had conflicting labels.

    Args:
        first: row that each row repeats, or -1: the first of its text. Shape `(rows,)`.
        labels: number of each row's label. Shape `(rows,)`.
        rank: order in which rows are the first of equals. Shape `(rows,)`.
        votes: rows whose label counts where a text has some of them: those of the source, not requests to a served
            model. Shape `(rows,)`, dtype bool.
    """
    original, contested = first.copy(), np.zeros(len(first), bool)
    text = np.where(first >= 0, first, np.arange(len(first)))
    repeated = np.flatnonzero(first >= 0)
    disputed = np.unique(text[repeated[labels[repeated] != labels[text[repeated]]]])
    rows = np.flatnonzero(np.isin(text, disputed))
    rows = rows[np.lexsort((rank[rows], text[rows]))]
    conflicts = 0
    for group in np.split(rows, np.flatnonzero(np.diff(text[rows])) + 1) if len(rows) else []:
        asked = group[votes[group]] if votes[group].any() else group
        asked = asked[labels[asked] != NO_LABEL]
        found, counts = np.unique(labels[asked], return_counts=True)
        conflicts += len(found) > 1
        leading = found[counts == counts.max()] if len(found) else found
        if len(leading) > 1:
            contested[group] = True
        elif len(leading):
            chosen = asked[labels[asked] == leading[0]][0]
            original[group], original[chosen] = chosen, -1
    return original, contested, conflicts
