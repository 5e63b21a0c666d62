"""`beats/<system>`: the main metric is better than that of another system by more than `gate.margin`, with the whole
interval; a tie is refused. A simpler kind of model than the champion may lose to it what `release.simpler` says, with
the whole interval, and so may its accuracy, with the exact one. Of a model that only suggests (`gate.claim`)
the value is enough, but for the champion.

Systems: `gate.beats` and those of the policy. Needs `evaluation_report`. Not proven where it has no difference to the
system, or compares with a former champion; without a champion there is none to beat.

With `source.feedback.fresh_test` the champion is beaten on fresh requests, where they are at least `min_records`, and
`not_worse_on_frozen` looks at the test split.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ft_platform.evaluation.metric import Metric
from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import SHARES, exact_difference, named, widened
from ft_platform.release.gains import CHAMPION, fresh_part, gained, known_metric, none_to_beat, require_champion
from ft_platform.release.policy import beaten_systems
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence, Figure, FreshEvidence
from ft_platform.release.simpler import MAY_LOSE
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.gate import SUGGESTS, Gate
from ft_platform.use_case.settings.source import FreshTest

Part = EvaluationEvidence | FreshEvidence
"""The test split, or fresh requests."""


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate, fresh = use_case.settings.gate, use_case.settings.source.feedback.fresh_test
    confidence = use_case.settings.evaluation.confidence
    for system in beaten_systems(use_case):
        needed = (
            f"{gate.metric or 'the main metric'} better than that of {system} by more than {gate.margin:g}, with the"
            " whole interval"
        )
        if system == CHAMPION and champion and use_case.settings.task.kind == "classification":
            needed += f"; a simpler kind of model may be up to {MAY_LOSE:g} worse, less what such models lost before it"
        if system == CHAMPION and champion is None:
            yield Rule(f"beats/{system}", needed, none_to_beat)
        elif system == CHAMPION and fresh.share:
            needed += f", on fresh requests where there are {fresh.min_records} or more"
            yield Rule(f"beats/{system}", needed, lambda found: _beats_today(found, gate, fresh, champion, confidence))
        else:
            yield Rule(
                f"beats/{system}",
                needed,
                lambda found, system=system: _beats(found, system, gate, champion, confidence),
            )


def _beats(evidence: Evidence, system: str, gate: Gate, champion: str | None, confidence: float) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    if system == CHAMPION:
        require_champion("evaluation_report", report.info.champion, champion)
    main = known_metric(gate.metric or report.main_metric)
    found = _difference(report, system, main, confidence)
    suggests = gate.claim == SUGGESTS and system != CHAMPION
    may_lose = _may_lose(evidence, [report], confidence) if system == CHAMPION else 0.0
    said = "in favour of this model"
    return gained(main, found, gate.margin, said, report.test_rows, may_lose=may_lose, suggests=suggests)


def _beats_today(evidence: Evidence, gate: Gate, fresh: FreshTest, champion: str | None, confidence: float) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    require_champion("evaluation_report", report.info.champion, champion)
    part = fresh_part(report)
    if part.records < fresh.min_records:
        found = _beats(evidence, CHAMPION, gate, champion, confidence)
        few = f"{part.records} fresh requests are too few, {fresh.min_records} are needed"
        return replace(found, why=f"{found.why} This is the test split alone: {few}.")
    main = known_metric(gate.metric or report.main_metric)
    found = _difference(part, CHAMPION, main, confidence)
    requests = f"{part.records} fresh requests of {part.first_day} to {part.last_day}"
    may_lose = _may_lose(evidence, [report, part], confidence)
    return gained(main, found, gate.margin, f"in favour of this model on {requests}", may_lose=may_lose)


def _difference(part: Part, system: str, main: Metric, confidence: float) -> Figure:
    """The gain over a system on a part of the records; of a share of them with the exact interval as well."""
    where = "fresh.differences" if isinstance(part, FreshEvidence) else "differences"
    found = named(named(part.differences, system, where), main.name, f"{where}.{system}")
    exact = _exact(part, system, confidence) if main.name in SHARES else None
    return widened(found, *exact) if exact else found


def _exact(part: Part, system: str, confidence: float) -> tuple[float, float] | None:
    """The exact interval of the gain in accuracy; None: there is none."""
    pairs = part.tests[system].mcnemar if system in part.tests else None
    rows = part.records if isinstance(part, FreshEvidence) else part.test_rows
    return exact_difference(pairs.only_first, pairs.only_second, rows, confidence) if pairs else None


def _may_lose(evidence: Evidence, parts: Sequence[Part], confidence: float) -> float:
    """What a simpler model may lose to the champion: nothing where its accuracy may lose more on any part. With few
    mistakes the interval of macro-F1, from resamples, is too narrow to tell."""
    exact = [_exact(part, CHAMPION, confidence) for part in parts]
    return evidence.may_lose if all(ends and ends[0] > -evidence.may_lose for ends in exact) else 0.0


KIND = Kind(names=("beats",), owner="accountable", order=(50, 0), rules=_rules)
