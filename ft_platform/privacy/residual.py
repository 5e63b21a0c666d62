"""A second look at anonymized texts for direct identifiers, with detectors that share no code with the recognizers.

Covered: e-mail addresses, US social security numbers, card numbers, IBANs, telephone numbers written as such, URLs with a password.
Not covered: names, addresses and everything else that has no form of its own.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.records import contents, feature_columns
from ft_platform.use_case import NamedUseCase

EXAMPLES = 10
OURS = re.compile(r"<[A-Z_]+(?:_[a-z2-7]{6,16})?>")
DIGITS_AND_SEPARATORS = re.compile(r"(?<![\d.,$])\d(?:[ -]?\d)+(?![\d]|[.,]\d)")
SSN_SHAPE = re.compile(r"(?<![\d-])(\d{3})-(\d{2})-(\d{4})(?![\d-])")
SSN_NAMED = re.compile(r"(?:ssn|social security)\W{0,3}(?:number|no|is|#|:|\W){0,4}(\d{3})[ .-]?(\d{2})[ .-]?(\d{4})(?!\d)", re.IGNORECASE)
IBAN_SHAPE = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
PHONE_SHAPE = re.compile(r"(?<![\d$])\([2-9]\d\d\) ?\d{3}-\d{4}(?!\d)|(?<!\w)\+[1-9]\d{0,2}[ -]?\d(?:[ -]?\d){7,11}(?!\d)")
PHONE_NAMED = re.compile(
    r"(?<!\w)(?:phone|telephone|tel|cell|mobile|fax)(?:\.| number| no\.?)?(?: is| at)?[ :#]{1,3}(\(?\d[\d ().-]{5,16}\d)(?![\d%]|[.,/]\d)", re.IGNORECASE
)


def residual(use_case: NamedUseCase, records: pa.Table) -> dict[str, Any]:
    """What the second scan found in messages, labels and features of anonymized records.

    Entities that the use case keeps on purpose (`privacy.operators: {PHONE: keep}`) do not count; entities that it does not look for do.

    Returns:
        `{"passed", "percent", "max_percent", "rows", "rows_with_finding", "findings": {entity: count}, "record_ids"}`; `percent` in [0, 100];
        at most ten ids of rows with a finding. Never a text.

    Raises:
        DataError: there are no rows.
    """
    if not records.num_rows:
        raise DataError(f"{use_case.name}: there are no anonymized records to scan", "Look at the stages before")
    privacy = use_case.settings.privacy
    detectors = {entity: find for entity, find in DETECTORS.items() if privacy.operators.get(entity) != "keep"}
    findings: Counter[str] = Counter()
    hits = []
    for record_id, texts in _rows(use_case, records):
        found = Counter({entity: sum(find(text) for text in texts) for entity, find in detectors.items()})
        findings += found
        if found.total():
            hits.append(record_id)
    percent = 100.0 * len(hits) / records.num_rows
    return {
        "passed": percent <= privacy.max_residual_percent,
        "percent": round(percent, 4),
        "max_percent": privacy.max_residual_percent,
        "rows": records.num_rows,
        "rows_with_finding": len(hits),
        "findings": dict(sorted(findings.items())),
        "record_ids": hits[:EXAMPLES],
    }


def _rows(use_case: NamedUseCase, records: pa.Table) -> Iterator[tuple[str, list[str]]]:
    names = ["label", *feature_columns(use_case)]
    for batch in records.select(["record_id", "messages", *names]).to_batches():
        plain = [batch.column(name).to_pylist() for name in names]
        lengths = [len(row or []) for row in batch.column("messages").to_pylist()]
        texts = iter(contents(batch.column("messages")).to_pylist())
        for row, (record_id, length) in enumerate(zip(batch.column("record_id").to_pylist(), lengths, strict=True)):
            all_texts = [*(next(texts) for _ in range(length)), *(values[row] for values in plain)]
            yield record_id, [OURS.sub("\n", text) for text in all_texts if text]


def _emails(text: str) -> int:
    return sum(_is_email(word.strip("<>()[]{},;:.!?\"'")) for word in text.split() if "@" in word) if "@" in text else 0


def _is_email(word: str) -> bool:
    local, _, host = word.rpartition("@")
    ending = host.rsplit(".", 1)[-1]
    is_password = "://" in local and ":" in local.split("://", 1)[1]
    return bool(local) and "@" not in local and not is_password and "." in host and ending.isalpha() and len(ending) > 1


def _ssns(text: str) -> int:
    numbers = {m.span(1): m.groups() for pattern in (SSN_SHAPE, SSN_NAMED) for m in pattern.finditer(text)}
    return sum(area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000" for area, group, serial in numbers.values())


def _cards(text: str) -> int:
    runs = [re.sub(r"\D", "", m.group()) for m in DIGITS_AND_SEPARATORS.finditer(text)]
    return sum(_is_card(run) for run in runs)


def _is_card(run: str) -> bool:
    known = (len(run) == 16 and (run[0] == "4" or "51" <= run[:2] <= "55" or run[:4] == "6011" or run[:2] == "65")) or (
        len(run) == 15 and run[:2] in ("34", "37")
    )
    doubled = "".join(str(2 * int(digit)) if place % 2 else digit for place, digit in enumerate(run[::-1]))
    return known and len(set(run)) > 1 and sum(map(int, doubled)) % 10 == 0


def _ibans(text: str) -> int:
    return sum(any(_mod_97(m.group()[:end]) for end in _group_ends(m.group())) for m in IBAN_SHAPE.finditer(text))


def _group_ends(value: str) -> list[int]:
    """Where a number may end: at its end or in front of one of its blanks, so that a following word does not hide it."""
    return [i for i in (*(i for i, c in enumerate(value) if c == " "), len(value)) if i >= 15]


def _mod_97(value: str) -> bool:
    compact = value.replace(" ", "")
    rest = 0
    for char in compact[4:] + compact[:4]:
        rest = (rest * (100 if char.isalpha() else 10) + int(char, 36)) % 97
    return rest == 1 and len(compact) >= 15


def _phones(text: str) -> int:
    named = [m.span(1) for m in PHONE_NAMED.finditer(text) if 7 <= sum(c.isdigit() for c in m.group(1)) <= 15]
    return len({m.start() for m in PHONE_SHAPE.finditer(text)} | {start for start, _ in named})


def _urls_with_password(text: str) -> int:
    hosts = [part.split("/", 1)[0].split()[:1] for part in text.split("://")[1:]]
    return sum(bool(host) and "@" in host[0] and ":" in host[0].rsplit("@", 1)[0] for host in hosts)


DETECTORS: dict[str, Callable[[str], int]] = {
    "EMAIL": _emails,
    "US_SSN": _ssns,
    "CREDIT_CARD": _cards,
    "IBAN": _ibans,
    "PHONE": _phones,
    "URL_CREDENTIALS": _urls_with_password,
}
