"""`forgetting`: no suite of the regression tests is worse than the base model or the champion by its margin in the
section `regression`.

Needs `regression_report`. Not proven where it compares with a former champion.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.gains import require_champion
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import Figure, RegressionEvidence, Suite
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    worse = "no suite of the regression tests is worse than the base model or the champion by its margin"
    yield Rule("forgetting", worse, lambda found: _forgetting(found, champion))


def _forgetting(evidence: Evidence, champion: str | None) -> Finding:
    report = evidence.of("regression_report", RegressionEvidence)
    require_champion("regression_report", report.champion, champion)
    suites = report.suites
    compared = {
        (name, system): (_room(suite, found), found)
        for name, suite in suites.items()
        for system, found in (("the base model", suite.difference), ("the champion", suite.difference_to_champion))
        if found is not None
    }
    worst, system = min(compared, key=lambda one: compared[one][0])
    room, found = compared[worst, system]
    text = (
        f"{worst}: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) against {system}, margin"
        f" {suites[worst].margin:g}"
    )
    return Finding(room > 0, f"Of {len(suites)} suites the closest to its margin is {text}.", found)


def _room(suite: Suite, difference: Figure) -> float:
    """Distance between the worse end of the interval and the margin; below 0: it may be worse than allowed."""
    return suite.margin + (difference.low if suite.higher_is_better else -difference.high)


KIND = Kind(names=("forgetting",), owner="accountable", order=(90, 0), rules=_rules)
