"""`epsilon`: the checkpoint was trained with differential privacy and spent at most `gate.max_epsilon`.

Needs `privacy_report`. Refused where it was trained without.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import exact
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import PrivacyEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    largest = use_case.settings.gate.max_epsilon
    if largest is not None:
        yield Rule(
            "epsilon",
            f"trained with differential privacy, epsilon at most {largest:g}",
            lambda found: _epsilon(found, largest),
        )


def _epsilon(evidence: Evidence, limit: float) -> Finding:
    found = evidence.of("privacy_report", PrivacyEvidence).differential_privacy
    if found is None:
        return Finding(False, "It was trained without differential privacy.")
    text = f"Epsilon is {found.epsilon:.3f} with delta {found.delta:.1e} per {found.unit}."
    return Finding(found.epsilon <= limit, text, exact(found.epsilon))


KIND = Kind(names=("epsilon",), owner="compliance", order=(81, 0), rules=_rules)
