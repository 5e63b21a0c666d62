"""`seeds`, `seeds/<system>`: where several seeds are asked for, every gain of `beats` once more, over them.

A simpler kind of model than the champion may lose to it what `beats/champion` allows. Needs `seed_variation`, and
`evaluation_report` for the champion. Not proven where other seeds were compared, a figure is missing, or the evaluation
compares with a former champion.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.figures import named, shown
from ft_platform.release.gains import CHAMPION, gained, known_metric, none_to_beat, require_champion
from ft_platform.release.policy import beaten_systems
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence, SeedEvidence
from ft_platform.training.experiments.inputs import seeds_of
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate, seeds = use_case.settings.gate, seeds_of(use_case)
    if len(seeds) == 1:
        return
    yield Rule(
        "seeds",
        f"trained with {len(seeds)} seeds, each evaluated on the test split",
        lambda found: _spread(found, gate.metric, seeds),
    )
    for system in beaten_systems(use_case):
        better = f"{gate.metric or 'the main metric'} better than that of {system} by more than {gate.margin:g}"
        needed = f"{better} on average of {len(seeds)} seeds, with the whole interval over seeds and test records"
        if system == CHAMPION and champion is None:
            yield Rule(f"seeds/{system}", needed, none_to_beat)
        else:
            yield Rule(
                f"seeds/{system}",
                needed,
                lambda found, system=system: _holds(found, system, gate.metric, gate.margin, seeds, champion),
            )


def _compared_seeds(evidence: Evidence, seeds: list[int]) -> SeedEvidence:
    report = evidence.of("seed_variation", SeedEvidence)
    if [one.seed for one in report.seeds] != seeds:
        raise NotProven(f"seed_variation compares the seeds {[one.seed for one in report.seeds]}, expected {seeds}")
    return report


def _spread(evidence: Evidence, name: str | None, seeds: list[int]) -> Finding:
    report = _compared_seeds(evidence, seeds)
    main = known_metric(name or report.main_metric)
    found = named(report.metrics, main.name, "metrics")
    why = f"{main.title} is {shown(found)} on average of {len(seeds)} seeds, standard deviation {found.sd:.3f}."
    return Finding(True, why, found)


def _holds(
    evidence: Evidence, system: str, name: str | None, margin: float, seeds: list[int], champion: str | None
) -> Finding:
    report = _compared_seeds(evidence, seeds)
    if system == CHAMPION:
        require_champion(
            "evaluation_report", evidence.of("evaluation_report", EvaluationEvidence).info.champion, champion
        )
    main = known_metric(name or report.main_metric)
    found = named(named(report.differences, system, "differences"), main.name, f"differences.{system}")
    better = sum(value > 0 if main.higher_is_better else value < 0 for value in found.values)
    may_lose = evidence.may_lose if system == CHAMPION else 0.0
    return gained(
        main, found, margin, f"on average of {len(seeds)} seeds, better for {better} of them", may_lose=may_lose
    )


KIND = Kind(names=("seeds",), owner="accountable", order=(51, 0), rules=_rules)
