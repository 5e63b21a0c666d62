"""The rules of a release: one function each, from typed evidence to a ruling with a sentence.

A rule is named by the settings, never by the evidence, so evidence that is missing cannot take its rule away.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from ft_platform.evaluation.metric import Metric, all_metrics, metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.experiments.inputs import seeds_of
from ft_platform.release.evidence import REQUIRED, Evidence, Item, NotProven
from ft_platform.release.schema import (
    CanaryEvidence,
    Compared,
    ComparedChampion,
    EvaluationEvidence,
    FairnessEvidence,
    Figure,
    HumanReviewEvidence,
    JudgeEvidence,
    PrivacyEvidence,
    RegressionEvidence,
    SeedEvidence,
    Suite,
    Taken,
)
from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase

CHAMPION = "champion"
NOT_WAIVED = ("lineage", "data")
"""Rules that nobody can waive: without them it is unknown what would be released, or whether it may be used at all."""
TOO_SMALL = "not_enough_evidence"
"""Status of a comparison without two groups that are large enough."""
MORE_RECORDS = "Add records, or give the test split more of them (splits.test_fraction), and train again"
"""What to do where the attacks had too little to compare: as many training as test records are drawn."""


@dataclass(frozen=True)
class Finding:
    """What a rule found in the evidence."""

    passed: bool
    why: str
    figure: Figure | None = None


@dataclass(frozen=True)
class Rule:
    """One condition of a release.

    Attributes:
        name: `<kind>` or `<kind>/<what>`, e.g. `beats/base_few_shot`.
        needed: what must hold, in words.
        judge: raises NotProven where the evidence does not say.
    """

    name: str
    needed: str
    judge: Callable[[Evidence], Finding]

    @property
    def waivable(self) -> bool:
        return self.name.split("/")[0] not in NOT_WAIVED


@dataclass(frozen=True)
class Ruling:
    """A rule applied to the evidence. `value`, `low` and `high` are None where the rule measures nothing or nothing was found."""

    rule: str
    passed: bool
    value: float | None
    low: float | None
    high: float | None
    needed: str
    why: str
    waivable: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def apply(rules: Iterable[Rule], evidence: Evidence) -> list[Ruling]:
    """Every rule's ruling. A rule that cannot be judged is refused with the reason."""
    rulings = []
    for rule in rules:
        try:
            found = rule.judge(evidence)
        except NotProven as gap:
            found = Finding(False, f"Not proven: {gap}.")
        figure = found.figure
        values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
        rulings.append(Ruling(rule.name, found.passed, *values, rule.needed, found.why, rule.waivable))
    return rulings


def rules_of(use_case: NamedUseCase, champion: str | None) -> list[Rule]:
    """The rules of a use case, in the order of reports.

    Args:
        champion: id of the checkpoint that was accepted last, apart from this one; None: there was none.
    """
    worse = "no suite of the regression tests is worse than the base model or the champion by its margin"
    return [
        *_lineage(),
        *_data(),
        *_quality(use_case, champion),
        *_serving(use_case),
        *_fairness(use_case),
        *_privacy(use_case),
        Rule("forgetting", worse, lambda found: _forgetting(found, champion)),
        *_people(use_case),
    ]


def _lineage() -> Iterator[Rule]:
    """The chain of signatures of the whole use case, the checkpoint, and every report that a decision needs."""
    yield Rule("lineage/signatures", "each manifest, verdict, waiver and decision as a program signed it", _signed)
    yield Rule("lineage/adapter_checkpoint", "intact, current, permitted", lambda found: _whole(found.checkpoint.id, found.problems))
    for stage in REQUIRED:
        yield Rule(f"lineage/{stage}", "there, intact, current, of this checkpoint", lambda found, stage=stage: _item_whole(found.items[stage]))


def _signed(found: Evidence) -> Finding:
    if found.signatures:
        return Finding(False, "; ".join(found.signatures))
    afterwards = f" {found.adopted:,} of them were written before there were signatures and signed afterwards." if found.adopted else ""
    return Finding(True, f"Each is as it was signed, and none is missing.{afterwards}")


def _item_whole(item: Item) -> Finding:
    return _whole(item.version.id if item.version else item.stage, item.problems)


def _whole(name: str, problems: tuple[str, ...]) -> Finding:
    return Finding(False, "; ".join(problems)) if problems else Finding(True, f"{name} and all it was made from are intact and current.")


def _data() -> Iterator[Rule]:
    """Every check of the tables behind the checkpoint: residual personal data, k-anonymity, leakage and so on."""
    for stage in STAGES.values():
        if stage.kind in ("table", "quarantine"):
            for check in stage.checks:
                yield Rule(f"data/{check}/{stage.name}", "passed", lambda found, stage=stage.name, check=check: _checked(found, stage, check))


def _checked(evidence: Evidence, stage: str, check: str) -> Finding:
    if stage not in evidence.data:
        raise NotProven(f"no version of {stage} stands behind the checkpoint")
    verdict = evidence.verdicts[stage].get(check)
    if verdict is None:
        raise NotProven(f"check {check} of {evidence.data[stage].id} was not made")
    return Finding(verdict.passed, f"{evidence.data[stage].id} {'passed' if verdict.passed else 'failed'} it.")


def _quality(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    gate = use_case.settings.gate
    for system in gate.beats:
        needed = f"{gate.metric or 'the main metric'} better than that of {system} by more than {gate.margin:g}, with the whole interval"
        if system == CHAMPION and champion is None:
            yield Rule(f"beats/{system}", needed, lambda found: Finding(True, "No checkpoint was accepted before: there is none to beat."))
        else:
            yield Rule(f"beats/{system}", needed, lambda found, system=system: _beats(found, system, gate.metric, gate.margin, champion))
    yield from _seeds(use_case, champion)
    for name, floor in gate.floors.items():
        one = metric(name)
        bound = "at least" if one.higher_is_better else "at most"
        yield Rule(f"floor/{name}", f"{one.title} {bound} {floor:g}, with the whole interval", lambda found, one=one, floor=floor: _floor(found, one, floor))


def _beats(evidence: Evidence, system: str, name: str | None, margin: float, champion: str | None) -> Finding:
    report = evidence.of("evaluation_report", EvaluationEvidence)
    if system == CHAMPION:
        _require_champion("evaluation_report", report.info.champion, champion)
    main = _known(name or report.main_metric)
    found = _named(_named(report.differences, system, "differences"), main.name, f"differences.{system}")
    return _gained(main, found, margin, "in favour of the fine-tuned model")


def _known(name: str) -> Metric:
    if name not in all_metrics():
        raise NotProven(f"there is no metric {name}")
    return metric(name)


def _gained(main: Metric, found: Figure, margin: float, said: str) -> Finding:
    """Whether the whole interval of a difference to another system is better by more than a margin."""
    gain = found if main.higher_is_better else Figure(value=-found.value, low=-found.high, high=-found.low)
    text = f"{main.title}: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) {said}"
    if gain.low > margin:
        return Finding(True, f"{text}.", gain)
    return Finding(False, f"{text}: {'a tie' if gain.low <= 0 <= gain.high else 'not enough' if gain.low > 0 else 'it is worse'}.", gain)


def _seeds(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    """Where several seeds are asked for, every gain of `beats` once more, over them."""
    gate, seeds = use_case.settings.gate, seeds_of(use_case)
    if len(seeds) == 1:
        return
    yield Rule("seeds", f"trained with {len(seeds)} seeds, each evaluated on the test split", lambda found: _spread(found, gate.metric, seeds))
    for system in gate.beats:
        better = f"{gate.metric or 'the main metric'} better than that of {system} by more than {gate.margin:g}"
        needed = f"{better} on average of {len(seeds)} seeds, with the whole interval over seeds and test records"
        if system == CHAMPION and champion is None:
            yield Rule(f"seeds/{system}", needed, lambda found: Finding(True, "No checkpoint was accepted before: there is none to beat."))
        else:
            yield Rule(f"seeds/{system}", needed, lambda found, system=system: _holds_over_seeds(found, system, gate.metric, gate.margin, seeds, champion))


def _compared_seeds(evidence: Evidence, seeds: list[int]) -> SeedEvidence:
    report = evidence.of("seed_variation", SeedEvidence)
    if [one.seed for one in report.seeds] != seeds:
        raise NotProven(f"seed_variation compares the seeds {[one.seed for one in report.seeds]}, asked for are {seeds}")
    return report


def _spread(evidence: Evidence, name: str | None, seeds: list[int]) -> Finding:
    report = _compared_seeds(evidence, seeds)
    main = _known(name or report.main_metric)
    found = _named(report.metrics, main.name, "metrics")
    return Finding(True, f"{main.title} is {_shown(found)} on average of {len(seeds)} seeds, standard deviation {found.sd:.3f}.", found)


def _holds_over_seeds(evidence: Evidence, system: str, name: str | None, margin: float, seeds: list[int], champion: str | None) -> Finding:
    report = _compared_seeds(evidence, seeds)
    if system == CHAMPION:
        _require_champion("evaluation_report", evidence.of("evaluation_report", EvaluationEvidence).info.champion, champion)
    main = _known(name or report.main_metric)
    found = _named(_named(report.differences, system, "differences"), main.name, f"differences.{system}")
    better = sum(value > 0 if main.higher_is_better else value < 0 for value in found.values)
    return _gained(main, found, margin, f"on average of {len(seeds)} seeds, better for {better} of them")


def _floor(evidence: Evidence, one: Metric, floor: float) -> Finding:
    found = _named(_fine_tuned(evidence), one.name, f"systems.{FINE_TUNED}")
    passed = _reached(found, floor) if one.higher_is_better else _held(found, floor)
    return Finding(passed, f"{one.title} is {_shown(found)}.", found)


def _fine_tuned(evidence: Evidence) -> dict[str, Figure]:
    return _named(evidence.of("evaluation_report", EvaluationEvidence).systems, FINE_TUNED, "systems")


def _serving(use_case: NamedUseCase) -> Iterator[Rule]:
    gate = use_case.settings.gate
    largest = gate.max_calibration_error
    if largest is not None:
        yield Rule("calibration", f"expected calibration error at most {largest:g}", lambda found: _calibration(found, largest))
    for what, limit in (("seconds", gate.max_seconds_per_1000_requests), ("money", gate.max_money_per_1000_requests)):
        if limit is not None:
            yield Rule(f"{what}_per_1000_requests", f"at most {limit:g}", lambda found, what=what, limit=limit: _taken(found, what, limit))


def _calibration(evidence: Evidence, limit: float) -> Finding:
    found = _named(evidence.of("evaluation_report", EvaluationEvidence).calibration, FINE_TUNED, "calibration").ece
    return Finding(_held(found, limit), f"The expected calibration error is {_shown(found)}{_reaches(found, limit)}.", found)


def _taken(evidence: Evidence, what: str, limit: float) -> Finding:
    found: Taken = _named(evidence.of("evaluation_report", EvaluationEvidence).per_1000_requests, FINE_TUNED, "per_1000_requests")
    value = found.seconds if what == "seconds" else found.money
    if value is None:
        raise NotProven("the compute profile names no price, so nobody knows what requests cost")
    return Finding(
        value <= limit, f"1,000 requests took {value:,.2f} {what if what == 'seconds' else found.currency}.", Figure(value=value, low=value, high=value)
    )


def _fairness(use_case: NamedUseCase) -> Iterator[Rule]:
    settings, gate = use_case.settings.fairness, use_case.settings.gate
    yield from _swaps(use_case)
    most = gate.max_amplification
    if not settings.sensitive_features:
        yield Rule("fairness", "sensitive features, or the reason why there are none", lambda found: _none_sensitive(gate.without_sensitive_features))
        return
    needed = f"no difference between groups above {settings.max_gap:g}, with the whole interval and groups large enough to tell"
    for feature in settings.sensitive_features:
        yield Rule(f"fairness/{feature}", needed, lambda found, feature=feature: _gap(found, feature, settings.max_gap))
        if most is not None:
            text = f"fine-tuning widens the gap by at most {most:g}"
            yield Rule(f"amplification/{feature}", text, lambda found, feature=feature: _amplification(found, feature, most))
        for kind, limit in (("demographic_parity", gate.max_demographic_parity_difference), ("equalized_odds", gate.max_equalized_odds_difference)):
            if limit is not None:
                text = f"{kind.replace('_', ' ')} difference at most {limit:g}, with the whole interval"
                yield Rule(f"{kind}/{feature}", text, lambda found, feature=feature, kind=kind, limit=limit: _rates(found, feature, kind, limit))
    if len(settings.sensitive_features) > 1:
        pairs = [" and ".join(pair) for pair in combinations(settings.sensitive_features, 2)]
        of_two = f"no difference between groups of two features above {settings.max_gap:g}, with the whole interval and groups large enough to tell"
        yield Rule("fairness/pairs", of_two, lambda found: _pairs(found, pairs, settings.max_gap))


def _swaps(use_case: NamedUseCase) -> Iterator[Rule]:
    most = use_case.settings.gate.max_flip_rate
    if most is not None:
        for swap in use_case.settings.fairness.swaps:
            needed = f"at most {most:g} of the answers change when a term is swapped, with the whole interval"
            yield Rule(f"flip_rate/{swap.name}", needed, lambda found, name=swap.name: _flips(found, name, most))


def _none_sensitive(reason: str) -> Finding:
    if not reason.strip():
        return Finding(False, "Neither fairness.sensitive_features nor gate.without_sensitive_features is set.")
    return Finding(True, f"No sensitive feature: {reason.strip()}")


def _gap(evidence: Evidence, feature: str, limit: float) -> Finding:
    report = evidence.of("fairness_report", FairnessEvidence)
    compared = _with_groups(report, feature)
    found = _named(compared.differences, report.gap_metric, f"features.{feature}.differences")
    return Finding(_held(found, limit), f"{report.gap_metric} differs by {_shown(found)} between groups{_reaches(found, limit)}.", found)


def _with_groups(report: FairnessEvidence, feature: str) -> Compared:
    """The groups of a feature, at least two of them large enough to be compared."""
    compared = _named(report.features, feature, "features")
    if compared.status == TOO_SMALL:
        raise NotProven(_too_few(report, feature))
    return compared


def _too_few(report: FairnessEvidence, *names: str) -> str:
    named = ", ".join(names)
    return f"not enough evidence, fewer than two groups of {named} are large enough to be compared ({report.min_group_rows} test records)"


def _pairs(evidence: Evidence, pairs: list[str], limit: float) -> Finding:
    """The pair with the widest gap decides. Pairs without two groups to compare are refused with it, as a feature by itself is."""
    report = evidence.of("fairness_report", FairnessEvidence)
    compared = {name: _named(report.intersections, name, "intersections") for name in pairs}
    small = [name for name, found in compared.items() if found.status == TOO_SMALL]
    gaps = {name: _named(compared[name].differences, report.gap_metric, f"intersections.{name}.differences") for name in pairs if name not in small}
    if not gaps:
        raise NotProven(_too_few(report, *small))
    worst = max(gaps, key=lambda name: _upper_end(gaps[name]))
    found = gaps[worst]
    text = f"The largest, {worst}: {report.gap_metric} differs by {_shown(found)}{_reaches(found, limit)}"
    if small:
        text += f"; {_too_few(report, *small)}"
    return Finding(_held(found, limit) and not small, f"{text}.", found)


def _amplification(evidence: Evidence, feature: str, limit: float) -> Finding:
    found = _with_groups(evidence.of("fairness_report", FairnessEvidence), feature).amplification
    if found is None or found.value is None or found.low is None or found.high is None:
        raise NotProven(f"the gap between groups of {feature} was not compared with the base model's")
    figure = Figure(value=found.value, low=found.low, high=found.high)
    text = f"The gap is {figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f}) wider than the base model's{_reaches(figure, limit)}."
    return Finding(_held(figure, limit), text, figure)


def _rates(evidence: Evidence, feature: str, kind: str, limit: float) -> Finding:
    """Demographic parity or equalized odds: of the labels, each against all others, the one whose rate differs most."""
    compared = _with_groups(evidence.of("fairness_report", FairnessEvidence), feature)
    found = compared.demographic_parity if kind == "demographic_parity" else compared.equalized_odds
    if found is None:
        raise NotProven(f"not enough evidence, no label has enough test records in every group of {feature} to compare its rates")
    return Finding(_held(found, limit), f"The {found.rate} of {found.label} differs by {_shown(found)} between groups{_reaches(found, limit)}.", found)


def _flips(evidence: Evidence, name: str, limit: float) -> Finding:
    report = evidence.of("fairness_report", FairnessEvidence)
    swapped = _named(report.swaps, name, "swaps")
    if swapped.status == TOO_SMALL or swapped.flip_rate is None:
        raise NotProven(f"not enough evidence, {swapped.rows} test prompts hold a term of {name} ({report.min_group_rows} are needed)")
    found = swapped.flip_rate
    return Finding(_held(found, limit), f"{_shown(found)} of {swapped.rows:,} answers change with a swapped term{_reaches(found, limit)}.", found)


def _privacy(use_case: NamedUseCase) -> Iterator[Rule]:
    writes = use_case.settings.training.objective != "label_head"
    yield Rule("memorization", "the attacks on the checkpoint find no more than privacy_report allows", lambda found: _memorization(found, writes=writes))
    limit = use_case.settings.gate.max_exposure_bits
    largest = use_case.settings.gate.max_epsilon
    if largest is not None:
        yield Rule("epsilon", f"trained with differential privacy, epsilon at most {largest:g}", lambda found: _epsilon(found, largest))
    if limit is not None:
        yield Rule("exposure", f"at most {limit:g} bits for a secret that occurs once", lambda found: _exposure(found, limit))


def _memorization(evidence: Evidence, *, writes: bool) -> Finding:
    """A model that writes no text gives none away."""
    found = evidence.of("privacy_report", PrivacyEvidence)
    extracted = found.extraction_rate.verbatim
    if found.membership_auc is None or (extracted is None and writes):
        raise NotProven(f"{'; '.join(_not_attacked(found, writes=writes))}. {MORE_RECORDS}")
    text = f"Membership can be told with AUC {_shown(found.membership_auc)}"
    if extracted is not None:
        text += f"; {extracted.value:.1%} ({extracted.low:.1%} to {extracted.high:.1%}) of prefixes are continued word for word"
    reasons = "".join(f"; {reason}" for reason in found.reasons)
    return Finding(found.passed, f"{text}{reasons}.", found.membership_auc)


def _epsilon(evidence: Evidence, limit: float) -> Finding:
    found = evidence.of("privacy_report", PrivacyEvidence).differential_privacy
    if found is None:
        return Finding(False, "It was trained without differential privacy.")
    figure = Figure(value=found.epsilon, low=found.epsilon, high=found.epsilon)
    return Finding(found.epsilon <= limit, f"Epsilon is {found.epsilon:.3f} with delta {found.delta:.1e} per {found.unit}.", figure)


def _not_attacked(found: PrivacyEvidence, *, writes: bool) -> Iterator[str]:
    """Each figure that the attacks could not measure, and why."""
    if found.membership_auc is None:
        yield f"membership_auc (are training records told from test records?) was not measured, {found.membership_status}"
    if found.extraction_rate.verbatim is None and writes:
        yield f"extraction_rate (are training texts written word for word?) was not measured, {found.extraction_rate.status}"


def _exposure(evidence: Evidence, limit: float) -> Finding:
    bits = evidence.of("canary_audit", CanaryEvidence).exposure_bits
    fewest = min(bits, key=int)
    found = bits[fewest]
    text = f"A secret that occurs {fewest} time{'s' * (fewest != '1')} has {_shown(found)} bits of exposure{_reaches(found, limit)}."
    return Finding(_held(found, limit), text, found)


def _require_champion(report: str, compared: ComparedChampion | None, champion: str | None) -> None:
    """Another checkpoint may have been accepted since a report was made."""
    if champion is not None and (compared is None or compared.checkpoint != champion):
        raise NotProven(f"{report} compares with {(compared and compared.checkpoint) or 'no champion'}, and {champion} is the champion now")


def _forgetting(evidence: Evidence, champion: str | None) -> Finding:
    report = evidence.of("regression_report", RegressionEvidence)
    _require_champion("regression_report", report.champion, champion)
    suites = report.suites
    compared = {
        (name, system): (_room(suite, found), found)
        for name, suite in suites.items()
        for system, found in (("the base model", suite.difference), ("the champion", suite.difference_to_champion))
        if found is not None
    }
    worst, system = min(compared, key=lambda one: compared[one][0])
    room, found = compared[worst, system]
    text = f"{worst}: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) against {system}, margin {suites[worst].margin:g}"
    return Finding(room > 0, f"Of {len(suites)} suites the closest to its margin is {text}.", found)


def _room(suite: Suite, difference: Figure) -> float:
    """Distance between the worse end of the interval and the margin; below 0: it may be worse than allowed."""
    return suite.margin + (difference.low if suite.higher_is_better else -difference.high)


def _people(use_case: NamedUseCase) -> Iterator[Rule]:
    by_people, by_judge = use_case.settings.gate.min_human_win_rate, use_case.settings.gate.min_judge_win_rate
    if by_people is not None:
        yield Rule("human_review", f"win rate at least {by_people:g}", lambda found: _human(found, by_people))
    if by_judge is not None:
        yield Rule("judge", f"win rate at least {by_judge:g}, by a calibrated judge", lambda found: _judge(found, by_judge))


def _human(evidence: Evidence, least: float) -> Finding:
    found = evidence.of("human_review", HumanReviewEvidence)
    return Finding(
        _reached(found.win_rate, least), f"Experts prefer the fine-tuned model in {_shown(found.win_rate)} of {found.rows:,} answers.", found.win_rate
    )


def _judge(evidence: Evidence, least: float) -> Finding:
    found = evidence.of("judge_report", JudgeEvidence)
    if not found.usable_in_gate:
        raise NotProven("the judge is not calibrated against people")
    return Finding(_reached(found.win_rate, least), f"The judge prefers the fine-tuned model in {_shown(found.win_rate)} of answers.", found.win_rate)


def _named(found: Any, name: str, where: str) -> Any:
    if name not in found:
        raise NotProven(f"{where} has no {name}")
    return found[name]


def _upper_end(found: Figure) -> float:
    """Of a figure that may not be large. Resamples may all lie below the value itself, which counts as well then."""
    return max(found.value, found.high)


def _held(found: Figure, limit: float) -> bool:
    """Whether a limit holds for the whole interval: where the interval reaches above it, the records are too few to say so."""
    return _upper_end(found) <= limit


def _reached(found: Figure, least: float) -> bool:
    """Whether the whole interval is at least as high as asked for."""
    return min(found.value, found.low) >= least


def _reaches(found: Figure, limit: float) -> str:
    return "; its interval reaches above the limit" if found.value <= limit < found.high else ""


def _shown(found: Figure) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
