"""Labels and features pass through anonymization as they are: an e-mail address or a name in one is a mistake in the
mapping.

Covered: direct identifiers, street addresses, entities of the use case's own, names of persons (`person_values`), texts
that are too long for a value; in every column whose values no list names (`privacy.allowed_values`) and that is not
emptied or replaced (`privacy.columns`)."""

import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.privacy.custom import custom_recognizers
from ft_platform.privacy.entities import Recognizer, all_recognizers
from ft_platform.privacy.person_values import looks_like_person, single_names
from ft_platform.records.rows import Rows
from ft_platform.settings.privacy import Privacy
from ft_platform.use_case.named import NamedUseCase

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
        rows_with_name: rows with such a value.
        long: values that are too long.
        single_words: value -> rows, of the first values that are one word.
        seen: values that were looked at, and whether they look like a name.
    """

    entities: Counter[str] = field(default_factory=Counter)
    names: int = 0
    rows_with_name: int = 0
    long: int = 0
    single_words: Counter[str] = field(default_factory=Counter)
    seen: dict[str, bool] = field(default_factory=dict)


def require_no_identifiers(use_case: NamedUseCase, rows: Rows) -> None:
    """Returns if no label or feature holds a direct identifier or the name of a person.

    Raises:
        DataError: naming the columns, and how many values of them hold which entity or look like a name.
    """
    privacy = use_case.settings.privacy
    features = [
        f"feature_{name}"
        for name in use_case.settings.record.features
        if name not in {*privacy.columns, *privacy.allowed_values}
    ]
    columns = [*(["label"] if "label" not in privacy.allowed_values else []), *features]
    recognizers = recognizers_of_values(privacy)
    found = {column: Found() for column in columns}
    for batch in rows.batches(columns):
        for column in columns:
            _look(found[column], batch.column(column), recognizers)
    if problems := [problem for column, one in found.items() for problem in _problems(column, one)]:
        raise DataError(
            f"{use_case.name}: " + "; ".join(problems),
            "Map another column under `record`, list the values that are meant under `privacy.allowed_values`, or name"
            " the feature under `privacy.columns` (`drop` or `pseudonym`)",
        )


def recognizers_of_values(privacy: Privacy) -> list[Recognizer]:
    return [
        *(r for entity, r in all_recognizers().items() if entity not in NOT_IN_VALUES),
        *custom_recognizers(privacy),
    ]


def _look(found: Found, column: pa.Array, recognizers: list[Recognizer]) -> None:
    if len(found.seen) > KNOWN_VALUES:
        found.seen.clear()
    for value, count in ((one["values"], one["counts"]) for one in column.value_counts().to_pylist()):
        if not value or SHORT_NUMBER.fullmatch(value):
            continue
        if value not in found.seen:
            found.seen[value] = looks_like_person(value)
            found.names += found.seen[value]
            found.long += len(value) > LONGEST_VALUE
            found.entities.update(r.entity for r in recognizers if any(s.score >= DIRECT_SCORE for s in r.find(value)))
        if found.seen[value]:
            found.rows_with_name += count
        elif " " not in value and len(found.single_words) < KNOWN_VALUES:
            found.single_words[value] += count


def _problems(column: str, found: Found) -> list[str]:
    singles = single_names(found.single_words, len(found.seen))
    names, rows = found.names + len(singles), found.rows_with_name + sum(found.single_words[name] for name in singles)
    problems = []
    if found.entities:
        problems.append(
            f"column {column} contains direct identifiers"
            f" ({', '.join(f'{count} {entity}' for entity, count in sorted(found.entities.items()))})"
        )
    if names:
        problems.append(f"column {column} seems to contain names of persons ({names} values in {rows} rows)")
    if found.long:
        problems.append(f"column {column} contains texts ({found.long} values of more than {LONGEST_VALUE} characters)")
    return problems
