"""What `fairness_report` says about groups, judged again, for the rules about them."""

from ft_platform.evaluation.fairness_verdict import FairnessVerdict, verdict_about
from ft_platform.release.evidence import NotProven
from ft_platform.release.figures import named
from ft_platform.release.schema import Compared, FairnessEvidence
from ft_platform.use_case.named import NamedUseCase


def verdict_of(report: FairnessEvidence, name: str, compared: Compared, use_case: NamedUseCase) -> FairnessVerdict:
    """What `fairness_report` says of itself does not count by itself: its figures are judged again.

    Raises:
        NotProven: it says something else than its figures.
    """
    verdict = verdict_about(name, compared.model_dump(), report.gap_metric, use_case.settings)
    if verdict.passed and compared.status != verdict.status:
        raise NotProven(f"fairness_report says {compared.status} about {name}, but its figures say {verdict.status}")
    return verdict


def with_groups(report: FairnessEvidence, feature: str, use_case: NamedUseCase) -> Compared:
    """The groups of a feature.

    Raises:
        NotProven: one of them is neither large enough to be compared nor accepted.
    """
    compared = named(report.features, feature, "features")
    verdict = verdict_of(report, feature, compared, use_case)
    if verdict.gap is None or verdict.missing:
        raise NotProven(verdict.text.rstrip("."))
    return compared
