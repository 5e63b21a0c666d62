"""`human_review`: experts prefer the fine-tuned model; the lower end of the win rate is at least
`gate.min_human_win_rate`.

Needs `human_review` of this evaluation; not proven without it.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import reached, shown
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import HumanReviewEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    least = use_case.settings.gate.min_human_win_rate
    if least is not None:
        yield Rule("human_review", f"win rate at least {least:g}", lambda found: _human(found, least))


def _human(evidence: Evidence, least: float) -> Finding:
    found = evidence.of("human_review", HumanReviewEvidence)
    text = f"Experts prefer the trained model in {shown(found.win_rate)} of {found.rows:,} answers."
    return Finding(reached(found.win_rate, least), text, found.win_rate)


KIND = Kind(names=("human_review",), owner="domain_expert", order=(100, 0), rules=_rules)
