"""`amplification/<feature>`: training widens the gap between groups by at most `gate.max_amplification`, with the
whole interval.

Needs `fairness_report`. Not proven where a group of the feature is too small, or the gap was not compared with the base
model's."""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import held, reaches
from ft_platform.release.groups import with_groups
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import FairnessEvidence, Figure
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    most = use_case.settings.gate.max_amplification
    if most is not None:
        for part, feature in enumerate(use_case.settings.fairness.sensitive_features):
            needed = f"training widens the gap by at most {most:g}"
            yield Rule(
                f"amplification/{feature}",
                needed,
                lambda found, feature=feature: _amplification(found, feature, most, use_case),
                part,
            )


def _amplification(evidence: Evidence, feature: str, limit: float, use_case: NamedUseCase) -> Finding:
    found = with_groups(evidence.of("fairness_report", FairnessEvidence), feature, use_case).amplification
    if found is None or found.value is None or found.low is None or found.high is None:
        raise NotProven(f"the gap between groups of {feature} was not compared with the base model's")
    figure = Figure(value=found.value, low=found.low, high=found.high)
    text = (
        f"The gap is {figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f}) wider than the base"
        f" model's{reaches(figure, limit)}."
    )
    return Finding(held(figure, limit), text, figure)


KIND = Kind(names=("amplification",), owner="compliance", order=(71, 1), rules=_rules)
