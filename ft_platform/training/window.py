"""Which records of the train split a training learns from: all, those of the last days, or these and a share of older
ones. Settings of training and not of retraining, so that a run by hand, a search and `ft reproduce` choose the same."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.models.rendering.renderer import labels_of
from ft_platform.records.rows import TableRows
from ft_platform.splitting.dates import record_days
from ft_platform.use_case.settings.training import Training

SETTING = "training.window_days"


def date_columns(training: Training) -> list[str]:
    """Columns of `splits` that the choice needs beside those of training."""
    return ["record_date"] if training.window_days else []


def within_window(table: pa.Table, training: Training, use_case_name: str) -> tuple[pa.Table, dict[str, Any]]:
    """The splits without the training records that are not learned from; validation and test stay whole.

    The days count back from the newest training record, so that the same splits give the same records on any day. A
    date that is a month or a year counts as its beginning.

    Returns:
        The splits, and `{"from", "to", "window", "replayed", "left_out", "labels_without_records"}`: first and last
        day of the window, and counts. Empty where all are learned from.

    Raises:
        DataError: training records without a date, or with one in another form.
    """
    if training.window_days is None:
        return table, {}
    in_train = pc.equal(table["split"], "train").to_numpy()
    train = table.filter(pa.array(in_train))
    days = record_days(use_case_name, TableRows(train), SETTING, f"remove `{SETTING}`")
    last = _day(int(days.max(initial=0)), use_case_name)
    first = last - timedelta(days=training.window_days)
    inside = days >= int(f"{first:%Y%m%d}")
    replayed = ~inside & (_places(train["record_id"]) < training.replay_share)
    kept = np.ones(table.num_rows, bool)
    kept[in_train] = inside | replayed
    chosen = table.filter(pa.array(kept))
    return chosen, {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "window": int(inside.sum()),
        "replayed": int(replayed.sum()),
        "left_out": int((~kept).sum()),
        "labels_without_records": len(labels_of(table)) - len(labels_of(chosen)),
    }


def in_words(chosen: Mapping[str, Any]) -> str:
    """Which records were chosen; empty where all were."""
    if not chosen:
        return ""
    return (
        f"Learned from {chosen['window']:,} training records dated {chosen['from']} to {chosen['to']} and"
        f" {chosen['replayed']:,} older ones; {chosen['left_out']:,} older ones were left out."
    )


def _day(number: int, use_case_name: str) -> date:
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    try:
        return date(year, max(month, 1), max(day, 1))
    except ValueError:
        raise DataError(
            f"{use_case_name}: the newest `record_date` of the train split is no day of the calendar, and"
            f" `{SETTING}` counts back from it",
            f"Correct the column that `record.date` names, or remove `{SETTING}`",
        ) from None


def _places(record_ids: pa.ChunkedArray) -> np.ndarray:
    """A number in [0, 1) for each record, from its id alone. Shape `(rows,)`."""
    digests = [hashlib.blake2b(f"replay:{one}".encode(), digest_size=8).digest() for one in record_ids.to_pylist()]
    return (np.frombuffer(b"".join(digests), np.uint64) >> np.uint64(11)) / 2.0**53
