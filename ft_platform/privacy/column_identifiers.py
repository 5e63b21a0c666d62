"""Labels and features pass through anonymization as they are: an e-mail address or a name in one is a mistake in the mapping.

Covered: direct identifiers, street addresses, entities of the use case's own, names of persons (`person_values`), texts that are too long for a value;
in every column whose values no list names (`privacy.allowed_values`) and that is not emptied or replaced (`privacy.columns`).
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.privacy.custom import custom_recognizers
from ft_platform.privacy.entities import Recognizer, all_recognizers
from ft_platform.privacy.person_values import looks_like_person, single_names
from ft_platform.records import feature_columns
from ft_platform.rows import Rows
from ft_platform.use_case import NamedUseCase, Privacy

NOT_IN_VALUES = ("AGE", "DATE", "DATE_TIME", "LOCATION", "ORGANIZATION", "PERSON", "URL")
"""Entities that many features are (ages, days, states, companies). Persons have a look of their own."""

DIRECT_SCORE = 0.7

KNOWN_VALUES = 100_000
"""Different values of a column that are remembered as looked at."""

LONGEST_VALUE = 300
"""Characters. The longest label or feature of CFPB, BANKING77, NYC 311 and German credit has 120."""

SHORT_NUMBER = re.compile(r"-?[0-9]{0,6}(?:\.[0-9]{0,17})?")
"""Values that no recognizer finds anything in; there may be as many as rows."""


@dataclass
class Found:
    """What was found in one column.

    Attributes:
        entities: values that hold them, by entity.
        names: values that look like names of persons.
        long: values that are too long.
        rows: value -> rows, of the first values.
        seen: values that were looked at.
    """

    entities: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    long: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)


def require_no_identifiers(use_case: NamedUseCase, rows: Rows) -> None:
    """Returns if no label or feature holds a direct identifier or the name of a person.

    Raises:
        DataError: naming the columns, and how many values of them hold which entity or look like a name.
    """
    privacy = use_case.settings.privacy
    columns = [name for name in ("label", *feature_columns(use_case)) if name.removeprefix("feature_") not in {*privacy.columns, *privacy.allowed_values}]
    recognizers = recognizers_of_values(privacy)
    found = {column: Found() for column in columns}
    for batch in rows.batches(columns):
        for column in columns:
            _look(found[column], batch.column(column), recognizers)
    if problems := [problem for column, one in found.items() for problem in _problems(column, one)]:
        raise DataError(
            f"{use_case.name}: " + "; ".join(problems),
            "Map another column under `record`, list the values that are meant under `privacy.allowed_values`, or name the feature under `privacy.columns` "
            "(`drop` or `pseudonym`)",
        )


def recognizers_of_values(privacy: Privacy) -> list[Recognizer]:
    return [*(r for entity, r in all_recognizers().items() if entity not in NOT_IN_VALUES), *custom_recognizers(privacy)]


def _look(found: Found, column: pa.Array, recognizers: list[Recognizer]) -> None:
    if len(found.seen) > KNOWN_VALUES:
        found.seen.clear()
    for value, count in ((one["values"], one["counts"]) for one in column.value_counts().to_pylist()):
        if not value or SHORT_NUMBER.fullmatch(value):
            continue
        found.rows[value] += count if len(found.rows) <= KNOWN_VALUES else 0
        if value not in found.seen:
            found.seen.add(value)
            found.long += len(value) > LONGEST_VALUE
            found.entities.update(r.entity for r in recognizers if any(s.score >= DIRECT_SCORE for s in r.find(value)))
            found.names.update([value] if looks_like_person(value) else [])


def _problems(column: str, found: Found) -> list[str]:
    names = found.names | set(single_names(found.rows))
    problems = []
    if found.entities:
        problems.append(f"column {column} holds direct identifiers ({', '.join(f'{count} {entity}' for entity, count in sorted(found.entities.items()))})")
    if names:
        rows = sum(found.rows[name] for name in names)
        problems.append(f"column {column} holds names of persons, by the look of it ({len(names)} values in {rows} rows)")
    if found.long:
        problems.append(f"column {column} holds texts ({found.long} values of more than {LONGEST_VALUE} characters)")
    return problems
