"""The group of each record: the value of a feature, or of several together, with small groups pooled where the use case
says so."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ft_platform.use_case.settings.fairness import Fairness

NOT_STATED = "not stated"
"""The group of records without a value."""
AND = " and "
"""Joins features, and values, that are looked at together."""


def group_values(settings: Fairness, table: pa.Table, features: Sequence[str]) -> np.ndarray:
    """The group of each record, of one feature or of several together. Shape `(rows,)`.

    Args:
        table: with a column `feature_<name>` for each of `features`.
    """
    return _pooled(settings, features, stated_values(settings, table, features))


def stated_values(settings: Fairness, table: pa.Table, features: Sequence[str]) -> np.ndarray:
    """The same before the groups of these features together are pooled; of a single feature, as the records state
    it."""
    if len(features) == 1:
        return np.array([value or NOT_STATED for value in table[f"feature_{features[0]}"].to_pylist()], dtype=object)
    columns = [group_values(settings, table, [feature]) for feature in features]
    return np.array([AND.join(row) for row in zip(*columns, strict=True)], dtype=object)


def pooled_parts(settings: Fairness, table: pa.Table, features: Sequence[str]) -> dict[str, dict[str, int]]:
    """Pooled group -> value that it holds -> records with it, of the pools that hold a record."""
    stated = stated_values(settings, table, features)
    groups, pools = _pooled(settings, features, stated), settings.pooled_groups.get(AND.join(features), {})
    return {pool: _counts(stated[groups == pool]) for pool in pools if (groups == pool).any()}


def _pooled(settings: Fairness, features: Sequence[str], values: np.ndarray) -> np.ndarray:
    pools: Mapping[str, Sequence[str]] = settings.pooled_groups.get(AND.join(features), {})
    pool_of = {value: pool for pool, parts in pools.items() for value in parts}
    return np.array([pool_of.get(value, value) for value in values], dtype=object)


def _counts(values: np.ndarray) -> dict[str, int]:
    return {str(value): int((values == value).sum()) for value in sorted(set(values))}
