"""Late labels from a file with ids of requests, e.g. of a ticket system, as feedback."""

import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.feedback import BY_FILE
from ft_platform.monitoring.traffic.request_ids import request_id
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.people.audit_log.opening import note
from ft_platform.sources.budget import Budget
from ft_platform.sources.discovery import find_parts, hashes
from ft_platform.sources.parts import Order, Part
from ft_platform.use_case.settings.ceilings import capped
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Limits, RecordMapping, Source


def add_labels(
    lake: Lake, environment: Environment, use_case: str, uri: str, id_column: str, label_column: str
) -> dict[str, int]:
    """Adds the labels of a file to the feedback; a file with the same content is added once. A label that neither the
    splits nor the model have says that the answer was wrong, and is not kept: nobody has looked whether it is one, or a
    text in the wrong column.

    Returns:
        `{"rows", "unknown", "other_labels", "added"}`. `unknown`: ids of no request that is noted; these labels count
        once the request is shipped.

    Raises:
        SourceError: the file cannot be read, or has no such column.
        DataError: a row has no id of a request, or no label, or most labels are none. It names rows, never what is in
            them.
    """
    source = Source(uri=uri, limits=capped(Limits(), environment.policy))
    parts = find_parts(source, environment).parts
    if len(parts) != 1:
        raise DataError(f"{uri} matches {len(parts)} files, expected one", "Name one file at a time")
    (sha256,) = hashes(parts).values()
    rows = _rows(source, parts[0], sha256, id_column, label_column)
    tables = TrafficTables(lake, use_case)
    asked = tables.read("requests", columns=["request_id", "answers"]).to_pylist()
    known, labels = {one["request_id"] for one in asked}, _labels(lake, use_case, asked)
    writer = f"file:{sha256}"
    told = {
        "rows": len(rows),
        "unknown": sum(request not in known for request, _ in rows),
        "other_labels": sum(label not in labels for _, label in rows),
    }
    if told["other_labels"] > len(rows) / 2:
        raise DataError(
            f"{told['other_labels']} of {len(rows)} labels are none that a record or an answer of {use_case} has",
            f"Name the column with the labels with --columns (now {id_column}, {label_column})",
        )
    if tables.last_of("feedback", writer):
        return {**told, "added": 0}
    at = datetime.now(UTC)
    about: dict[str, Any] = {"at": at, "day": at.date().isoformat(), "key": BY_FILE, "by": BY_FILE, "index": 0}
    feedback = [
        {
            **about,
            "request_id": request,
            **({"label": label} if label in labels else {"rating": "bad"}),
            "feedback_id": f"{sha256[:16]}-{number:09d}",
        }
        for number, (request, label) in enumerate(rows)
    ]
    if feedback:
        note(lake, use_case, "evidence", "added labels of a file", file=sha256, rows=len(rows))
        tables.append("feedback", pa.Table.from_pylist(feedback, schema=SCHEMAS["feedback"]), writer, 1)
    return {**told, "added": len(feedback)}


def _labels(lake: Lake, use_case: str, asked: Iterable[Mapping[str, Any]]) -> set[str]:
    splits = lake.latest(use_case, "splits")
    found = set(lake.read_table(splits, ["label"])["label"].unique().to_pylist()) if splits else set[Any]()
    found |= {answer["decision"] for one in asked for answer in one["answers"]}
    return found - {None}


def _rows(source: Source, part: Part, sha256: str, id_column: str, label_column: str) -> list[tuple[str, str]]:
    found, wrong, number = [], list[int](), 0
    mapping = RecordMapping(text=[id_column, label_column])
    with tempfile.TemporaryDirectory(prefix="ft-labels-") as folder:
        for piece in part.pieces(sha256, Order(source, mapping, Path(folder), Budget(source.limits))):
            for batch in piece.batches:
                columns = [batch.column(name).to_pylist() for name in (id_column, label_column)]
                for request, label in zip(*columns, strict=True):
                    number += 1
                    request, label = request_id((request or "").strip()), (label or "").strip()
                    if request and label:
                        found.append((request, label))
                    else:
                        wrong.append(number)
    if wrong:
        rows = ", ".join(map(str, wrong[:10])) + (", ..." if len(wrong) > 10 else "")
        raise DataError(
            f"{len(wrong)} of {number} rows have no id of a request, or no label: rows {rows}",
            f"An id is the `id` of an answer; name the columns with --columns (now {id_column}, {label_column})",
        )
    return found
