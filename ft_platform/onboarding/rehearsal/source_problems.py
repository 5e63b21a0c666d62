"""What a look at the source says against a use case: columns that are not there, ids that repeat, values that do not
occur, labels that are too rare."""

import difflib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.label_spellings import hint, spellings
from ft_platform.sources.looking import Looked
from ft_platform.use_case.schema import UseCase

Place = tuple[str | int, ...]
SHOWN_COLUMNS = 40


def source_problems(settings: UseCase, looked: Looked) -> list[tuple[Place, str]]:
    """Place in the attributes and sentence, without a value of the source."""
    found = list(_missing(settings, looked))
    return found or [*_ids(settings, looked), *_consent(settings, looked), *_labels(settings, looked)]


def _missing(settings: UseCase, looked: Looked) -> Iterator[tuple[Place, str]]:
    record, names = settings.record, looked.rows.schema.names
    wanted = [(place, column) for place, column in _mapped(settings) if column not in record.optional_columns]
    missing = [(place, column) for place, column in wanted if column not in names]
    listed = ", ".join(names[:SHOWN_COLUMNS]) + (" and more" if len(names) > SHOWN_COLUMNS else "")
    for number, (place, column) in enumerate(missing):
        hint = f"; did you mean {close}?" if (close := _closest(column, names)) else ""
        there = f" The source has: {listed}" if number == len(missing) - 1 else ""
        yield place, f"{'.'.join(map(str, place))}: the source has no column {column!r}{hint}{there}"
    for place, column in wanted:
        if column in looked.differing:
            words = f"some files of the source have no column {column!r}: leave them out"
            yield place, f"{'.'.join(map(str, place))}: {words}, or name it in record.optional_columns"


def _mapped(settings: UseCase) -> Iterator[tuple[Place, str]]:
    """Every place of the mapping that names a column."""
    record = settings.record
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name in ("chat_format", "label_names", "optional_columns") or not value:
            continue
        if isinstance(value, dict):
            yield from ((("record", name, feature), column) for feature, column in value.items())
        else:
            yield from ((("record", name), column) for column in (value if isinstance(value, list) else [value]))


def _closest(word: str, names: list[str]) -> str:
    """A column of nearly this name; capitals, blanks and signs make no difference."""
    plain = {"".join(filter(str.isalnum, name.casefold())): name for name in names}
    close = difflib.get_close_matches("".join(filter(str.isalnum, word.casefold())), list(plain), n=1, cutoff=0.6)
    return plain[close[0]] if close else ""


def _ids(settings: UseCase, looked: Looked) -> Iterator[tuple[Place, str]]:
    if (name := settings.record.id) in looked.rows.schema.names:
        ids = _values(looked, str(name))
        if empty := ids.null_count:
            yield ("record", "id"), f"record.id: {empty:,} of {len(ids):,} rows have no value in column {name!r}"
        elif repeated := len(ids) - pc.count_distinct(ids).as_py():
            words = f"record.id: {repeated:,} of {len(ids):,} values of column {name!r} repeat; an id is unique"
            yield ("record", "id"), words


def _consent(settings: UseCase, looked: Looked) -> Iterator[tuple[Place, str]]:
    name, governance = settings.record.consent, settings.governance
    if name not in looked.rows.schema.names or governance.lawful_bases_without_consent or governance.unstated():
        return
    stated = _values(looked, str(name))
    accepted = pa.array([value.strip() for value in governance.accepted_consent], pa.string())
    if accepted and not pc.any(pc.is_in(stated, value_set=accepted)).as_py():
        yield (
            ("governance", "accepted_consent"),
            (
                f"governance.accepted_consent: none of its values is in column {name!r}, which has"
                f" {pc.count_distinct(stated).as_py():,} others in {len(stated):,} rows: spelling and case must match"
                " exactly"
            ),
        )


def source_hints(settings: UseCase, looked: Looked) -> list[str]:
    """What stops no run and is worth knowing, without a value of the source."""
    return list(filter(None, [hint(spellings(_label_counts(settings, looked)))]))


def _label_counts(settings: UseCase, looked: Looked) -> dict[str, int]:
    """Label, as `record.label_names` names it -> rows that were looked at; empty for a task without labels."""
    name = settings.record.label
    if settings.task.kind != "classification" or name not in looked.rows.schema.names:
        return {}
    counts: dict[str, int] = {}
    for one in pc.value_counts(pc.drop_null(_values(looked, str(name)))).to_pylist():
        label = settings.record.label_names.get(str(one["values"]), str(one["values"]))
        counts[label] = counts.get(label, 0) + one["counts"]
    return counts


def _labels(settings: UseCase, looked: Looked) -> Iterator[tuple[Place, str]]:
    name, splits = settings.record.label, settings.splits
    if settings.task.kind != "classification" or name not in looked.rows.schema.names:
        return
    counts = _label_counts(settings, looked)
    if len(counts) < 2 and looked.complete:
        yield ("record", "label"), f"record.label: column {name!r} has {len(counts)} different values; two are needed"
    rare = sum(count < splits.min_rows_per_label for count in counts.values())
    if rare and looked.complete and splits.rare_labels == "error":
        yield (
            ("splits", "rare_labels"),
            (
                f"splits.rare_labels: {rare} of {len(counts)} labels have fewer than splits.min_rows_per_label"
                f" ({splits.min_rows_per_label}) rows: set it to drop or other"
            ),
        )


def _values(looked: Looked, name: str) -> pa.ChunkedArray:
    """The values of a column; blank is none."""
    texts = pc.utf8_trim_whitespace(looked.rows.column(name))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
