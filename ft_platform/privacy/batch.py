"""Replaces what is found in the texts of one batch: the function that an engine runs."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.keys.key_ring import KeyHandle
from ft_platform.privacy.findings import remembering_scanner
from ft_platform.privacy.json_texts import ROLES as JSON_ROLES
from ft_platform.privacy.json_texts import Replace, replace_in_json
from ft_platform.privacy.marked_spans import InForce, MarkedSpans
from ft_platform.privacy.operators import Operators
from ft_platform.privacy.person_names import COLUMN as NAMES_OF_PERSON
from ft_platform.privacy.pseudonyms import Pseudonyms
from ft_platform.privacy.same_names import in_whole_record
from ft_platform.privacy.spans import Span
from ft_platform.records.columns import contents, contents_sha256, plain_array, user_texts, with_contents
from ft_platform.records.schemas import anonymized_schema
from ft_platform.use_case.named import NamedUseCase

ORIGINALS = pa.list_(pa.struct([pa.field("pseudonym", pa.string()), pa.field("original", pa.string())]))

Pair = tuple[str, str]
"""A pseudonym or surrogate and what it stands for."""


def batch_schema(use_case: NamedUseCase, originals: bool) -> pa.Schema:
    """`anonymized_schema`, and for the vault a column `originals` that never leaves the restricted zone."""
    schema = anonymized_schema(use_case)
    return schema.append(pa.field("originals", ORIGINALS)) if originals else schema


@dataclass(frozen=True)
class ReplacedText:
    """One text after the operators.

    Attributes:
        text: None where there was none.
        entities: of the replaced findings, one for each.
        pairs: replacements that stand for one original.
    """

    text: str | None
    entities: list[str]
    pairs: list[Pair]


class BatchAnonymizer:
    """Anonymizes batches in `cleaned_schema` with the column `person_names.COLUMN`: the function that an engine runs
    (`engines.BatchFunction`).

    Args:
        keys: opened in the process that does the work; the keys themselves are never handed on.
        originals: add the column `originals` of `batch_schema`.
        findings: private folder in which it is remembered where findings are in a text; None: nowhere.
        marks: what experts said of earlier texts; None: nothing.

    Raises:
        ConfigError: an entity or operator names no entity.
        KeyMissing: there is no key, or it is another one than the step has.
        MissingExtra: the package of `privacy.ner` is not installed.
    """

    def __init__(
        self,
        use_case: NamedUseCase,
        keys: KeyHandle,
        originals: bool = False,
        findings: Path | None = None,
        marks: InForce | None = None,
    ) -> None:
        privacy = use_case.settings.privacy
        opened = keys.open()
        self._schema = batch_schema(use_case, originals)
        self._columns = {f"feature_{name}": treatment for name, treatment in privacy.columns.items()}
        self._scanner = remembering_scanner(privacy, opened, findings)
        self._operators = Operators(privacy, opened)
        self._marked = MarkedSpans(marks or InForce())
        self._pseudonyms = Pseudonyms(opened, privacy.pseudonym_characters)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        messages = batch.column("messages")
        lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy(zero_copy_only=False)
        found = self._scanner.find([text or "" for text in contents(messages).to_pylist()])
        row_of = np.repeat(np.arange(batch.num_rows), lengths)
        looked_at = self._to_look_at(batch, row_of, found)
        texts_of = looked_at[row_of]
        replaced = self._replace(
            batch.filter(pa.array(looked_at)), [spans for spans, is_in in zip(found, texts_of, strict=True) if is_in]
        )
        pairs: list[dict[Pair, None]] = [{} for _ in range(batch.num_rows)]
        for row, texts in zip(np.flatnonzero(looked_at).tolist(), replaced, strict=True):
            pairs[row] = dict.fromkeys(pair for text in texts for pair in text.pairs)
        made = {
            **self._rewritten(batch, replaced, looked_at, texts_of),
            "subject_id": self._pseudonymized(batch.column("subject_id"), self._pseudonyms.subject, pairs),
        }
        for column, treatment in self._columns.items():
            if treatment == "drop":
                made[column] = pa.nulls(batch.num_rows, pa.string())
            else:
                name = column.removeprefix("feature_")
                made[column] = self._pseudonymized(
                    batch.column(column), lambda value, name=name: self._pseudonyms.value(name, value), pairs
                )
        if "originals" in self._schema.names:
            made["originals"] = pa.array(
                [[{"pseudonym": new, "original": old} for new, old in row] for row in pairs], ORIGINALS
            )
        return pa.RecordBatch.from_arrays(
            [made[name] if name in made else batch.column(name) for name in self._schema.names], schema=self._schema
        )

    def _to_look_at(self, batch: pa.RecordBatch, row_of: np.ndarray, found: list[list[Span]]) -> np.ndarray:
        """Whether anything in each row may have to be replaced, or counted. Shape `(rows,)`, dtype bool."""
        named = pc.fill_null(pc.list_value_length(batch.column(NAMES_OF_PERSON.name)), 0).to_numpy(zero_copy_only=False)
        looked_at = (named > 0) | self._marked.concern(batch.column("record_id"))
        looked_at[row_of[[bool(spans) for spans in found]]] = True
        for column in ("sha256_after", "text_characters"):
            looked_at |= batch.column(column).is_null().to_numpy(zero_copy_only=False)
        return looked_at

    def _rewritten(
        self, batch: pa.RecordBatch, replaced: list[list[ReplacedText]], looked_at: np.ndarray, texts_of: np.ndarray
    ) -> dict[str, pa.Array]:
        """Messages and what is counted of them. Rows that were not looked at stay as cleaning left them."""
        messages, rows = batch.column("messages"), pa.array(looked_at)
        entities: list[list[tuple[str, int]]] = [[] for _ in range(batch.num_rows)]
        for row, texts in zip(np.flatnonzero(looked_at).tolist(), replaced, strict=True):
            entities[row] = _counted(texts)
        new = pa.array([text.text for texts in replaced for text in texts], pa.string())
        made = with_contents(messages, pc.replace_with_mask(contents(messages), pa.array(texts_of), new))
        hashes = pa.array([contents_sha256(text.text for text in texts) for texts in replaced], pa.string())
        lengths = pa.array([len(text) for text in user_texts(made.filter(rows))], pa.int32())
        return {
            "messages": made if replaced else plain_array(messages),
            "entities": pa.array(entities, self._schema.field("entities").type),
            "sha256_after": pc.replace_with_mask(batch.column("sha256_after"), rows, hashes),
            "text_characters": pc.replace_with_mask(batch.column("text_characters"), rows, lengths),
        }

    def _replace(self, batch: pa.RecordBatch, found: list[list[Span]]) -> list[list[ReplacedText]]:
        """The texts of each record.

        Args:
            found: spans in each text of the records, one after the other.
        """
        columns = [batch.column(name).to_pylist() for name in ("record_id", "subject_id", NAMES_OF_PERSON.name)]
        replaced: list[list[ReplacedText]] = []
        start = 0
        for record, subject, names, messages in zip(*columns, batch.column("messages").to_pylist(), strict=True):
            texts = [one["content"] for one in messages or ()]
            own, start = found[start : start + len(texts)], start + len(texts)
            also = [*((one["entity"], one["name"]) for one in names), *self._marked.names(record)]
            spans_of = in_whole_record([text or "" for text in texts], own, also)
            replaced.append(
                [
                    replace_spans(
                        one["content"],
                        self._marked.corrected(record, one["content"], spans),
                        self._operators,
                        record if subject is None else subject,
                        one["role"] in JSON_ROLES,
                    )
                    if one["content"] is not None
                    else ReplacedText(None, [], [])
                    for one, spans in zip(messages or (), spans_of, strict=True)
                ]
            )
        return replaced

    def _pseudonymized(self, column: pa.Array, make: Callable[[str], str], pairs: list[dict[Pair, None]]) -> pa.Array:
        encoded = column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        made = [make(value) for value in values]
        if "originals" in self._schema.names:
            for place, row in zip(encoded.indices.to_pylist(), pairs, strict=True):
                if place is not None:
                    row[made[place], values[place]] = None
        return pa.array(made, pa.string()).take(encoded.indices)


def replace_spans(
    text: str, spans: Sequence[Span], operators: Operators, person: str, is_json: bool = False
) -> ReplacedText:
    """The text with each span replaced as its entity's operator says. The spans are in order and do not overlap.

    Args:
        person: whom the record is about, for operators that treat all findings of a person alike.
        is_json: the text is JSON and stays it.
    """
    if not spans:
        return ReplacedText(text, [], [])
    pairs: list[Pair] = []

    def replace(span: Span, original: str) -> str:
        operator = operators.of(span.entity)
        new = operator.replace(span.entity, original, person)
        if operator.reversible:
            pairs.append((new, original))
        return new

    made = replace_in_json(text, spans, replace) if is_json else _replaced(text, spans, replace)
    return ReplacedText(made, [span.entity for span in spans], pairs)


def _replaced(text: str, spans: Sequence[Span], replace: Replace) -> str:
    parts, end = [], 0
    for span in spans:
        parts += [text[end : span.start], replace(span, text[span.start : span.end])]
        end = span.end
    return "".join([*parts, text[end:]])


def _counted(row: list[ReplacedText]) -> list[tuple[str, int]]:
    return sorted(Counter(entity for text in row for entity in text.entities).items())
