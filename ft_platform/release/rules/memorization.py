"""`memorization`: every attack on the checkpoint stays within the limits of the section `attacks`, with the whole
interval and enough records.

Needs `privacy_report`, whose figures are judged again; how many records are missing is part of the sentence.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import upper_end
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import PrivacyEvidence
from ft_platform.training.privacy_attacks.verdict import privacy_verdict
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    needed = (
        "every attack on the checkpoint stays within the limits of the section attacks, with the whole interval and"
        " enough records"
    )
    yield Rule("memorization", needed, lambda found: _memorization(found, use_case))


def _memorization(evidence: Evidence, use_case: NamedUseCase) -> Finding:
    """What `privacy_report` says of itself does not count by itself: its figures are judged again."""
    found = evidence.of("privacy_report", PrivacyEvidence)
    verdict = privacy_verdict(found.model_dump(), use_case)
    largest = max((attack.at_1_percent for attack in (found.membership or {}).values()), key=upper_end, default=None)
    return Finding(verdict.passed, verdict.text, largest)


KIND = Kind(names=("memorization",), owner="compliance", order=(80, 0), rules=_rules)
