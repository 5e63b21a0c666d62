"""The stage `cleaned_records`: texts repaired, unusable and repeated records removed, each with its reason."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.duplicates import exact_duplicates, near_duplicates
from ft_platform.cleaning.filters import CleanedRecord, reason_to_remove
from ft_platform.cleaning.repair import KINDS, repair
from ft_platform.errors import DataError
from ft_platform.progress import report
from ft_platform.records import StageResult, cleaned_schema, contents_sha256, plain_array, removed_table, with_contents
from ft_platform.use_case import NamedUseCase

STAGE = "cleaned_records"
RAW_FACTOR = 20
RAW_CHARACTERS = 200_000
"""A record with more characters than this, and than `RAW_FACTOR` x `cleaning.max_characters`, is too long whatever its
markup; it is removed before any repair, which takes about a microsecond per character in the worst case."""
REPORT_ROWS = 20_000


@dataclass
class Cleaned:
    """Columns of the rows seen so far; an oversized row has empty values.

    Attributes:
        contents: texts of all messages, one row after the other.
        texts, labels: the user's words and the label of each row.
        keys: what two records must share to be the same: the text, and for generation the answer too.
        removed: row -> (reason, row of the original or None).
    """

    contents: list[str | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    changes: list[list[str]] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    removed: dict[int, tuple[str, int | None]] = field(default_factory=dict)


def clean(use_case: NamedUseCase, records: pa.Table) -> StageResult:
    """Cleaned records in `cleaned_schema`, in the order of the input, and the removed ones with their reasons.

    Reasons: those of the filters, `exact_duplicate` and `near_duplicate`.

    Raises:
        DataError: no record is left.
    """
    cleaned = _repair_and_filter(use_case, records)
    counts: dict[str, int] = {f"changed_{kind}": sum(kind in changes for changes in cleaned.changes) for kind in KINDS}
    counts |= {"changed_rows": sum(bool(changes) for changes in cleaned.changes)}
    counts |= _remove_duplicates(use_case, records["record_id"].to_pylist(), cleaned)
    kept = [row for row in range(records.num_rows) if row not in cleaned.removed]
    if not kept:
        reasons = Counter(reason for reason, _ in cleaned.removed.values())
        found = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "no records came in"
        raise DataError(f"{use_case.name}: no record is left after cleaning ({found})", "Look at `cleaning` and `record` in the YAML")
    ids = records["record_id"].take(pa.array(sorted(cleaned.removed), pa.int64())).to_pylist()
    reasons, originals = zip(*(cleaned.removed[row] for row in sorted(cleaned.removed)), strict=True) if cleaned.removed else ((), ())
    all_ids = records["record_id"].to_pylist()
    removed = removed_table(ids, reasons, [None if row is None else all_ids[row] for row in originals])
    return StageResult(_table(use_case, records, cleaned).take(pa.array(kept, pa.int64())), removed, counts)


def _repair_and_filter(use_case: NamedUseCase, records: pa.Table) -> Cleaned:
    settings = use_case.settings.cleaning
    messages = plain_array(records["messages"])
    flat = messages.flatten()
    roles, texts = flat.field("role").to_pylist(), flat.field("content").to_pylist()
    ends = np.cumsum(pc.fill_null(pc.list_value_length(messages), 0).to_numpy())
    characters = np.concatenate([[0], np.cumsum(pc.fill_null(pc.utf8_length(flat.field("content")), 0).to_numpy())])
    limit = max(RAW_CHARACTERS, RAW_FACTOR * settings.max_characters)
    cleaned, start = Cleaned(), 0
    for row, (end, label) in enumerate(zip(ends.tolist(), records["label"].to_pylist(), strict=True)):
        oversized = characters[end] - characters[start] > limit
        _add_row(cleaned, use_case, roles[start:end], texts[start:end], label, oversized)
        if oversized:
            cleaned.removed[row] = ("too_long", None)
        start = end
        if (row + 1) % REPORT_ROWS == 0 or row + 1 == records.num_rows:
            report(STAGE, row + 1, records.num_rows)
    return cleaned


def _add_row(cleaned: Cleaned, use_case: NamedUseCase, roles: list[str], before: list[str | None], label: str | None, oversized: bool) -> None:
    settings, after, changes = use_case.settings.cleaning, before, set()
    if not oversized:
        repaired = [(t, []) if t is None else repair(t, settings, keep_indentation=role == "assistant") for role, t in zip(roles, before, strict=True)]
        after, changes = [text for text, _ in repaired], {kind for _, kinds in repaired for kind in kinds}
    said = [(role, text or "") for role, text in zip(roles, after, strict=True) if role != "system"]
    text = "\n\n".join(content for role, content in said if role == "user")
    label = " ".join((label or "").split()) or None
    if not oversized:
        answer = next((content for role, content in reversed(said) if role == "assistant"), None)
        if reason := reason_to_remove(CleanedRecord(text, answer, label), use_case):
            cleaned.removed[len(cleaned.texts)] = (reason, None)
    sha256 = contents_sha256(before)
    cleaned.contents += after
    cleaned.texts.append(text)
    cleaned.labels.append(label)
    cleaned.keys.append(text if use_case.settings.task.kind == "classification" else "\n\n".join(content for _, content in said))
    cleaned.changes.append([kind for kind in KINDS if kind in changes])
    cleaned.before.append(sha256)
    cleaned.after.append(contents_sha256(after) if changes else sha256)


def _remove_duplicates(use_case: NamedUseCase, ids: list[str], cleaned: Cleaned) -> dict[str, int]:
    """Marks duplicates among the rows that are still there. Returns counts."""
    settings = use_case.settings.cleaning
    counts: dict[str, int] = {}
    if settings.exact_duplicates == "drop":
        rows = _rows_left(ids, cleaned)
        found = exact_duplicates([cleaned.keys[row] for row in rows])
        cleaned.removed |= {rows[i]: ("exact_duplicate", rows[original]) for i, original in found.items()}
        counts["label_conflicts"] = sum(cleaned.labels[rows[i]] != cleaned.labels[rows[original]] for i, original in found.items())
    if settings.near_duplicates == "drop":
        rows = _rows_left(ids, cleaned)
        found, counts["capped_near_duplicates"] = near_duplicates([cleaned.keys[row] for row in rows], settings.near_duplicate_threshold, stage=STAGE)
        cleaned.removed |= {rows[i]: ("near_duplicate", rows[original]) for i, original in found.items()}
        counts["near_label_conflicts"] = sum(cleaned.labels[rows[i]] != cleaned.labels[rows[original]] for i, original in found.items())
    return counts


def _rows_left(ids: list[str], cleaned: Cleaned) -> list[int]:
    """Rows that are not removed, by record_id: the order in which the first of several duplicates is chosen."""
    return sorted((row for row in range(len(ids)) if row not in cleaned.removed), key=lambda row: ids[row])


def _table(use_case: NamedUseCase, records: pa.Table, cleaned: Cleaned) -> pa.Table:
    schema = cleaned_schema(use_case)
    columns = {
        "messages": with_contents(records["messages"], pa.array(cleaned.contents, pa.string())),
        "label": pa.array(cleaned.labels, pa.string()),
        "changes": pa.array(cleaned.changes, pa.list_(pa.string())),
        "sha256_before": cleaned.before,
        "sha256_after": cleaned.after,
        "text_characters": pa.array([len(text) for text in cleaned.texts], pa.int32()),
    }
    return pa.table({name: columns.get(name) if name in columns else records[name] for name in schema.names}, schema=schema)
