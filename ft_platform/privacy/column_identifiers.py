"""Labels and features pass through anonymization as they are: an e-mail address in one is a mistake in the mapping."""

from collections import Counter

from ft_platform.errors import DataError
from ft_platform.privacy.entities import all_recognizers
from ft_platform.records import feature_columns
from ft_platform.rows import Rows
from ft_platform.use_case import NamedUseCase

DIRECT = ("EMAIL", "PHONE", "US_SSN", "CREDIT_CARD", "IBAN", "URL_CREDENTIALS", "API_KEY", "UK_NINO", "ES_DNI")
"""Entities that point to one person and are told by their form alone. No label or feature may hold one."""

DIRECT_SCORE = 0.7

KNOWN_VALUES = 100_000
"""Different values of a column that are remembered as looked at."""


def require_no_identifiers(use_case: NamedUseCase, rows: Rows) -> None:
    """Returns if no label or feature holds a direct identifier, but for features that `privacy.columns` empties or replaces.

    Raises:
        DataError: naming the columns, and how many values of them hold which entity.
    """
    treated = {f"feature_{name}" for name in use_case.settings.privacy.columns}
    columns = ["label", *(name for name in feature_columns(use_case) if name not in treated)]
    recognizers = [all_recognizers()[entity] for entity in DIRECT]
    known: dict[str, set[str]] = {column: set() for column in columns}
    found: dict[str, Counter[str]] = {column: Counter() for column in columns}
    for batch in rows.batches(columns):
        for column in columns:
            seen = known[column]
            if len(seen) > KNOWN_VALUES:
                seen.clear()
            new = [value for value in batch.column(column).unique().to_pylist() if value and value not in seen]
            seen.update(new)
            found[column].update(r.entity for value in new for r in recognizers if any(s.score >= DIRECT_SCORE for s in r.find(value)))
    problems = [
        f"column {column} holds direct identifiers ({', '.join(f'{count} {entity}' for entity, count in sorted(counts.items()))})"
        for column, counts in found.items()
        if counts
    ]
    if problems:
        raise DataError(
            f"{use_case.name}: " + "; ".join(problems),
            "Map another column under `record.label` or `record.features`, or name the feature under `privacy.columns` (`drop` or `pseudonym`)",
        )
