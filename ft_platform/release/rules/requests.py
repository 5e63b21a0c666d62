"""`seconds_per_1000_requests`, `money_per_1000_requests`: what answers cost, as measured on the test records.

Limits: `gate.max_seconds_per_1000_requests`, `gate.max_money_per_1000_requests`. Needs `evaluation_report`. Not proven
where requests of the fine-tuned model were not measured, or the compute profile names no price.
"""

from collections.abc import Iterator

from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import exact, named
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence, Taken
from ft_platform.use_case import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate = use_case.settings.gate
    for what, limit in (("seconds", gate.max_seconds_per_1000_requests), ("money", gate.max_money_per_1000_requests)):
        if limit is not None:
            yield Rule(
                f"{what}_per_1000_requests",
                f"at most {limit:g}",
                lambda found, what=what, limit=limit: _taken(found, what, limit),
            )


def _taken(evidence: Evidence, what: str, limit: float) -> Finding:
    found: Taken = named(
        evidence.of("evaluation_report", EvaluationEvidence).per_1000_requests, FINE_TUNED, "per_1000_requests"
    )
    value = found.seconds if what == "seconds" else found.money
    if value is None:
        raise NotProven("the compute profile names no price, so nobody knows what requests cost")
    why = f"1,000 requests took {value:,.2f} {what if what == 'seconds' else found.currency}."
    return Finding(value <= limit, why, exact(value))


KIND = Kind(
    names=("seconds_per_1000_requests", "money_per_1000_requests"), owner="accountable", order=(61, 0), rules=_rules
)
