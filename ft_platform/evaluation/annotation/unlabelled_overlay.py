"""Labels that experts gave to records without one, over `permitted_records`: `cleaned_records` reads them as if the
source had said so. Where it says something itself, it is believed."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ft_platform.evaluation.annotation.repairs import REPAIRS, Repair
from ft_platform.evaluation.annotation.task import NO_LABEL
from ft_platform.lake.store import Lake
from ft_platform.people.statements import statements
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


def given_labels(repairs: Sequence[Repair]) -> dict[str, str]:
    """Record id -> the label that experts gave it where it had none."""
    return {one.record_id: one.after for one in repairs if one.field == "label" and one.before == NO_LABEL}


def ever_given(lake: Lake, use_case: NamedUseCase) -> set[str]:
    """Ids of all records that experts ever gave a label, also where that was taken back."""
    said = (one.said for one in statements(lake, use_case, REPAIRS))
    return {one["record_id"] for stated in said for one in stated["repairs"] if one["before"] == NO_LABEL}


def fingerprint(given: Mapping[str, str]) -> str:
    """What `cleaned_records` depends on."""
    return settings_hash({"given_labels": dict(given)})


def has_none(label: str | None) -> bool:
    return not (label or "").strip()


class LabelledRows:
    """Rows with given labels where they have none (`records.rows.Rows`)."""

    def __init__(self, rows: Rows, given: Mapping[str, str]) -> None:
        self.schema, self.num_rows = rows.schema, rows.num_rows
        self._rows, self._given = rows, given

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        if columns is not None and "label" not in columns:
            yield from self._rows.batches(columns)
            return
        read = None if columns is None else list(dict.fromkeys([*columns, "record_id"]))
        for batch in self._rows.batches(read):
            ids, labels = (batch.column(name).to_pylist() for name in ("record_id", "label"))
            new = [
                self._given.get(one, label) if has_none(label) else label
                for one, label in zip(ids, labels, strict=True)
            ]
            place = batch.schema.get_field_index("label")
            whole = batch.set_column(place, batch.schema.field(place), pa.array(new, batch.schema.field(place).type))
            yield whole if columns is None else whole.select(list(columns))
