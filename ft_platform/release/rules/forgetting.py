"""`forgetting`: no suite of the regression tests is worse than the base model or the champion by its margin in the
section `regression`.

Needs `regression_report`. Not proven where it compares with a former champion, or lacks a suite of the policy.

To a checkpoint that scores labels no suite applies. What is served is labels, and what it can lose is those that the
champion gets right: it may lose `LABELS_MARGIN` of accuracy, by `evaluation_report`. Whether labels are good enough is
what the other rules ask.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.gains import CHAMPION, require_champion
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence, Figure, RegressionEvidence, Suite
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.regression import LABELS_MARGIN


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    worse = "no suite of the regression tests is worse than the base model or the champion by its margin"
    yield Rule("forgetting", worse, lambda found: _forgetting(found, champion, use_case.policy))


def _forgetting(evidence: Evidence, champion: str | None, policy: Policy) -> Finding:
    report = evidence.of("regression_report", RegressionEvidence)
    require_champion("regression_report", report.champion, champion)
    if report.not_applicable:
        if evidence.writes:
            raise NotProven("regression_report says that the checkpoint writes nothing, and it does")
        return _labels(evidence, report.not_applicable, champion)
    suites = report.suites
    if missing := [name for name in policy.suites if evidence.writes and name not in suites]:
        raise NotProven(f"regression_report lacks {', '.join(missing)}, which policy {policy.title} asks for")
    compared = {
        (name, system): (_room(suite, found), found)
        for name, suite in suites.items()
        for system, found in (("the base model", suite.difference), ("the champion", suite.difference_to_champion))
        if found is not None
    }
    worst, system = min(compared, key=lambda one: compared[one][0])
    room, found = compared[worst, system]
    text = f"{worst}: {_against(found, system, suites[worst].margin)}"
    return Finding(room > 0, f"Of {len(suites)} suites the closest to its margin is {text}.", found)


def _labels(evidence: Evidence, why: str, champion: str | None) -> Finding:
    """A checkpoint that scores labels, against the champion on the same test records."""
    if champion is None:
        return Finding(True, f"{why} Its labels are judged by the rules of the evaluation.")
    report = evidence.of("evaluation_report", EvaluationEvidence)
    require_champion("evaluation_report", report.info.champion, champion)
    found = report.differences.get(CHAMPION, {}).get("accuracy")
    if found is None:
        return Finding(True, f"{why} Its labels cannot be compared with the champion's on these test records.")
    text = _against(found, "the champion", LABELS_MARGIN)
    return Finding(found.low > -LABELS_MARGIN, f"{why} Accuracy of its labels: {text}.", found)


def _against(found: Figure, system: str, margin: float) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) against {system}, margin {margin:g}"


def _room(suite: Suite, difference: Figure) -> float:
    """Distance between the worse end of the interval and the margin; below 0: it may be worse than allowed."""
    return suite.margin + (difference.low if suite.higher_is_better else -difference.high)


KIND = Kind(names=("forgetting",), owner="accountable", order=(90, 0), rules=_rules)
