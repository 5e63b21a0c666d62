"""A second look at anonymized texts for direct identifiers, with detectors that share no code with the recognizers (`second_scan.py`).

Covered: e-mail addresses, US social security numbers, card numbers, IBANs, telephone numbers written as such, URLs with a password, IP and MAC
addresses, British insurance numbers, API keys, names behind `Mr`, `Mrs`, `Ms` and `my name is`, house numbers with an English street.
Not covered: all other names and addresses, and everything else that has no form of its own.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ft_platform.errors import DataError
from ft_platform.privacy.second_scan import DETECTORS, OURS, Detector
from ft_platform.records import contents, feature_columns
from ft_platform.rows import Rows
from ft_platform.use_case import NamedUseCase, Privacy

EXAMPLES = 10


def residual(use_case: NamedUseCase, rows: Rows) -> dict[str, Any]:
    """What the second scan found in messages, labels and features of anonymized records, read batch by batch.

    Entities that the use case keeps on purpose (`privacy.operators: {PHONE: keep}`) do not count, nor do values that the operator `surrogate` invents;
    entities that the use case does not look for do count.

    Args:
        rows: in `anonymized_schema`.

    Returns:
        `{"passed", "percent", "max_percent", "rows", "rows_with_finding", "findings": {entity: count}, "record_ids"}`; `percent` in [0, 100];
        at most ten ids of rows with a finding. Never a text.

    Raises:
        DataError: there are no rows.
    """
    privacy = use_case.settings.privacy
    detectors = {entity: detector for entity, detector in DETECTORS.items() if _is_asked(entity, detector, privacy)}
    findings: Counter[str] = Counter()
    examples: list[str] = []
    scanned = with_finding = 0
    for record_id, texts in _texts(use_case, rows):
        scanned += 1
        found = Counter({entity: sum(_count(detector, text, _operator(privacy, entity)) for text in texts) for entity, detector in detectors.items()})
        if found.total():
            findings += found
            with_finding += 1
            examples += [record_id] if len(examples) < EXAMPLES else []
    if not scanned:
        raise DataError(f"{use_case.name}: there are no anonymized records to scan", "Look at the stages before")
    percent = 100.0 * with_finding / scanned
    return {
        "passed": percent <= privacy.max_residual_percent,
        "percent": round(percent, 4),
        "max_percent": privacy.max_residual_percent,
        "rows": scanned,
        "rows_with_finding": with_finding,
        "findings": dict(sorted(findings.items())),
        "record_ids": examples,
    }


def _operator(privacy: Privacy, entity: str) -> str:
    return privacy.operators.get(entity, privacy.default_operator)


def _is_asked(entity: str, detector: Detector, privacy: Privacy) -> bool:
    operator = _operator(privacy, entity)
    # A generalized address or network keeps the form of one.
    return operator not in ("keep", "generalize") and not (operator == "surrogate" and detector.is_invented is None)


def _count(detector: Detector, text: str, operator: str) -> int:
    """Values in a text, without those that the operator writes itself."""
    values = detector.find(text)
    if operator == "surrogate" and detector.is_invented:
        return sum(not detector.is_invented(value) for value in values)
    return sum(operator != "mask" or "*" not in value for value in values)


def _texts(use_case: NamedUseCase, rows: Rows) -> Iterator[tuple[str, list[str]]]:
    """Record id and all texts of each row, with what anonymization wrote taken out."""
    names = ["label", *feature_columns(use_case)]
    for batch in rows.batches(["record_id", "messages", *names]):
        plain = [batch.column(name).to_pylist() for name in names]
        lengths = [len(row or []) for row in batch.column("messages").to_pylist()]
        texts = iter(contents(batch.column("messages")).to_pylist())
        for row, (record_id, length) in enumerate(zip(batch.column("record_id").to_pylist(), lengths, strict=True)):
            all_texts = [*(next(texts) for _ in range(length)), *(values[row] for values in plain)]
            yield record_id, [OURS.sub("\n", text) for text in all_texts if text]
