"""A use case from data to production: each step with its main figure, its verdict, and where to read on.

Covered: what manifests, verdicts and small files of reports say; no record is read. Not covered: which step is running
now, which Dagster's pages tell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ft_platform.errors import FtError
from ft_platform.evaluation.annotation.effect_words import in_words
from ft_platform.evaluation.files import METRICS
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.deployments import STAYS
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.monitoring.day_reports import DayReport, day_reports
from ft_platform.monitoring.retraining.journal import entries
from ft_platform.release.standing import ACCEPTED
from ft_platform.reporting.formats import number, percent
from ft_platform.reporting.published import intact_json, page_of
from ft_platform.reporting.use_case_state import ALARMED, BLOCKED, LIVE, State
from ft_platform.stages import MONITORING, STAGES
from ft_platform.training.privacy_attacks.verdict import attacker_in_words
from ft_platform.web.portal_pages.comparison import counted
from ft_platform.web.portal_pages.repairs import effect_in

GOOD, BAD, PLAIN, OPEN = "good", "bad", "plain", "open"
"""Whether what a step says is as it should be, is not, cannot be told; or the step was not reached."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        assets: of Dagster, the newest last.
        state: a constant of this file.
        figure: its main figure in a sentence; empty where it was not reached.
        verdict: in words.
        at: when it was made, ISO 8601.
        older: what is newer than what it was made from; empty: nothing is.
        page: address of its report, from the home page; empty where there is none.
        next_step: a command, where it was not reached.
    """

    title: str
    assets: tuple[str, ...]
    state: str
    figure: str = ""
    verdict: str = ""
    at: str = ""
    older: str = ""
    page: str = ""
    next_step: str = ""


class Seen(NamedTuple):
    """What is looked at.

    Attributes:
        newest: stage -> its newest version.
        state: of the use case, now.
    """

    lake: Lake
    name: str
    newest: Mapping[str, Version]
    state: State

    def manifest(self, stage: str) -> Manifest:
        return self.lake.manifest(self.newest[stage])

    def rows(self, stage: str) -> int:
        """That a table has now: those that were erased are gone."""
        version = self.newest[stage]
        return version.rows if isinstance(version, TableVersion) else self.manifest(stage).rows

    def file(self, stage: str, name: str) -> Any:
        """What a JSON file of a report says; None where the report has none. Raises as `intact_json`."""
        version = self.newest[stage]
        return intact_json(self.lake, version if isinstance(version, ArtifactVersion) else None, name)


class Told(NamedTuple):
    """What a step says.

    Attributes:
        verdict, state: None: those of its checks.
    """

    figure: str
    verdict: str | None = None
    state: str | None = None


def story_of(lake: Lake, name: str, state: State) -> list[Step]:
    """All steps, in their order.

    Args:
        state: as `state_of` says.
    """
    stages = [stage for one in STEPS for stage in one.stages]
    newest = {stage: version for stage in stages if (version := _newest(lake, name, stage))}
    seen = Seen(lake, name, newest, state)
    return [_step(seen, one) for one in STEPS]


def _newest(lake: Lake, name: str, stage: str) -> Version | None:
    if stage in STAGES and STAGES[stage].kind == "table":
        return lake.latest(name, stage)
    return next(iter(lake.artifacts(name, stage)), None)


def _step(seen: Seen, spec: "Spec") -> Step:
    there = [stage for stage in spec.stages if stage in seen.newest]
    try:
        told = spec.tell(seen) if spec.stages[-1] in there else None
    except FtError as error:
        told = Told(error.message, "cannot be read", BAD)
    if told is None:
        return Step(spec.title, spec.assets, OPEN, next_step=spec.command.format(name=seen.name))
    checks = {check: one for stage in there for check, one in seen.lake.verdicts(seen.newest[stage]).items()}
    failed = [FAILED.get(check, f"{check} failed") for check, one in checks.items() if not one.passed]
    passed = f"{counted(len(checks), 'check')} passed" if checks else "written"
    page = next((found for stage in reversed(there) if (found := _page(seen, stage))), "")
    return Step(
        title=spec.title,
        assets=spec.assets,
        state=told.state or (BAD if failed else GOOD if checks else PLAIN),
        figure=told.figure,
        verdict=told.verdict or "; ".join(failed) or passed,
        at=seen.manifest(spec.stages[-1]).written_at,
        older=_older(seen, spec.stages[-1]),
        page=page,
    )


FAILED = {NOT_TAINTED: "records were withdrawn", STAYS: "taken away from its target"}
"""Check -> what it means that it failed, where its name does not say it."""


def _page(seen: Seen, stage: str) -> str:
    """A report itself, the data report for the splits, or else the newest profile of a table."""
    version = seen.newest[stage]
    if stage == "splits" and (reports := seen.lake.artifacts(seen.name, "data_report")):
        version = reports[0]
    if isinstance(version, TableVersion):
        profiles = seen.lake.artifacts(seen.name, "profile")
        own = (one for one in profiles if one.artifact_id.rpartition("-")[0] == stage)
        version = next(own, None)
    return page_of(seen.lake, version) or "" if version else ""


def _older(seen: Seen, stage: str) -> str:
    newer = [
        f"made from {parent.id}, and {seen.newest[parent.name].id} is newer"
        for parent in seen.manifest(stage).parents
        if parent.name in seen.newest and seen.newest[parent.name].content_hash != parent.content_hash
    ]
    return "; ".join(newer)


def _permitted(seen: Seen) -> Told:
    kept = seen.manifest("permitted_records")
    by = f" ({kept.counts['basis']})" if kept.counts.get("basis") else ""
    until = kept.counts.get("permitted_until")
    ends = f" The first permission ends on {until}." if until else ""
    all_read, usable = seen.rows("raw_records"), seen.rows("permitted_records")
    return Told(f"{usable:,} of {all_read:,} records may be used{by}.{ends}")


def _cleaned(seen: Seen) -> Told:
    return Told(_kept(seen, "cleaned_records"))


def _anonymized(seen: Seen) -> Told:
    counts = seen.manifest("anonymized_records").counts
    if "entities" not in counts:
        return Told(_kept(seen, "anonymized_records"))
    recall = seen.lake.verdicts(seen.newest["anonymized_records"]).get("recall_above_floor")
    measured = f" {_recall(recall.numbers)}" if recall else ""
    replaced = f"{sum(counts['entities'].values()):,} times personal data was replaced"
    return Told(f"{replaced}, in {counted(counts['rows_with_any'], 'record')}.{measured}")


def _recall(numbers: Mapping[str, Any]) -> str:
    """What was measured, and in which texts."""
    found, basis = numbers.get("recall"), numbers.get("basis")
    if found is None:
        return ""
    where = {"own_sample": "in your own records, marked one by one", "own_records": "in annotated records of your own"}
    other = "in generated texts, not in your records" if basis == "generated_texts" else "in other texts"
    other = "in generated records" if basis == "generated_records" else other
    return f"Of personal data {where.get(str(basis), other)}, {number(found)} is found (recall)."


def _divided(seen: Seen) -> Told:
    sides = seen.manifest("splits").counts.get("rows_per_split")
    if not sides:
        return Told(_kept(seen, "splits"))
    train, validation, test = (f"{sides.get(side, 0):,}" for side in ("train", "validation", "test"))
    return Told(f"{train} to train, {validation} to validate, {test} to test.")


def _kept(seen: Seen, stage: str) -> str:
    manifest = seen.manifest(stage)
    funnel = manifest.counts.get("funnel") or {"rows_in": manifest.rows, "removed": {}}
    most = sorted(funnel["removed"].items(), key=lambda item: (-item[1], item[0]))[:3]
    why = f" Removed most often: {', '.join(f'{reason} {count:,}' for reason, count in most)}." if most else ""
    return f"{manifest.rows:,} of {funnel['rows_in']:,} records kept.{why}"


def _trained(seen: Seen) -> Told:
    manifest = seen.manifest("adapter_checkpoint")
    found, rows = manifest.info.get("metrics"), manifest.counts.get("train", {}).get("rows")
    if not found:
        return Told(f"{manifest.id}.")
    learned = f"{counted(rows, 'record')}, " if rows is not None else ""
    before, after = number(found["validation_loss_before"]), number(found["validation_loss"])
    return Told(f"{learned}{counted(found['steps'], 'step')}; validation loss {before} before, {after} after.")


def _evaluated(seen: Seen) -> Told:
    figures = seen.file("evaluation_report", METRICS)
    if not figures:
        return NO_FIGURES
    main = metric(figures["main_metric"])
    found = figures["systems"][FINE_TUNED][main.name]
    interval = f"{number(found['low'])} to {number(found['high'])}"
    effect = effect_in(seen.lake, seen.name, seen.newest["evaluation_report"])
    repairs = f" {in_words(effect)}" if effect else ""
    return Told(
        f"{main.title} {number(found['value'])} ({interval}) on {figures['test_rows']:,} test records.{repairs}"
    )


def _fair(seen: Seen) -> Told:
    found = seen.file("fairness_report", "fairness.json")
    if not found:
        return NO_FIGURES
    gaps = {name: gap["value"] for name, gap in found["gaps"].items() if gap}
    if not gaps:
        return Told("No two groups have enough records to be compared.")
    worst = max(gaps, key=lambda name: gaps[name])
    return Told(
        f"Largest gap between groups: {number(gaps[worst])} {found['gap_metric']}, by {worst}; at most"
        f" {found['max_gap']:g} is allowed."
    )


def _private(seen: Seen) -> Told:
    found = seen.file("privacy_report", "privacy.json")
    if not found:
        return NO_FIGURES
    return Told(attacker_in_words(found))


def _decided(seen: Seen) -> Told:
    decision, counts, standing = (
        seen.newest["release_decision"],
        seen.manifest("release_decision").counts,
        seen.state.standing,
    )
    rules = f"{counts['rules']:,} rules: {counts['broken']:,} broken, {counts['waived']:,} waived." if counts else ""
    is_good = standing is not None and standing.state == ACCEPTED
    words = standing.words if standing else seen.state.words
    return Told(rules or f"{decision.id}.", words, GOOD if is_good else BAD)


def _signed(seen: Seen) -> Told:
    counts = seen.manifest("sign_off").counts
    if not counts.get("asked"):
        return Told("The release asks for no signature.")
    rejected = f", {counts['rejected']:,} rejected" if counts["rejected"] else ""
    return Told(f"{counts['signed']:,} of {counts['asked']:,} roles have signed{rejected}.")


def _released(seen: Seen) -> Told:
    release, name = seen.state.release, seen.state.name
    if release is None or name == BLOCKED:
        return Told(seen.state.words, name, BAD)
    return Told(f"{release.checkpoint} is released.", f"{release.id} stands", GOOD)


def _served(seen: Seen) -> Told:
    live = seen.state.live
    if not live:
        return Told(
            seen.state.words, "down" if seen.state.is_down else "not deployed", BAD if seen.state.is_down else PLAIN
        )
    where = "; ".join(f"{release} at {target}" for target, release in live.items())
    return Told(f"{where}.", LIVE, PLAIN if seen.state.name == ALARMED else GOOD)


def _watched(seen: Seen) -> Told:
    ((_, day),) = day_reports(seen.lake, seen.name, newest=1)
    alarms = counted(len(day.alarms), "alarm") if day.alarms else "no alarm"
    answered = f"{counted(day.requests, 'request')} on {day.day}.{live_accuracy(day)}"
    return Told(answered, alarms, BAD if day.alarms else GOOD)


def live_accuracy(day: DayReport) -> str:
    """By feedback where there was enough, or else estimated."""
    measured = day.measured_accuracy.value is not None
    found = day.measured_accuracy if measured else day.estimated_accuracy
    if found.value is None or found.low is None or found.high is None:
        return ""
    how = "by feedback" if measured else "estimated"
    return f" Accuracy {percent(found.value)} ({percent(found.low)} to {percent(found.high)}), {how}."


def _retrained(seen: Seen) -> Told | None:
    found = entries(seen.lake, seen.name)
    if not found.starts:
        return None
    last = found.starts[-1]
    ended = next((one.state for one in reversed(found.ends) if one.start == last.id), "running")
    why = ", ".join(reason.replace("_", " ") for reason in last.reasons)
    state = {"succeeded": GOOD, "running": PLAIN}.get(ended, BAD)
    return Told(f"Started {counted(len(found.starts), 'time')}, last on {last.at:%Y-%m-%d}: {why}.", ended, state)


NO_FIGURES = Told("Its report has no figures.", "cannot be read", BAD)


class Spec(NamedTuple):
    """How a step is told.

    Attributes:
        stages: its versions; it is reached with the last of them.
        command: what comes next where it was not reached.
        assets: of Dagster.
    """

    title: str
    stages: tuple[str, ...]
    tell: Callable[[Seen], Told | None]
    command: str
    assets: tuple[str, ...]


def _spec(
    title: str, stages: tuple[str, ...], tell: Callable[[Seen], Told | None], command: str = "ft run {name}"
) -> Spec:
    return Spec(title, stages, tell, command, stages)


STEPS = (
    _spec("Source and permission", ("raw_records", "permitted_records"), _permitted),
    _spec("Cleaning", ("cleaned_records",), _cleaned),
    _spec("Anonymization", ("anonymized_records",), _anonymized),
    _spec("Splits", ("splits",), _divided),
    _spec("Training", ("adapter_checkpoint",), _trained),
    _spec("Evaluation", ("evaluation_report",), _evaluated),
    _spec("Fairness", ("fairness_report",), _fair),
    _spec("Privacy", ("privacy_report",), _private),
    _spec("Decision", ("release_decision",), _decided),
    _spec("Sign-off", ("sign_off",), _signed),
    _spec("Release", ("release",), _released, "ft release {name}"),
    _spec("Serving", ("deployment",), _served, "ft deploy {name}"),
    _spec("Monitoring", (MONITORING,), _watched, "ft monitor {name}"),
    Spec("Retraining", ("retraining",), _retrained, "ft retraining explain {name}", ("retraining_decision",)),
)
"""In the order of the page."""
