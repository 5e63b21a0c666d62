"""`beats/<system>`: the main metric is better than that of another system by more than `gate.margin`, with the whole
interval; a tie is refused.

Systems: `gate.beats` and those of the policy. Needs `evaluation_report`. Not proven where it has no difference to the
system, or compares with a former champion; without a champion there is none to beat.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import named
from ft_platform.release.gains import CHAMPION, gained, known_metric, none_to_beat, require_champion
from ft_platform.release.policy import beaten_systems
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate = use_case.settings.gate
    for system in beaten_systems(use_case):
        needed = (
            f"{gate.metric or 'the main metric'} better than that of {system} by more than {gate.margin:g}, with the"
            " whole interval"
        )
        if system == CHAMPION and champion is None:
            yield Rule(f"beats/{system}", needed, none_to_beat)
        else:
            yield Rule(
                f"beats/{system}",
                needed,
                lambda found, system=system: _beats(found, system, gate.metric, gate.margin, champion),
            )


def _beats(evidence: Evidence, system: str, name: str | None, margin: float, champion: str | None) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    if system == CHAMPION:
        require_champion("evaluation_report", report.info.champion, champion)
    main = known_metric(name or report.main_metric)
    found = named(named(report.differences, system, "differences"), main.name, f"differences.{system}")
    return gained(main, found, margin, "in favour of the fine-tuned model")


KIND = Kind(names=("beats",), owner="accountable", order=(50, 0), rules=_rules)
