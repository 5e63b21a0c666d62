"""cleaned_records -> anonymized_records: what is found in the texts is replaced, what must not leave the restricted zone is left behind."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.pseudonyms import Pseudonyms
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.progress import report
from ft_platform.records import (
    StageResult,
    anonymized_schema,
    contents,
    contents_sha256,
    feature_columns,
    plain_array,
    removed_table,
    user_texts,
    with_contents,
)
from ft_platform.use_case import NamedUseCase, Privacy

STAGE = "anonymized_records"
BATCH_ROWS = 256
DIRECT = ("EMAIL", "PHONE", "US_SSN", "CREDIT_CARD", "IBAN", "URL_CREDENTIALS", "API_KEY", "UK_NINO", "ES_DNI")
"""Entities that point to one person and are told by their form alone. No label or feature may hold one."""
DIRECT_SCORE = 0.7


@dataclass
class Replaced:
    """New texts of some messages, in order, and what was replaced in each."""

    texts: list[str | None] = field(default_factory=list)
    entities: list[Counter[str]] = field(default_factory=list)


def anonymize(use_case: NamedUseCase, records: pa.Table, key: bytes) -> StageResult:
    """The records with personal data replaced in all messages; no row is removed.

    Covered: entities of `privacy.entities` in every message, `subject_id`. Not covered: what no recognizer finds (`residual` looks for direct
    identifiers a second time, the recall of each entity is measured by `benchmarks/anonymize_recall.py`); persons that the described facts give away.

    Args:
        records: in `cleaned_schema`.
        key: secret of the installation, at least 32 bytes.

    Raises:
        ConfigError: an entity or operator names no entity.
        DataError: a label or feature column holds direct identifiers.
        KeyMissing: the key is too short.
        MissingExtra: the package of `privacy.ner` is not installed.
    """
    started = time.monotonic()
    pseudonyms = Pseudonyms(key, use_case.name)
    _require_no_identifiers(use_case, records)
    replaced = _replace_all(use_case.settings.privacy, records, pseudonyms)
    kept = _table(use_case, records, replaced, pseudonyms)
    total: Counter[str] = Counter()
    for row in kept["entities"].to_pylist():
        total.update(dict(row))
    counts = {
        "entities": dict(sorted(total.items())),
        "rows_with_any": sum(bool(row) for row in kept["entities"].to_pylist()),
        "seconds": round(time.monotonic() - started, 3),
    }
    return StageResult(kept, removed_table([], []), counts)


def replace_spans(text: str, spans: Sequence[Span], privacy: Privacy, pseudonyms: Pseudonyms) -> str:
    """The text with each span replaced as its entity's operator says. The spans are in order and do not overlap."""
    parts, end = [], 0
    for span in spans:
        operator = privacy.operators.get(span.entity, privacy.default_operator)
        original = text[span.start : span.end]
        parts += [text[end : span.start], f"<{span.entity}>" if operator == "redact" else pseudonyms.token(span.entity, original)]
        end = span.end
    return "".join([*parts, text[end:]])


def _replace_all(privacy: Privacy, records: pa.Table, pseudonyms: Pseudonyms) -> Replaced:
    scanner = Scanner(privacy)
    replaced = Replaced()
    for done, texts in _batches(records):
        for text, spans in zip(texts, scanner.find([t or "" for t in texts]), strict=True):
            replaced.texts.append(None if text is None else replace_spans(text, spans, privacy, pseudonyms))
            replaced.entities.append(Counter(s.entity for s in spans))
        report(STAGE, done, records.num_rows)
    return replaced


def _batches(records: pa.Table) -> Iterator[tuple[int, list[str | None]]]:
    """Rows done after the batch, and the texts of all messages of its rows."""
    messages = plain_array(records["messages"])
    for start in range(0, records.num_rows, BATCH_ROWS):
        rows = messages.slice(start, BATCH_ROWS)
        yield start + len(rows), contents(rows).to_pylist()


def _table(use_case: NamedUseCase, records: pa.Table, replaced: Replaced, pseudonyms: Pseudonyms) -> pa.Table:
    messages = with_contents(records["messages"], pa.array(replaced.texts, pa.string()))
    entities, hashes, start = [], [], 0
    for length in plain_array(records["messages"]).value_lengths().to_pylist():
        found = sum(replaced.entities[start : start + (length or 0)], Counter())
        entities.append(sorted(found.items()))
        hashes.append(contents_sha256(replaced.texts[start : start + (length or 0)]))
        start += length or 0
    columns = {
        "messages": messages,
        "subject_id": pa.array([None if s is None else pseudonyms.subject(s) for s in records["subject_id"].to_pylist()], pa.string()),
        "entities": entities,
        "sha256_after": hashes,
        "text_characters": pa.array([len(text) for text in user_texts(messages)], pa.int32()),
    }
    schema = anonymized_schema(use_case)
    return pa.table({name: columns[name] if name in columns else records[name] for name in schema.names}, schema=schema)


def _require_no_identifiers(use_case: NamedUseCase, records: pa.Table) -> None:
    """Labels and features pass through as they are: an e-mail address in one is a mistake in the mapping."""
    recognizers = [all_recognizers()[entity] for entity in DIRECT]
    problems = []
    for column in ["label", *feature_columns(use_case)]:
        values = [v for v in records[column].unique().to_pylist() if v]
        found = Counter(r.entity for value in values for r in recognizers if any(s.score >= DIRECT_SCORE for s in r.find(value)))
        if found:
            listed = ", ".join(f"{count} {entity}" for entity, count in sorted(found.items()))
            problems.append(f"column {column} holds direct identifiers ({listed} among {len(values)} different values)")
    if problems:
        raise DataError(f"{use_case.name}: " + "; ".join(problems), "Map another column under `record.label` or `record.features`, or leave it out")
