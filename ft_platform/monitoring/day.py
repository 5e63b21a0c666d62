"""One day of the release that answers: what was watched, and the report without what people said; then with it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ft_platform.lake.deployments import Deployment
from ft_platform.monitoring import accuracy, alarms
from ft_platform.monitoring.causes import RECORDS_SHOWN
from ft_platform.monitoring.day_reports import Alarm, DayReport
from ft_platform.monitoring.groups import outcomes, unfair, with_judgements
from ft_platform.monitoring.measures import Column
from ft_platform.monitoring.reference import Reference
from ft_platform.monitoring.served import Served, of_release, releases_of
from ft_platform.monitoring.service import BUDGET_DAYS, broken_targets, decided_alone, service
from ft_platform.monitoring.texts import SCANNED, personal_data
from ft_platform.monitoring.watching import (
    Kept,
    after_day,
    begun,
    causes_of,
    columns_of,
    embedded,
    new_alarms,
    records_of,
    what_moved,
)
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.monitoring import Watch

ESTIMATED, MEASURED = "estimated_accuracy", "measured_accuracy"


def begin_again(kept: Kept | None, release: str, reference: Reference, watch: Watch) -> Kept:
    """What was kept, as settings are now; or a new beginning where another release answers."""
    if kept and (kept.release, kept.reference) == (release, reference.evaluation.artifact_id):
        watched = {name: one for name, one in kept.state.watched.items() if name not in watch.leave_out}
        return replace(kept, state=replace(kept.state, watched=watched, rate=watch.false_alarms))
    history = kept.history if kept else ()
    return Kept(release, reference.evaluation.artifact_id, begun(reference, watch), history)


def without(kept: Kept, acknowledged: Collection[str]) -> Kept:
    """What was kept, with the evidence of acknowledged measures started anew."""
    state = kept.state
    for measure in sorted(set(acknowledged) & set(state.alarms)):
        state = alarms.acknowledged(state, measure)
    return replace(kept, state=state)


def observed(
    use_case: NamedUseCase,
    day: str,
    served: Served,
    week: Served,
    reference: Reference,
    kept: Kept,
    deployed: Deployment | None,
    suggesting: Collection[str],
) -> tuple[DayReport, Kept]:
    """The report of a day by its requests alone, with the alarms of this day, and what is kept for the next.

    Args:
        served: of all releases.
        week: requests of the week before to the release of `kept`.
        kept: of `begin_again`.
        suggesting: ids of releases that only suggest (`gate.claim`).
    """
    watch, own = use_case.settings.monitoring.watch, of_release(served, kept.release)
    columns = columns_of(own, reference)
    kept, of_embeddings = embedded(kept, own, reference, watch)
    state, counts = after_day(kept.state, day, [*columns, of_embeddings], watch)
    figures = service(served, kept.history, watch, deployed)
    estimate = accuracy.estimated(reference, own)
    told = accuracy.fallen(ESTIMATED, estimate, watch.false_alarms, day)
    cause = what_moved(reference, week, own) if day in state.alarms.values() or told else []
    about = causes_of(ESTIMATED, cause)
    told = [one.model_copy(update={"cause": about, "records": records_of(about)}) for one in told]
    told = [*broken_targets(served, figures, watch, day), *decided_alone(served, suggesting, day), *told]
    report = DayReport(
        use_case=use_case.name,
        day=day,
        releases=releases_of(served),
        reference=kept.reference,
        requests=len(served.requests),
        alarms=[*new_alarms(state, day, counts, cause), *told],
        estimated_accuracy=estimate,
        figures={
            "service": figures,
            "inputs": _inputs(own, week, reference, columns),
            "outputs": {**_outputs(own, week, reference, columns), **_written(use_case, own, reference)},
            "fairness": outcomes(own, reference),
            "watched": {name: round(level, 4) for name, level in sorted(state.levels().items())},
        },
    )
    past = {"day": day, **{name: figures[name] for name in ("requests", "errors", "p95_seconds")}}
    past |= {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return report, replace(kept, state=state, history=(*kept.history[1 - BUDGET_DAYS :], past))


def with_feedback(
    report: DayReport, served: Served, reference: Reference, feedback: Sequence[Mapping[str, Any]], watch: Watch
) -> DayReport:
    """The report with what people said of the answers of the day, whenever they did."""
    own = of_release(served, report.releases[0])
    known = accuracy.verdicts(own, feedback)
    found = accuracy.measured(reference, own, known)
    csat = [one.csat for one in known.values() if one.csat is not None]
    said = {
        "opinions": sum(one.votes for one in known.values()),
        "judged": sum(one.verdict in ("right", "wrong") for one in known.values()),
        "contradictory": sum(one.verdict == "contradictory" for one in known.values()),
        "overridden": sum(one.verdict == "wrong" for one in known.values()),
        "csat": float(np.mean(csat)) if csat else None,
        "csat_answers": len(csat),
    }
    told = accuracy.fallen(MEASURED, found, watch.false_alarms, report.day, len(reference.side))
    wrong = sorted({answer[0] for answer, one in known.items() if one.verdict == "wrong"})[:RECORDS_SHOWN]
    told = [one.model_copy(update={"records": wrong}) for one in told]
    fairness = with_judgements(report.figures["fairness"], own, reference, known)
    told += unfair(fairness, watch.false_alarms, reference.use_case.settings.fairness.max_gap, report.day)
    figures = {**report.figures, "feedback": said, "fairness": fairness}
    return report.model_copy(update={"measured_accuracy": found, "alarms": [*report.alarms, *told], "figures": figures})


def standing(before: Sequence[Alarm], acknowledged: Collection[str], new: Sequence[Alarm]) -> list[Alarm]:
    """Alarms of earlier days that nobody acknowledged, and new ones of other measures."""
    old = [one for one in before if one.what not in acknowledged]
    return [*old, *(one for one in new if one.what not in {each.what for each in old})]


def _inputs(own: Served, week: Served, reference: Reference, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    texts = columns[-1]
    found: dict[str, Any] = {
        "characters": _compared("characters", columns[0], week.columns()[0], reference.columns),
        "texts": len(own.texts),
        "repeated": len(own.requests) - len(own.first),
    }
    if texts:
        found["new_words"] = _compared("new_words", texts, {}, reference.text_columns)
        if "language" in texts:
            found["languages"] = {
                name: _shares(column)
                for name, column in (("test", reference.text_columns["language"]), ("day", texts["language"]))
            }
    return found


def _outputs(own: Served, week: Served, reference: Reference, columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    now, past = columns[1], week.columns()[1]
    found: dict[str, Any] = {
        name: _compared(name, now, past, reference.columns) for name in ("confidence", "entropy", "answer_characters")
    }
    shares = {
        "test": _shares(reference.columns.get("label", ())),
        "week": _shares(past["label"]),
        "day": _shares(now["label"]),
    }
    labels = sorted(set().union(*shares.values()))
    found["labels"] = {label: {side: share.get(label, 0.0) for side, share in shares.items()} for label in labels}
    if "refused" in columns[-1]:
        found["refused_share"] = float(np.mean(columns[-1]["refused"]))
    return {name: one for name, one in found.items() if one}


def _written(use_case: NamedUseCase, own: Served, reference: Reference) -> dict[str, Any]:
    """Of written answers whose texts are kept."""
    answers = [answer for *_, answer in own.texts]
    if reference.answers is not None or not answers:
        return {}
    return {"personal_data": personal_data(answers, use_case.settings.privacy), "searched": min(len(answers), SCANNED)}


def _compared(name: str, now: Mapping[str, Any], past: Mapping[str, Any], tested: Mapping[str, Any]) -> dict[str, Any]:
    """Median in the test split, in the week before and on the day; empty where the day has none."""
    sides = {"test": tested.get(name, ()), "week": past.get(name, ()), "day": now.get(name, ())}
    known = {side: [v for v in column if v is not None] for side, column in sides.items()}
    return {side: float(np.median(v)) if v else None for side, v in known.items()} if known["day"] else {}


def _shares(column: Column) -> dict[str, float]:
    counts = Counter(str(value) for value in column if value is not None)
    return {value: count / counts.total() for value, count in sorted(counts.items())}
