"""`judge`: a judge that was calibrated against people prefers the fine-tuned model; the lower end of the win rate is at
least `gate.min_judge_win_rate`.

Needs `judge_report`. Not proven where the judge is not calibrated.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import reached, shown
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import JudgeEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    least = use_case.settings.gate.min_judge_win_rate
    if least is not None:
        yield Rule("judge", f"win rate at least {least:g}, by a calibrated judge", lambda found: _judge(found, least))


def _judge(evidence: Evidence, least: float) -> Finding:
    found = evidence.of("judge_report", JudgeEvidence)
    if not found.usable_in_gate:
        raise NotProven("the judge is not calibrated against people")
    return Finding(
        reached(found.win_rate, least),
        f"The judge prefers the trained model in {shown(found.win_rate)} of answers.",
        found.win_rate,
    )


KIND = Kind(names=("judge",), owner="domain_expert", order=(101, 0), rules=_rules)
