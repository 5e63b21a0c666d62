"""Labels that differ by capitals, blanks and signs only, which a model would have to learn as different answers."""

import unicodedata
from collections.abc import Mapping


def spellings(counts: Mapping[str, int]) -> list[list[str]]:
    """Groups of labels that are likely one, each with its most frequent spelling first; the groups by that one.

    Args:
        counts: label -> records.
    """
    groups: dict[str, list[str]] = {}
    for label in counts:
        plain = "".join(sign if sign.isalnum() else " " for sign in unicodedata.normalize("NFKC", label).casefold())
        groups.setdefault(" ".join(plain.split()) or label, []).append(label)
    alike = [sorted(group, key=lambda label: (-counts[label], label)) for group in groups.values() if len(group) > 1]
    return sorted(alike)


def hint(groups: list[list[str]]) -> str:
    """What to do about them, without a label; empty: there are none."""
    if not groups:
        return ""
    count = sum(map(len, groups))
    return (
        f"{count} labels are probably {len(groups)}: they differ only by capitals, blanks or signs. Merge them with"
        " record.label_names, which maps a label of the source to the label that it shall be"
    )
