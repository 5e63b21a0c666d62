"""`not_worse_on_frozen`: where the champion is beaten on fresh requests, the model may lose at most
`source.feedback.fresh_test.max_loss` against it on the test split, with the whole interval.

Needs `evaluation_report`. Not proven where it has no difference to the champion, or compares with a former one.
"""

from collections.abc import Iterator

from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import named
from ft_platform.release.gains import CHAMPION, known_metric, none_to_beat, require_champion
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import EvaluationEvidence, Figure
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    fresh, name = use_case.settings.source.feedback.fresh_test, use_case.settings.gate.metric
    if not fresh.share:
        return
    needed = f"{name or 'the main metric'} at most {fresh.max_loss:g} worse than that of the champion on the test split"
    if champion is None:
        yield Rule("not_worse_on_frozen", needed, none_to_beat)
    else:
        yield Rule("not_worse_on_frozen", needed, lambda found: _not_worse(found, name, fresh.max_loss, champion))


def _not_worse(evidence: Evidence, name: str | None, most: float, champion: str) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    require_champion("evaluation_report", report.info.champion, champion)
    main = known_metric(name or report.main_metric)
    found = named(named(report.differences, CHAMPION, "differences"), main.name, f"differences.{CHAMPION}")
    gain = found if main.higher_is_better else Figure(value=-found.value, low=-found.high, high=-found.low)
    text = f"{main.title}: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) against the champion"
    passed = gain.low >= -most
    why = "." if passed else f": it may be worse by more than {most:g}."
    return Finding(passed, f"{text} on {report.test_rows:,} records of the test split{why}", gain)


KIND = Kind(names=("not_worse_on_frozen",), owner="accountable", order=(50, 1), rules=_rules)
