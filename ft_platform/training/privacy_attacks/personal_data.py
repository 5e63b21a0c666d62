"""Personal data in texts that the model writes: counted, never quoted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

REASON = "privacy_report: are originals in texts that the checkpoint writes"


def personal_data(lake: Lake, environment: Environment, use_case: NamedUseCase, texts: Sequence[str]) -> dict[str, Any]:
    """`{"samples", "found": {entity: count}, "texts_with_finding", "originals", "originals_status"}`.

    `originals` is how many findings are an original that the vault keeps: None where there is no vault or it cannot be
    opened here, and `originals_status` says which. The look-up is noted in the vault's audit log.

    Raises:
        CorruptVersion: a part of the vault was changed.
        MissingExtra: the package of `privacy.ner` is not installed.
    """
    from ft_platform.privacy.scan import Scanner

    spans = Scanner(use_case.settings.privacy).find(texts)
    counts = Counter(span.entity for row in spans for span in row)
    values = [text[span.start : span.end] for text, row in zip(texts, spans, strict=True) for span in row]
    originals, status = _originals(lake, environment, use_case, values)
    return {
        "samples": len(texts),
        "found": dict(sorted(counts.items())),
        "texts_with_finding": sum(bool(row) for row in spans),
        "originals": originals,
        "originals_status": status,
    }


def _originals(
    lake: Lake, environment: Environment, use_case: NamedUseCase, values: Sequence[str]
) -> tuple[int | None, str]:
    from ft_platform.errors import KeyMissing
    from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
    from ft_platform.privacy.vault import Vault, VaultKeys

    if not use_case.settings.privacy.vault:
        return None, "not compared: privacy.vault is off, so no originals are kept"
    try:
        keys = VaultKeys(read_key_ring(vault_key_place(environment)))
        return Vault(lake, use_case.name).originals_among(values, keys, REASON), "compared"
    except KeyMissing as error:  # the vault key is with one role, and a worker is seldom it
        return None, f"not compared: {error.message}"
