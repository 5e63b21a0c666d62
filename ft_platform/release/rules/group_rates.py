"""`demographic_parity/<feature>`, `equalized_odds/<feature>`: how often a label is given, and how often rightly and
wrongly, differs little between groups.

Limits: `gate.max_demographic_parity_difference`, `gate.max_equalized_odds_difference`, with the whole interval. Needs
`fairness_report`. Not proven where a group is too small, or no label has enough test records in every group.
"""

from collections.abc import Iterator
from functools import partial

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import held, reaches, shown
from ft_platform.release.groups import with_groups
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import FairnessEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate = use_case.settings.gate
    limits = {
        "demographic_parity": gate.max_demographic_parity_difference,
        "equalized_odds": gate.max_equalized_odds_difference,
    }
    for part, feature in enumerate(use_case.settings.fairness.sensitive_features):
        for name, limit in limits.items():
            if limit is not None:
                needed = f"{name.replace('_', ' ')} difference at most {limit:g}, with the whole interval"
                yield Rule(
                    f"{name}/{feature}",
                    needed,
                    partial(_rates, feature=feature, name=name, limit=limit, use_case=use_case),
                    part,
                )


def _rates(evidence: Evidence, feature: str, name: str, limit: float, use_case: NamedUseCase) -> Finding:
    """Of the labels, each against all others, the one whose rate differs most."""
    compared = with_groups(evidence.of("fairness_report", FairnessEvidence), feature, use_case)
    found = compared.demographic_parity if name == "demographic_parity" else compared.equalized_odds
    if found is None:
        raise NotProven(
            f"not enough evidence, no label has enough test records in every group of {feature} to compare its rates"
        )
    return Finding(
        held(found, limit),
        f"The {found.rate} of {found.label} differs by {shown(found)} between groups{reaches(found, limit)}.",
        found,
    )


KIND = Kind(names=("demographic_parity", "equalized_odds"), owner="compliance", order=(71, 2), rules=_rules)
