"""A second look at anonymized texts for direct identifiers, with detectors that share no code with the recognizers
(`second_scan.py`).

Covered: e-mail addresses, US social security numbers, card numbers, IBANs, telephone numbers written as such, URLs with
a password, IP and MAC addresses, British and German insurance numbers, Italian tax codes, Norwegian and Polish identity
numbers, API keys, wallets, vehicle numbers, exact coordinates, handles with a digit or behind `RT`, profiles and home
folders, dates behind `born`, names behind `Mr`, `Mrs`, `Ms` and `my name is` or in front of `& Sons`, house numbers
with an English street; all these also in compatibility forms, behind invisible signs, in base64 and hexadecimal digits,
where any two capitalized words count as a name. Not covered: all other names and addresses, and everything else that
has no form of its own.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.privacy.second_scan import DETECTORS, ODD, OURS, Detector, read_plainly
from ft_platform.records.columns import contents
from ft_platform.records.rows import Rows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.privacy import Privacy

EXAMPLES = 10


def residual(use_case: NamedUseCase, rows: Rows) -> dict[str, Any]:
    """What the second scan found in messages, labels and features of anonymized records, read batch by batch.

    Entities that the use case keeps on purpose (`privacy.operators: {PHONE: keep}`) do not count, nor do values that
    the operator `surrogate` invents; entities that the use case does not look for do count.

    Args:
        rows: in `anonymized_schema`.

    Returns:
        `{"passed", "percent", "max_percent", "rows", "rows_with_finding", "findings": {entity: count}, "record_ids"}`;
        `percent` in [0, 100]; at most ten ids of rows with a finding. Never a text.

    Raises:
        DataError: there are no rows.
    """
    privacy = use_case.settings.privacy
    detectors = {entity: detector for entity, detector in DETECTORS.items() if _is_asked(entity, detector, privacy)}
    hints = "|".join([ODD, *(detector.hint for detector in detectors.values())])
    findings: Counter[str] = Counter()
    examples: list[str] = []
    scanned = with_finding = 0
    for ids, row_of, texts in _texts(use_case, rows):
        scanned += len(ids)
        found = np.zeros(len(ids), np.int64)
        # First for all hints at once: an eighth of the time where few texts hold any.
        suspects = np.flatnonzero(pc.match_substring_regex(texts, hints).to_numpy(zero_copy_only=False))
        texts, row_of = _plainly(texts.take(pa.array(suspects))), row_of[suspects]
        for entity, detector in detectors.items() if len(suspects) else ():
            counts = _counts(detector, texts, _operator(privacy, entity))
            np.add.at(found, row_of, counts)
            findings[entity] += int(counts.sum())
        with_finding += int(np.count_nonzero(found))
        examples += ids.take(pa.array(np.flatnonzero(found)[: EXAMPLES - len(examples)])).to_pylist()
    if not scanned:
        raise DataError(f"{use_case.name}: there are no anonymized records to scan", "Look at the stages before")
    percent = 100.0 * with_finding / scanned
    return {
        "passed": percent <= privacy.max_residual_percent,
        "percent": round(percent, 4),
        "max_percent": privacy.max_residual_percent,
        "rows": scanned,
        "rows_with_finding": with_finding,
        "findings": dict(sorted((+findings).items())),
        "record_ids": examples,
    }


def _plainly(texts: pa.Array) -> pa.Array:
    """The texts, the odd ones as `read_plainly` reads them."""
    odd = pc.match_substring_regex(texts, ODD)
    read = [read_plainly(text) for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(read, texts.type)) if read else texts


def _operator(privacy: Privacy, entity: str) -> str:
    return privacy.operators.get(entity, privacy.default_operator)


def _is_asked(entity: str, detector: Detector, privacy: Privacy) -> bool:
    operator = _operator(privacy, entity)
    # A generalized address or network keeps the form of one, and so does a date that moved.
    return operator not in ("keep", "generalize", "date_shift") and not (
        operator == "surrogate" and detector.is_invented is None
    )


def _counts(detector: Detector, texts: pa.Array, operator: str) -> np.ndarray:
    """Values in each text, without those that the operator writes itself. Shape `(texts,)`.

    Only texts with the detector's hint become Python objects: a tenth of the time on short texts.
    """
    counts = np.zeros(len(texts), np.int64)
    suspects = np.flatnonzero(pc.match_substring_regex(texts, detector.hint).to_numpy(zero_copy_only=False))
    counts[suspects] = [_count(detector, text, operator) for text in texts.take(pa.array(suspects)).to_pylist()]
    return counts


def _count(detector: Detector, text: str, operator: str) -> int:
    """Values in a text, without those that the operator writes itself."""
    values = detector.find(text)
    if operator == "surrogate" and detector.is_invented:
        return sum(not detector.is_invented(value) for value in values)
    return sum(operator != "mask" or "*" not in value for value in values)


def _texts(use_case: NamedUseCase, rows: Rows) -> Iterator[tuple[pa.Array, np.ndarray, pa.Array]]:
    """For each batch the record_ids, all texts of its rows, with what anonymization wrote taken out, and the row of
    each text."""
    names = ["label", *feature_columns(use_case)]
    for batch in rows.batches(["record_id", "messages", *names]):
        messages = batch.column("messages")
        lengths = pc.fill_null(pc.list_value_length(messages), 0).to_numpy(zero_copy_only=False)
        texts = pa.concat_arrays([contents(messages), *(batch.column(name).cast(pa.string()) for name in names)])
        row_of = np.concatenate(
            [np.repeat(np.arange(len(lengths)), lengths), *([np.arange(len(lengths))] * len(names))]
        )
        yield batch.column("record_id"), row_of, pc.replace_substring_regex(pc.fill_null(texts, ""), OURS.pattern, "\n")
