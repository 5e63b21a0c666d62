"""Records that must stay on one side: those of one person, with the same text, or with nearly the same text."""

import hashlib

import numpy as np
import pyarrow as pa

from ft_platform.near_duplicates import clusters, find_near_duplicates, normalized_text
from ft_platform.records import user_texts
from ft_platform.use_case import Splits


def group_ids(settings: Splits, records: pa.Table) -> tuple[list[str], int]:
    """The group of each record, and how many sets of near duplicates were too large to compare all with all.

    A group is named by a hash of its smallest record_id, so it does not depend on the order of the records.

    Args:
        settings: threshold of near duplicates, and whether a person's records stay together.
        records: sorted by record_id; needs `record_id`, `messages`, `subject_id`.
    """
    texts = user_texts(records["messages"])
    links = [_equal([normalized_text(text) for text in texts])]
    if settings.group_by_subject:
        links.append(_equal(records["subject_id"].to_pylist()))
    near = find_near_duplicates(texts, settings.near_duplicate_threshold, stage="splits")
    smallest = clusters(len(texts), np.concatenate([near.pairs, *links]))
    ids = records["record_id"].to_pylist()
    return [hashlib.blake2b(ids[i].encode(), digest_size=8).hexdigest() for i in smallest.tolist()], near.capped


def _equal(values: list[str | None]) -> np.ndarray:
    """Each value that is there before, linked to its first place. Shape `(links, 2)`."""
    first: dict[str, int] = {}
    links = [(first.setdefault(value, i), i) for i, value in enumerate(values) if value is not None]
    return np.array([link for link in links if link[0] != link[1]], dtype=np.int64).reshape(-1, 2)
