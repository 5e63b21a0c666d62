"""Whether a stage removed so many records that the source or a setting is wrong, rather than the records.

Older rows of the same source key never count. Duplicates count only where few records are left: a source may repeat
thousands of texts, but a column that holds nothing else than some dozen different ones is a category and no text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import DataError

WARNED_SHARE = 0.5
"""Share of a stage's records from which the summary of a run says how many are gone."""
FEW = 500
"""Records left below which duplicates count as lost. With 500, a test split of a fifth has 100, about the least that
tells systems apart."""
SUPERSEDED = "superseded"
DUPLICATES = ("exact_duplicate", "near_duplicate")
SHOWN = 4
CAUSES = {
    "exact_duplicate near_duplicate": (
        "the texts repeat each other, as those of a category do: name a column of free text in record.text"
    ),
    "label_conflict": (
        "equal texts have different labels: name another column in record.text or record.label, or correct the labels"
    ),
    "too_short empty too_few_tokens few_letters": (
        "the texts are short: name the column of the text in record.text, or lower cleaning.min_characters"
    ),
    "too_long too_many_tokens": "the texts are long: raise cleaning.max_characters or cleaning.max_tokens",
    "language_not_allowed language_undetermined": "the texts are in other languages than cleaning.allowed_languages",
    "label_missing": "the column in record.label is mostly empty: name another one",
    "answer_missing": "the column in record.answer is mostly empty: name another one",
    "consent_missing consent_not_accepted": (
        "other values than governance.accepted_consent stand in the column of record.consent: compare them"
    ),
    "not_in_ledger subject_missing": "record.subject and the ledger name persons differently: compare the ids of both",
    "purpose_not_permitted": (
        "governance.purpose is not among the purposes of the records, letter by letter: compare them"
    ),
    "lawful_basis_missing lawful_basis_not_accepted": "compare governance.lawful_bases with the values in the source",
    "jurisdiction_missing jurisdiction_not_permitted": "compare governance.jurisdictions with the values in the source",
    "licence_missing licence_denied licence_not_accepted": (
        "compare governance.accepted_licences with the values in the source"
    ),
    "expired consent_expired consent_not_yet_valid": (
        "the days of the records have passed, or are read from the wrong column"
    ),
}
"""Reasons -> what is likely to be wrong where most records are removed for them, and what to do."""


@dataclass(frozen=True)
class Lost:
    """Records that a stage removed and that count.

    Attributes:
        of: records that it got, without those that do not count.
        reasons: reason -> records, the commonest first.
    """

    rows: int
    of: int
    reasons: Mapping[str, int]

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0

    @property
    def words(self) -> str:
        """`exact_duplicate 4,867, too_short 12`"""
        shown = [f"{reason} {count:,}" for reason, count in self.reasons.items()]
        return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more reasons" if len(shown) > SHOWN else "")

    @property
    def cause(self) -> str:
        """What is likely to be wrong and what to do; empty where nothing is known of the commonest reason."""
        commonest = next(iter(self.reasons), "")
        return next((text for reasons, text in CAUSES.items() if commonest in reasons.split()), "")


def lost_rows(kept: int, removed: Mapping[str, int]) -> Lost:
    """What counts as lost of a stage that kept and removed these."""
    apart = (SUPERSEDED, *(DUPLICATES if kept >= FEW else ()))
    reasons = {
        reason: count
        for reason, count in sorted(removed.items(), key=lambda one: (-one[1], one[0]))
        if count and reason and reason not in apart
    }
    rows = sum(reasons.values())
    return Lost(rows, kept + rows, reasons)


def require_kept(what: str, setting: str, most: float, kept: int, removed: Mapping[str, int]) -> None:
    """Returns if a stage removed no larger share of its records than allowed.

    Args:
        what: the stage and its use case, for the message.
        setting: name of the setting whose value `most` is.

    Raises:
        DataError: it removed more.
    """
    lost = lost_rows(kept, removed)
    if lost.share > most:
        cause = f"Likely cause: {lost.cause}" if lost.cause else "Look at these reasons in the settings of the stage"
        message = (
            f"{what} removed {lost.rows:,} of {lost.of:,} records, more than {setting} allows ({most:g}): {lost.words}"
        )
        raise DataError(message, f"{cause}. If this is as it should be, raise {setting}")


def loss_warnings(funnel: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each stage of a funnel (`reporting.funnel`) that removed half of its records or more."""
    found = [(row["stage"], lost_rows(row["kept"], row["removed"])) for row in funnel]
    return [
        f"{stage} removed {lost.rows:,} of {lost.of:,} records ({lost.words})"
        + (f". Likely cause: {lost.cause}" if lost.cause else "")
        for stage, lost in found
        if lost.share >= WARNED_SHARE
    ]
