"""Which records repeat another one, and which one of them stays: the one with the smallest record_id.

A record_id is a hash of the record's content, so the choice does not depend on the order of the rows or files.
"""

from collections.abc import Sequence

from ft_platform.near_duplicates import find_near_duplicates


def exact_duplicates(keys: Sequence[str]) -> dict[int, int]:
    """Index of each repeated key -> index of its first occurrence."""
    first: dict[str, int] = {}
    return {i: original for i, key in enumerate(keys) if (original := first.setdefault(key, i)) != i}


def near_duplicates(texts: Sequence[str], threshold: float, *, stage: str) -> tuple[dict[int, int], int]:
    """Index of each text that is near an earlier one that stays -> index of that one; and how many sets were capped.

    A text goes only if it is itself near one that stays: in a chain a ~ b ~ c, where a and c are not alike, c stays.
    Identical texts share the fate of the first of them and are not near duplicates of it.
    """
    repeated = exact_duplicates(texts)
    distinct = [i for i in range(len(texts)) if i not in repeated]
    found = find_near_duplicates([texts[i] for i in distinct], threshold, stage=stage)
    near: dict[int, int] = {}
    # Sorted by (i, j): all that decides on i comes before i decides on others.
    for (i, j), similarity in zip(found.pairs.tolist(), found.similarity.tolist(), strict=True):
        if j in near:
            continue
        if i not in near:
            near[j] = i
        elif similarity == 1.0:  # texts with equal shingles are paired with the first of them only
            near[j] = near[i]
    removed = {distinct[j]: distinct[i] for j, i in near.items()}
    return removed | {i: removed[original] for i, original in repeated.items() if original in removed}, found.capped
