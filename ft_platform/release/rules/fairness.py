"""`fairness/<feature>`, `fairness/pairs`: accuracy is alike between groups; `fairness` alone: why nothing is compared.

Groups may differ by `fairness.max_gap` with the whole interval, and every one is large enough, pooled with others, or
accepted with a reason. Needs `fairness_report`, whose figures are judged again. Groups that are too small are missing,
with the test records that each lacks; not proven where a feature or a pair of features is missing, or the report says
something else than its figures.

Covered: accuracy (of open answers ROUGE-L). Not covered: figures of single labels, which the finding tells where they
differ.
"""

from collections.abc import Iterator
from itertools import combinations

from ft_platform.evaluation.fairness_verdict import GAP_METRIC, FairnessVerdict, all_fair, nothing_compared
from ft_platform.evaluation.metric import metric
from ft_platform.release.evidence import Evidence
from ft_platform.release.figures import named, upper_end
from ft_platform.release.groups import verdict_of
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import FairnessEvidence, Figure
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    settings = use_case.settings.fairness
    features = settings.sensitive_features
    if not features:
        yield Rule(
            "fairness",
            "sensitive features, or the reason why there are none",
            lambda found: _nothing_compared(use_case),
        )
    large = f"every group large enough ({settings.min_group_rows} test records), pooled, or accepted with a reason"
    figure = metric(GAP_METRIC[use_case.settings.task.kind]).title
    needed = f"no difference of {figure} between groups above {settings.max_gap:g}, with the whole interval; {large}"
    for part, feature in enumerate(features):
        yield Rule(f"fairness/{feature}", needed, lambda found, feature=feature: _alike(found, feature, use_case), part)
    if len(features) > 1:
        pairs = [" and ".join(pair) for pair in combinations(features, 2)]
        of_two = (
            f"no difference of {figure} between groups of two features above {settings.max_gap:g}, with the whole"
            f" interval; {large}"
        )
        yield Rule("fairness/pairs", of_two, lambda found: _pairs(found, pairs, use_case), len(features))


def _nothing_compared(use_case: NamedUseCase) -> Finding:
    return Finding(all_fair({}, use_case.settings), nothing_compared(use_case.settings))


def _alike(evidence: Evidence, feature: str, use_case: NamedUseCase) -> Finding:
    report = evidence.of("fairness_report", FairnessEvidence)
    verdict = verdict_of(report, feature, named(report.features, feature, "features"), use_case)
    missing = {feature: verdict.missing} if verdict.missing else {}
    return Finding(verdict.passed, verdict.text, _figure(verdict), missing)


def _figure(verdict: FairnessVerdict) -> Figure | None:
    return Figure(**verdict.gap) if verdict.gap else None


def _pairs(evidence: Evidence, pairs: list[str], use_case: NamedUseCase) -> Finding:
    """Every pair counts. Told are those that do not hold, or else the one with the widest gap."""
    report = evidence.of("fairness_report", FairnessEvidence)
    verdicts = {
        name: verdict_of(report, name, named(report.intersections, name, "intersections"), use_case) for name in pairs
    }
    broken = [verdict for verdict in verdicts.values() if not verdict.passed]
    figures = {name: figure for name, verdict in verdicts.items() if (figure := _figure(verdict))}
    widest = max(figures, key=lambda name: upper_end(figures[name]), default=pairs[0])
    why = " ".join(verdict.text for verdict in broken) or verdicts[widest].text
    missing = {name: verdict.missing for name, verdict in verdicts.items() if verdict.missing}
    return Finding(not broken, why, figures.get(widest), missing)


KIND = Kind(names=("fairness",), owner="compliance", order=(71, 0), rules=_rules)
