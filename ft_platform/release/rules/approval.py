"""`approval/<field>@<hash>`: a person of compliance has approved the reason that a field of the file gives.

Never holds by itself, so a waiver is the approval. The hash is that of the field's words: an approval is not for other
words. Only a reason why no columns together identify a person needs none where the records have no such columns."""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.policy import unapproved
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    for path, digest in unapproved(use_case).items():
        needed = "a person of compliance approves it by name, for this checkpoint (ft waiver grant)"
        why = f"{path} counts only if a person has approved what it says."
        judge = _needless if path == "privacy.without_quasi_identifiers" else _asked
        yield Rule(f"approval/{path}@{digest}", needed, lambda found, judge=judge, why=why: judge(found, why))


def _asked(evidence: Evidence, why: str) -> Finding:
    return Finding(False, why)


def _needless(evidence: Evidence, why: str) -> Finding:
    """By the check of the records, not by the words of the file."""
    verdict = evidence.verdicts.get("anonymized_records", {}).get("is_k_anonymous")
    if verdict and verdict.passed and verdict.numbers.get("no_columns") is True:
        return Finding(True, f"Nobody has to approve it: {verdict.numbers['says']}")
    return Finding(False, why)


KIND = Kind(names=("approval",), owner="compliance", order=(31, 0), rules=_rules)
