"""`policy`: no setting of the use case asks for less than the policy of its installation.

Needs the settings and the policy alone. Nobody can waive it: the policy is the installation's.
"""

from collections.abc import Iterator

from ft_platform.release.policy import undercuts
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    yield Rule(
        "policy",
        f"no setting undercuts policy {use_case.policy.title} of the installation",
        lambda found: _above_policy(use_case),
    )


def _above_policy(use_case: NamedUseCase) -> Finding:
    found = [one.text for one in undercuts(use_case.settings, use_case.policy)]
    return Finding(not found, f"{'; '.join(found) or 'No setting of the use case does'}.")


KIND = Kind(names=("policy",), owner=None, order=(30, 0), rules=_rules)
