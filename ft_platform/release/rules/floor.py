"""`floor/<metric>`: the worse end of a metric's interval reaches its floor in `gate.floors`; of a model that only
suggests (`gate.claim`), its value.

Needs `evaluation_report`. Not proven where it has no such figure of the fine-tuned model.
"""

from collections.abc import Iterator

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import (
    SHARES,
    exact_share,
    held,
    macro_f1_ends,
    more_records,
    named,
    reached,
    shown,
    widened,
)
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.gate import SUGGESTS


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    for name, floor in use_case.settings.gate.floors.items():
        one = metric(name)
        bound = "at least" if one.higher_is_better else "at most"
        yield Rule(
            f"floor/{name}",
            f"{one.title} {bound} {floor:g}, with the whole interval",
            lambda found, one=one, floor=floor: _floor(found, one, floor, use_case.settings),
        )


def _floor(evidence: Evidence, one: Metric, floor: float, settings: UseCase) -> Finding:
    confidence = settings.evaluation.confidence
    report = evidence.of("evaluation_report", EvaluationEvidence)
    found = named(named(report.systems, FINE_TUNED, "systems"), one.name, f"systems.{FINE_TUNED}")
    if one.name in SHARES:
        found = widened(found, *exact_share(round(found.value * report.test_rows), report.test_rows, confidence))
    if one.name == "macro_f1" and (confusion := report.confusion.get(FINE_TUNED)):
        found = widened(found, *macro_f1_ends(confusion, confidence))
    passed = reached(found, floor) if one.higher_is_better else held(found, floor)
    text = f"{one.title} is {shown(found)}"
    if passed or not (found.value >= floor if one.higher_is_better else found.value <= floor):
        return Finding(passed, f"{text}.", found)
    if settings.gate.claim == SUGGESTS:
        return Finding(True, f"{text}: not proven, which is enough for a suggestion.", found)
    more = more_records(found, floor, report.test_rows)
    return Finding(False, f"{text}: not proven{f'; {more}' if more else ''}.", found)


KIND = Kind(names=("floor",), owner="accountable", order=(52, 0), rules=_rules)
