"""Records for people to annotate, so that the recall of the recognizers is measured on a use case's own source.

Covered: every entity that was found and texts without any finding, drawn by a seed; texts as the recognizers read them
(`cleaned_records`). They hold personal data: the file belongs into the restricted zone. Not covered: what was found is
not noted in it, for people agree with what they are shown."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.files import write_bytes
from ft_platform.lake.store import Lake
from ft_platform.privacy.strata import Strata, entities_of
from ft_platform.records.rows import Rows

FOLDER = "annotation"
"""In the restricted zone of a use case."""
MOST_RECORDS = 10_000


def draw(cleaned: Rows, anonymized: Rows, size: int, seed: int) -> list[dict[str, Any]]:
    """`{"full_text", "spans": null, "record_id"}` of every message of the drawn records, each text once, in an order
    that says nothing about them.

    Args:
        size: records to draw at most.
        seed: equal seeds and records give the same texts.

    Raises:
        DataError: there are no records.
    """
    chosen = _chosen(anonymized, size, seed)
    texts: dict[str, str] = {}
    for batch in cleaned.batches(["record_id", "messages"]):
        for record_id, messages in zip(
            batch.column("record_id").to_pylist(), batch.column("messages").to_pylist(), strict=True
        ):
            if record_id in chosen:
                for message in messages or []:
                    if (message["content"] or "").strip():
                        texts.setdefault(message["content"], record_id)
    if not texts:
        raise DataError("there is no text to annotate", "Look at cleaned_records and anonymized_records")
    ordered = sorted(texts.items(), key=lambda item: (_order(seed, item[1]), item[0]))
    return [{"full_text": text, "spans": None, "record_id": record_id} for text, record_id in ordered]


def _chosen(anonymized: Rows, size: int, seed: int) -> Collection[str]:
    strata = Strata(anonymized)
    quotas = strata.quotas(size)
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record_id, entities in entities_of(anonymized):
        name = strata.of(entities)
        found[name].append((_order(seed, record_id), record_id))
        if len(found[name]) > 2 * quotas[name] + 1000:  # of a million records only some are held
            found[name] = sorted(found[name])[: quotas[name]]
    return {record_id for name, rows in found.items() for _, record_id in sorted(rows)[: quotas[name]]}


def _order(seed: int, record_id: str) -> str:
    return hashlib.sha256(f"{seed}:{record_id}".encode()).hexdigest()


def sample_place(lake: Lake, use_case: str, name: str) -> str:
    """Where a drawn file lies: in the restricted zone."""
    return lake.path_of("restricted", use_case, FOLDER, name)


def write_sample(lake: Lake, use_case: str, name: str, texts: list[dict[str, Any]]) -> str:
    """Writes drawn texts as JSON lines, for this account only where the lake is a folder. Returns the place.

    Raises:
        DataError: there is such a file already; it may hold annotations.
    """
    place = sample_place(lake, use_case, name)
    content = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in texts).encode()
    taken = DataError(
        f"{place} already exists, and may contain annotations", "Draw other records with --seed, or remove it"
    )
    if not lake.is_local:
        if lake.fs.exists(place):
            raise taken
        write_bytes(lake.fs, place, content)
        return place
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).parent.chmod(0o700)
    try:
        file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise taken from None
    with os.fdopen(file, "wb") as opened:
        opened.write(content)
    return place
