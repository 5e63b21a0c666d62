"""Labels and features pass through anonymization as they are: an e-mail address or a name in one is a mistake in the
mapping.

Covered: direct identifiers, street addresses, entities of the use case's own, names of persons (`person_values`), texts
that are too long for a value, telephone numbers, handles and days (of birth, for all we know) that are a whole value;
features with more different values than can be looked at; in every column whose values no list names
(`privacy.allowed_values`) and that is not emptied or replaced (`privacy.columns`). Days and numbers may stay where
`privacy.quasi_identifiers` makes them coarser. Not covered: what `person_values` does not, in features with few
values; ids of persons that are numbers of six digits or fewer."""

import re
from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.privacy.closed_columns import KINDS as PARSED
from ft_platform.privacy.custom import custom_recognizers
from ft_platform.privacy.entities import Recognizer, all_recognizers
from ft_platform.privacy.person_values import persons_among, single_names
from ft_platform.privacy.recognizers.date_of_birth import DATE
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.privacy import Privacy

NOT_IN_VALUES = ("AGE", "DATE", "DATE_TIME", "LOCATION", "NUMBER", "ORGANIZATION", "PERSON", "UNKNOWN_NAME", "URL")
"""Entities that many features are (ages, days, states, companies). Persons have a look of their own."""

DIRECT_SCORE, WHOLE_SCORE = 0.7, 0.5
"""From which a finding counts anywhere in a value, and where it is the whole value."""

MOST_VALUES = 200
"""Different values of a feature that need no list. The largest lists of kinds in our public data have 146 (sub-issues
of CFPB), 77 (BANKING77) and 71 (districts of NYC 311); ids, names, streets and companies have more than 500."""

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
        names: values that look like persons.
        values: the first different ones, short numbers left out.
        rows_with_name: rows with such a value.
        long: values that are too long.
        single_words: value -> rows, of the first values that are one word.
        seen: values that were looked at, and whether they look like a name.
    """

    entities: Counter[str] = field(default_factory=Counter)
    names: int = 0
    values: set[str] = field(default_factory=set)
    rows_with_name: int = 0
    long: int = 0
    single_words: Counter[str] = field(default_factory=Counter)
    seen: dict[str, bool] = field(default_factory=dict)


def require_no_identifiers(use_case: NamedUseCase, rows: Rows) -> None:
    """Returns if no label or feature holds a direct identifier or the name of a person, and no feature more different
    values than a list of kinds has.

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
            coarser = privacy.quasi_identifiers.get(column.removeprefix("feature_")) in PARSED and column != "label"
            _look(found[column], batch.column(column), recognizers, coarser=coarser)
    if problems := [problem for column, one in found.items() for problem in _problems(column, one)]:
        raise DataError(
            f"{use_case.name}: " + "; ".join(problems),
            "Map another column under `record`, list the values that are meant under `privacy.allowed_values`, name the"
            " feature under `privacy.columns` (`drop` or `pseudonym`), or a date or number under"
            " `privacy.quasi_identifiers`",
        )


def recognizers_of_values(privacy: Privacy) -> list[Recognizer]:
    return [
        *(r for entity, r in all_recognizers().items() if entity not in NOT_IN_VALUES),
        *custom_recognizers(privacy),
    ]


def _look(found: Found, column: pa.Array, recognizers: list[Recognizer], *, coarser: bool) -> None:
    """Args: coarser: `privacy.quasi_identifiers` makes the column coarser, so that numbers and days may stay."""
    if len(found.seen) > KNOWN_VALUES:
        found.seen.clear()
    counts = {
        one["values"]: one["counts"]
        for one in column.value_counts().to_pylist()
        if one["values"] and not SHORT_NUMBER.fullmatch(one["values"])
    }
    new = [value for value in counts if value not in found.seen]
    persons = persons_among(new)
    for value in new:
        found.seen[value] = value in persons
        found.names += value in persons
        found.long += len(value) > LONGEST_VALUE
        if len(found.values) <= MOST_VALUES and not coarser:
            found.values.add(value)
        found.entities.update(_entities(value, recognizers, coarser=coarser))
    for value, count in counts.items():
        if found.seen[value]:
            found.rows_with_name += count
        elif " " not in value and len(found.single_words) < KNOWN_VALUES:
            found.single_words[value] += count


def _entities(value: str, recognizers: list[Recognizer], *, coarser: bool) -> set[str]:
    whole = (len(value) - len(value.lstrip()), len(value.rstrip()))
    entities = {
        r.entity
        for r in recognizers
        if any(
            s.score >= DIRECT_SCORE or (not coarser and s.score >= WHOLE_SCORE and (s.start, s.end) == whole)
            for s in r.find(value)
        )
    }
    return entities | ({"DATE_OF_BIRTH"} if not coarser and DATE.fullmatch(value.strip()) else set())


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
    if column != "label" and len(found.values) > MOST_VALUES:
        problems.append(f"column {column} has more than {MOST_VALUES} different values, and no list of them")
    if found.long:
        problems.append(f"column {column} contains texts ({found.long} values of more than {LONGEST_VALUE} characters)")
    return problems
