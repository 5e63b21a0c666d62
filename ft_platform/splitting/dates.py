"""The day of each record, for divisions by time."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.records.rows import Rows

DATE = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2}([T ].*)?)?)?$"
"""ISO 8601: a year, a month, a day, or a time of it. Anonymization may leave a month or a year only."""
PARTS = ((0, 4, 10_000), (5, 7, 100), (8, 10, 1))
"""First and last character of year, month and day, and what each counts in a number YYYYMMDD."""


def record_days(
    use_case_name: str,
    rows: Rows,
    needed_by: str = "splits.strategy: temporal",
    instead: str = "set `splits.strategy: random`",
) -> np.ndarray:
    """`record_date` of each row as a number YYYYMMDD; a month or day that is not given counts as 00. Shape `(rows,)`,
    dtype int32.

    Args:
        needed_by: setting that needs the dates.
        instead: what helps besides dates.

    Raises:
        DataError: rows without a date, or with one in another form.
    """
    days, wrong = [np.empty(0, np.int32)], 0
    for batch in rows.batches(["record_date"]):
        dates = batch.column("record_date")
        sound = pc.fill_null(pc.match_substring_regex(dates, DATE), False)
        wrong += len(dates) - (pc.sum(sound).as_py() or 0)
        days.append(_days(pc.if_else(sound, dates, pa.scalar("0000"))))
    if wrong:
        raise DataError(
            f"{use_case_name}: {wrong} of {rows.num_rows} records have no `record_date` in the form YYYY-MM-DD, which"
            f" `{needed_by}` needs",
            f"Correct the column that `record.date` names, or {instead}",
        )
    return np.concatenate(days)


def _days(dates: pa.Array) -> np.ndarray:
    total = np.zeros(len(dates), np.int32)
    for start, stop, weight in PARTS:
        part = pc.utf8_slice_codeunits(dates, start, stop)
        total += pc.cast(pc.if_else(pc.equal(part, ""), "0", part), pa.int32()).to_numpy(
            zero_copy_only=False
        ) * np.int32(weight)
    return total
