"""The row-wise part of the stage `cleaned_records`, for one batch: texts repaired, filters applied, hashes before and
after."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.content_hashes import batch_sha256
from ft_platform.cleaning.conversations import Conversations
from ft_platform.cleaning.filters import STAYS, CleanedRecords, filters, reasons_to_remove
from ft_platform.cleaning.gate import NOTHING, REPAIR, WHITESPACE, needs
from ft_platform.cleaning.repair import KINDS, repair
from ft_platform.cleaning.tidy_column import tidy_column
from ft_platform.records.columns import plain_array
from ft_platform.records.schemas import cleaned_schema
from ft_platform.use_case.named import NamedUseCase

RAW_FACTOR = 20
RAW_CHARACTERS = 200_000
"""A record with more characters than this, and than `RAW_FACTOR` x `cleaning.max_characters`, is too long whatever its
markup; it is removed before any repair, which takes about a microsecond per character in the worst case."""


def marked_schema(use_case: NamedUseCase) -> pa.Schema:
    """`cleaned_schema`, the reason to remove a row (null: it stays), what two records must share to be the same, and
    the length before."""
    marks = [
        pa.field("reason", pa.string()),
        pa.field("dedup_key", pa.string()),
        pa.field("characters_before", pa.int32()),
    ]
    return pa.schema([*cleaned_schema(use_case), *marks])


class BatchCleaner:
    """Cleans batches in `raw_schema`: the function that an engine runs (`engines.BatchFunction`), picklable.

    Columns of the result: `marked_schema`. `dedup_key` is the user's text, and for generation the answers too; a row
    that is too long to be repaired has no key and its old messages. `characters_before` counts those of the user's
    text.
    """

    def __init__(self, use_case: NamedUseCase) -> None:
        self._use_case = use_case
        self._settings = use_case.settings.cleaning
        self._schema = marked_schema(use_case)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        before = Conversations.of(batch.column("messages"))
        oversized = before.characters() > max(RAW_CHARACTERS, RAW_FACTOR * self._settings.max_characters)
        after, kinds = self._repaired(before, oversized)
        label = _tidy_labels(batch.column("label"))
        texts = after.user_texts()
        before_hash = batch_sha256(before)
        made = {
            "messages": after.messages() if kinds.any() else batch.column("messages"),
            "label": label,
            "changes": _changes(kinds),
            "sha256_before": before_hash,
            "sha256_after": _rehashed(after, kinds.max(axis=1, initial=False), before_hash),
            "text_characters": pc.utf8_length(texts),
            "reason": self._reasons(CleanedRecords(texts, after.last_answers(), label), oversized),
            "dedup_key": self._keys(after, texts, oversized),
            "characters_before": pc.utf8_length(before.user_texts()),
        }
        return pa.RecordBatch.from_arrays(
            [made[name] if name in made else batch.column(name) for name in self._schema.names], schema=self._schema
        )

    def _repaired(self, before: Conversations, oversized: np.ndarray) -> tuple[Conversations, np.ndarray]:
        """The repaired conversations, and which kinds of change each row had. Shape `(rows, kinds)`, dtype bool."""
        kinds = np.zeros((before.rows, len(KINDS)), bool)
        found = needs(before.contents, self._settings)
        found[oversized[before.row_of]] = NOTHING
        contents = self._tidied(before, found == WHITESPACE, kinds)
        contents = self._repaired_one_by_one(before, contents, np.flatnonzero(found == REPAIR), kinds)
        return before if contents is before.contents else before.with_contents(contents), kinds

    def _tidied(self, before: Conversations, chosen: np.ndarray, kinds: np.ndarray) -> pa.Array:
        """All texts, the chosen ones with normalized white space."""
        if not chosen.any():
            return before.contents
        texts = before.contents.filter(pa.array(chosen))
        tidy = tidy_column(texts, (before.said_by("assistant") | before.said_by("tool_call"))[chosen])
        changed = pc.not_equal(texts, tidy).to_numpy(zero_copy_only=False)
        kinds[before.row_of[chosen][changed], KINDS.index("whitespace")] = True
        return pc.replace_with_mask(before.contents, pa.array(chosen), tidy)

    def _repaired_one_by_one(
        self, before: Conversations, contents: pa.Array, places: np.ndarray, kinds: np.ndarray
    ) -> pa.Array:
        """`contents` with repaired texts at some places."""
        changed, texts = np.zeros(len(contents), bool), []
        chosen = pa.array(places)
        for place, role, text in zip(
            places.tolist(), before.roles.take(chosen).to_pylist(), contents.take(chosen).to_pylist(), strict=True
        ):
            repaired, found = repair(text, self._settings, role=role)
            if found:
                changed[place] = True
                texts.append(repaired)
                kinds[before.row_of[place], [KINDS.index(kind) for kind in found]] = True
        return pc.replace_with_mask(contents, pa.array(changed), pa.array(texts, pa.string())) if texts else contents

    def _reasons(self, records: CleanedRecords, oversized: np.ndarray) -> pa.Array:
        codes = np.full(len(records), list(filters()).index("too_long"), np.int16)
        rows = np.flatnonzero(~oversized)
        codes[rows] = reasons_to_remove(records.take(rows), self._use_case)
        return pa.DictionaryArray.from_arrays(
            pa.array(codes, mask=codes == STAYS), pa.array(list(filters()), pa.string())
        ).cast(pa.string())

    def _keys(self, after: Conversations, texts: pa.Array, oversized: np.ndarray) -> pa.Array:
        keys = texts if self._use_case.settings.task.kind == "classification" else after.all_but_system()
        return pc.if_else(pa.array(~oversized), keys, pa.scalar(None, pa.string())) if oversized.any() else keys


def _tidy_labels(labels: pa.Array) -> pa.Array:
    """Labels with single blanks and none at their ends; null where nothing is left."""
    encoded = plain_array(labels).dictionary_encode()
    tidy = [" ".join((label or "").split()) or None for label in encoded.dictionary.to_pylist()]
    return pa.array(tidy, pa.string()).take(encoded.indices)


def _changes(kinds: np.ndarray) -> pa.Array:
    """Names of the kinds of each row, in the order of `KINDS`."""
    ends = np.concatenate([[0], np.cumsum(kinds.sum(axis=1))])
    names = pa.array(KINDS, pa.string()).take(pa.array(np.nonzero(kinds)[1]))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), names)


def _rehashed(after: Conversations, changed: np.ndarray, before_hash: pa.Array) -> pa.Array:
    """Hashes after the change: computed again for the changed rows only."""
    if not changed.any():
        return before_hash
    return pc.replace_with_mask(before_hash, pa.array(changed), batch_sha256(after.of_rows(changed)))
