"""What waits for a person: failed checks, refused and unreleased decisions, signatures, waivers that end, alarms,
feedback, models that lose. Each is for one role of one use case, says what to do next, and by when where there is a
day.

Covered: what the shared zone of the lake says. Not covered: runs that failed, which Dagster's pages and alerts tell."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from ft_platform.errors import FtError
from ft_platform.evaluation.annotation.effect_words import in_words
from ft_platform.evaluation.annotation.effect_words import verdict as verdict_of
from ft_platform.evaluation.annotation.repairs import unsettled
from ft_platform.evaluation.review.online import open_review
from ft_platform.lake.forecast import Forecast, forecast_of
from ft_platform.lake.releases import blocked_releases, releases, standing_releases
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED, SAW_NO_ERASED, taint_of
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.monitoring.day_reports import day_reports
from ft_platform.monitoring.retraining.journal import entries
from ft_platform.monitoring.traffic.batches import waiting
from ft_platform.people.access import WAITING
from ft_platform.people.access import requests as access_requests
from ft_platform.people.deciders import deciders
from ft_platform.people.may import Permissions
from ft_platform.release.duties import MISSING, duties
from ft_platform.release.erasures import WAITS, requests
from ft_platform.release.incidents import incidents
from ft_platform.release.sign_off import sign_off
from ft_platform.release.standing import ACCEPTED, ENDED, REFUSED, Standing
from ft_platform.release.waiver_persons import role_of
from ft_platform.release.waivers import unconfirmed, waivers
from ft_platform.reporting.plain_words import next_after_decision
from ft_platform.reporting.published import portal_address
from ft_platform.reporting.use_case_state import DOWN, State, state_of
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import ROLES
from ft_platform.web.portal_pages.actions import (
    ANNOTATE,
    ERASE,
    RECALL,
    RELEASE,
    REVIEW,
    REVIEWS,
    ROLL_BACK,
    SIGN,
    WAIVE,
)
from ft_platform.web.portal_pages.repairs import effect_in

ENDS_SOON = timedelta(days=30)
"""A waiver with fewer days left needs somebody."""

_OTHER_REQUESTS = (
    "Look at the requests that its report names. If such requests are there to stay, collect feedback on them and train"
    " again: ft retraining explain {name}."
)
ALARM_STEPS = {
    "service": (
        "ml_engineering",
        "Look at the requests that its report names: what is slow or fails there, and is it the release or the load?",
    ),
    "inputs": ("ml_engineering", _OTHER_REQUESTS),
    "outputs": ("data_science", _OTHER_REQUESTS),
    "accuracy": (
        "data_science",
        "Read the answers that its report names, let people judge more, and train again: ft retraining explain {name}.",
    ),
}
"""Kind of an alarm -> whose it is (`use_case.settings.roles`), and what to do first."""


@dataclass(frozen=True)
class Need:
    """Something that waits.

    Attributes:
        kind: of which function in `KINDS`.
        role: whose it is.
        what: in a sentence.
        next_step: in a sentence, or a command.
        since: when it began, ISO 8601; empty where nobody knows.
        until: last day, ISO 8601; empty where there is none.
        page: address of a report about it, from the index of reports; empty where there is none.
        action: page of the portal where it can be done (`portal.acting`); empty where there is none.
    """

    use_case: str
    kind: str
    role: str
    what: str
    next_step: str
    since: str = ""
    until: str = ""
    page: str = ""
    action: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


class Seen(NamedTuple):
    """What is looked at, and what the use case is now."""

    lake: Lake
    use_case: NamedUseCase
    today: date
    state: State

    @property
    def name(self) -> str:
        return self.use_case.name

    @property
    def standing(self) -> Standing | None:
        return self.state.standing


def needs_of(lake: Lake, use_case: NamedUseCase, today: date) -> list[Need]:
    """What waits in a use case, as `urgency` orders it."""
    lake = Snapshot.of(lake)
    seen, found = Seen(lake, use_case, today, state_of(lake, use_case.name, use_case, today)), []
    for kind, look in KINDS.items():
        try:
            found += [Need(use_case.name, kind, **one) for one in look(seen)]
        except FtError as error:
            what = f"{kind.replace('_', ' ').capitalize()} cannot be read: {error.message}"
            found.append(Need(use_case.name, kind, "accountable", what, error.next_step or "See: ft seals verify"))
    return sorted(found, key=urgency)


def urgency(need: Need) -> tuple[bool, str, str]:
    """Orders what waits: production that is down, then what has a last day, the nearest first, then the oldest."""
    return need.kind != PRODUCTION, need.until or "9999", need.since


Told = Iterator[dict[str, str]]


def _production(seen: Seen) -> Told:
    """Something was deployed, and nothing that may be used answers: for everybody who answers for it."""
    if not seen.state.is_down:
        return
    step = f"Train without what may not be used any more, release and deploy that: ft run {seen.name}"
    if seen.state.name == DOWN:
        step = f"Deploy it again, which starts a server: ft deploy {seen.name}"
    for role in CONCERNED:
        yield {"role": role, "what": seen.state.words, "next_step": step, "action": _back(seen)}


def _checks(seen: Seen) -> Told:
    """Checks that failed on the newest version of a stage; those of a decision are told by its rules."""
    for stage in STAGES.values():
        version = _newest(seen, stage.name)
        if version is None or stage.name in ("release_decision", "sign_off", "release", "deployment"):
            continue
        for check, verdict in seen.lake.verdicts(version).items():
            if not verdict.passed and check not in (NOT_TAINTED, SAW_NO_ERASED):
                yield {
                    "role": stage.role,
                    "what": f"The check {check} of {stage.name} failed.",
                    "next_step": f"Read the report, mend what it names, then: ft run {seen.name}",
                    "since": verdict.checked_at,
                    "page": portal_address(seen.lake, version),
                }


def _reviews(seen: Seen) -> Told:
    """A review of answers that is open: raters have to judge, or somebody has to publish it."""
    if (review := open_review(seen.lake, seen.use_case)) is None:
        return
    ended = review.standing(review.judgements.all()).end
    yield {
        "role": "accountable" if ended else "domain_expert",
        "what": "A review of answers has come to its end." if ended else "A review of answers waits for judgements.",
        "next_step": f"Publish it: ft review publish {seen.name}" if ended else "Judge in the portal",
        "since": review.said["at"],
        "action": REVIEWS if ended else REVIEW,
    }


def _decisions(seen: Seen) -> Told:
    """The newest decision, unless it is accepted and released."""
    decision = next(iter(seen.lake.artifacts(seen.name, "release_decision")), None)
    if decision is None:
        return
    told = {"since": seen.lake.manifest(decision).written_at, "page": portal_address(seen.lake, decision)}
    standing = seen.standing
    if standing is None:
        return
    if standing.state == ACCEPTED:
        if all(one.record["decision"]["id"] != decision.id for one in releases(seen.lake, seen.name)):
            what = f"{decision.artifact_id} is accepted and not released."
            step = f"Sign it, or release it: ft release {seen.name}"
            told |= {"until": standing.valid_until or "", "action": RELEASE}
            yield {"role": "accountable", "what": what, "next_step": step, **told}
        return
    if standing.state != REFUSED:
        what = "A waiver behind the release decision has ended." if standing.state == ENDED else "It cannot be read."
        step = f"Decide again: ft decide {seen.name}" if standing.state == ENDED else "See: ft seals verify"
        if standing.why:
            what = f"{decision.artifact_id} was accepted and does not hold any more: {standing.why}"
            step = f"Train without what may not be used any more, and decide again: ft run {seen.name}"
        yield {"role": "accountable", "what": what, "next_step": step, **told}
        return
    found: dict[str, Any] = json.loads(seen.lake.read_file(decision, "decision.json"))
    broken: dict[str, list[dict[str, Any]]] = {}
    for rule in found["rules"]:
        if not rule["passed"] and not rule["waiver"]:
            broken.setdefault(role_of(rule["rule"]), []).append(rule)
    for role, rules in broken.items():
        what = f"The release was refused: {'; '.join(rule['why'] for rule in rules)}"
        steps = next_after_decision({**found, "rules": rules})
        action = WAIVE if any(rule["waivable"] for rule in rules) else ""
        yield {"role": role, "what": what, "next_step": " ".join(steps), "action": action, **told}


def _duties(seen: Seen) -> Told:
    """What a release will need and nobody has given, before there is a decision that says so."""
    started = seen.lake.latest(seen.name, "raw_records") is not None
    if not started or next(iter(seen.lake.artifacts(seen.name, "release_decision")), None):
        return
    made = seen.lake.latest(seen.name, "anonymized_records") is not None
    for one in duties(seen.lake, seen.use_case):
        if one.refuses and one.state == MISSING:
            what, action = f"A release will need it: {one.why}", RECALL if one.rule == "recall" and made else ""
            yield {"role": one.role, "what": what, "next_step": one.next_step, "action": action}


def _signatures(seen: Seen) -> Told:
    """Roles that have not signed the newest decision, where it holds and was not released."""
    decision = next(iter(seen.lake.artifacts(seen.name, "release_decision")), None)
    if not decision or not seen.standing or seen.standing.state != ACCEPTED:
        return
    if any(one.record["decision"]["id"] == decision.id for one in releases(seen.lake, seen.name)):
        return
    permissions = Permissions(seen.use_case.people, {seen.name: seen.use_case})
    found = sign_off(seen.lake, seen.use_case, decision, permissions)
    newest = next(iter(seen.lake.artifacts(seen.name, "sign_off")), None)
    page = portal_address(seen.lake, newest)
    for one in found.roles:
        if one.why:
            yield {
                "role": one.role,
                "what": f"{decision.id} waits for the signature of this role, which {one.why}.",
                "next_step": f"Read the decision, then: ft sign {seen.name} --as {one.role} --by <e-mail>",
                "since": seen.lake.manifest(decision).written_at,
                "page": page,
                "action": SIGN,
            }
    roles = [one.role for one in found.roles if {*one.persons} & {*(found.second or ())}]
    for role in (roles or ["accountable"]) if found.second is not None else ():
        yield {
            "role": role,
            "what": f"{decision.id} waits for the signature of a second person.",
            "next_step": f"Read the decision, then: ft sign {seen.name} --by <e-mail>"
            if roles
            else "Nobody who is named may sign besides whoever has: name another owner in the use case's file",
            "since": max(one.at for one in found.signatures),
            "page": page,
            "action": SIGN,
        }


def _waivers(seen: Seen) -> Told:
    """Waivers in force that end soon, and those that a second person has to confirm."""
    for waiver in unconfirmed(seen.lake, seen.use_case, seen.today):
        above = ROLES[waiver.role].reports_to or "accountable"
        owners = {one.casefold() for one in deciders(waiver.role, seen.use_case, seen.use_case.people)}
        yield {
            "role": waiver.role if owners - {waiver.granted_by.casefold()} else above,
            "what": f"The waiver of {waiver.rule} for {waiver.about} counts once a second person confirms it.",
            "next_step": f"Confirm it: ft waiver confirm {seen.name} {waiver.id} --by <e-mail>",
            "since": waiver.granted_at,
            "until": waiver.until,
            "action": WAIVE,
        }
    for waiver, revoked in waivers(seen.lake, seen.use_case):
        until = date.fromisoformat(waiver.until)
        if not revoked and seen.today <= until < seen.today + ENDS_SOON:
            yield {
                "role": role_of(waiver.rule),
                "what": f"The waiver of {waiver.rule} for {waiver.about} ends on {waiver.until}.",
                "next_step": "Train a model that keeps the rule, or grant it again:"
                f" ft waiver grant {seen.name} --rule {waiver.rule}",
                "since": waiver.granted_at,
                "until": waiver.until,
                "action": WAIVE,
            }


def _permissions(seen: Seen) -> Told:
    """Records whose permission ends soon or has ended, and a released model that learned from withdrawn ones."""
    records = seen.lake.latest(seen.name, "permitted_records")
    forecast = forecast_of(seen.lake, records) if records else None
    first = seen.lake.manifest(records).counts.get("permitted_until") if records else None
    ends = [*([first] if first else []), *(day.isoformat() for day in (forecast.ends if forecast else ()))]
    until = min(ends, default=None)
    if records and until and date.fromisoformat(until) < seen.today + ENDS_SOON:
        verb = "ended" if date.fromisoformat(until) < seen.today else "ends"
        yield {
            "role": "compliance",
            "what": f"The permission of the first records of {records.id} {verb} on {until}."
            f"{_ends_soon(seen, forecast) if forecast else ''}",
            "next_step": f"Ask the persons again, or go on without these records: ft run {seen.name}",
            "until": until,
        }
    for champion in standing_releases(seen.lake, seen.name)[:1]:
        checkpoint = seen.lake.artifact(seen.name, "adapter_checkpoint", champion.checkpoint, verify=False)
        if checkpoint and (taint := taint_of(seen.lake, checkpoint)):
            yield {
                "role": "compliance",
                "what": f"What is released, {champion.id}, learned from records that were withdrawn or"
                f" erased: {taint.numbers['rows']:,} rows.",
                "next_step": f"Train without them, then release that: ft run {seen.name}",
                "since": taint.checked_at,
                "action": _back(seen),
            }


def _ends_soon(seen: Seen, forecast: Forecast) -> str:
    """How many records are concerned, and whether the champion is."""
    champion = next((one.id for one in standing_releases(seen.lake, seen.name)), None)
    count = forecast.within(seen.today, ENDS_SOON.days)
    learned = forecast.learned_within(seen.today, ENDS_SOON.days, champion)
    words = f" Within {ENDS_SOON.days} days it ends for {count:,} of {forecast.rows:,}"
    if champion is None:
        return f"{words}."
    if learned is None:
        return f"{words}; nobody knows yet how many of these {champion}, which is released, learned from."
    return f"{words}; {champion}, which is released, learned from {learned:,} of these."


def _alarms(seen: Seen) -> Told:
    """Alarms of the newest monitored day, each for whoever answers for what raised it."""
    for version, report in day_reports(seen.lake, seen.name, newest=1):
        for alarm in report.alarms:
            role, step = ALARM_STEPS[alarm.kind]
            noted = f"ft monitor {seen.name} --acknowledge {alarm.what} --reason <why>"
            yield {
                "role": role,
                "what": f"{alarm.what.replace('_', ' ').capitalize()} of what is served: {alarm.evidence}",
                "next_step": f"{step.format(name=seen.name)} Once you know why: {noted}",
                "since": alarm.since,
                "page": portal_address(seen.lake, version),
                # An earlier release is asked the same requests: going back helps only where the server is the cause.
                "action": _back(seen) if alarm.kind == "service" else "",
            }


def _blocked(seen: Seen) -> Told:
    """Releases that were rolled back by themselves, and that nobody has looked at."""
    for release, reason in blocked_releases(seen.lake, seen.name).items():
        yield {
            "role": "ml_engineering",
            "what": f"{release} was rolled back: {reason}",
            "next_step": f"Find out why, then withdraw or unblock it: ft rollout {seen.name}",
        }


def _incidents(seen: Seen) -> Told:
    """Incidents that are not closed."""
    for incident in incidents(seen.lake, seen.use_case) if seen.lake.signing else []:
        if not incident.closed:
            yield {
                "role": "compliance",
                "what": f"The {incident.said['severity']} incident {incident.id} is open: {incident.said['what']}",
                "next_step": f"Do what has to be done, and close it: ft incident measure {seen.name} {incident.id}",
                "since": incident.said["at"],
                "until": incident.deadline.isoformat() if incident.deadline else "",
                "action": _back(seen),
            }


def _access(seen: Seen) -> Told:
    """Requests for access that wait, for whoever may decide and did not ask."""
    for one in access_requests(seen.lake, seen.use_case) if seen.lake.signing else []:
        if one.state(seen.today) == WAITING:
            others = {name.casefold() for name in deciders("accountable", seen.use_case, seen.use_case.people)}
            yield {
                "role": "administrator" if others == {one.said["person"]} else "accountable",
                "what": f"{one.said['person']} asks to {one.words} until {one.until}: {one.said['purpose']}",
                "next_step": f"Decide: ft access grant {seen.name} {one.id} --by <e-mail>, or ft access decline",
                "since": one.said["at"],
                "until": one.until,
            }


def _retraining(seen: Seen) -> Told:
    """The newest model learned from records that may not be used any more, and nothing was trained since."""
    newest = _newest(seen, "adapter_checkpoint")
    if newest and (taint := taint_of(seen.lake, newest)):
        was_asked = seen.use_case.settings.retraining.mode == "by_reasons" and entries(seen.lake, seen.name).requests
        yield {
            "role": "data_science",
            "what": f"{newest.id}, the newest model, learned from {taint.numbers['rows']:,} rows that were withdrawn or"
            " erased, and nothing was trained since.",
            "next_step": f"It was asked for; see whether it starts: ft retraining explain {seen.name}"
            if was_asked
            else f"Train without them: ft run {seen.name}",
            "since": taint.checked_at,
        }


def _erasures(seen: Seen) -> Told:
    """Persons who asked to be erased, and are not."""
    for request in requests(seen.lake, seen.use_case) if seen.lake.signing else []:
        if request.is_open:
            waits = request.state == WAITS
            step = f"approve {seen.name} {request.id} --by <e-mail>" if waits else f"subject {seen.name} {request.id}"
            yield {
                "role": "compliance",
                "what": f"{request.said['persons']:,} persons asked to be erased ({request.id}, {request.state}).",
                "next_step": f"{'Look at it, then' if waits else 'Do it'}: ft erase {step}",
                "since": request.said["received"],
                "until": request.said["deadline"],
                "action": ERASE,
            }
        elif request.sealed_until:
            yield {
                "role": "compliance",
                "what": f"Erased rows are sealed until what weights hold of them is measured again ({request.id}).",
                "next_step": f"Train without them, then: ft erase measure {seen.name} {request.id}",
                "until": request.sealed_until,
            }


def _feedback(seen: Seen) -> Told:
    """Labelled traffic that a person may release for training."""
    batches = waiting(seen.lake, seen.use_case) if seen.use_case.settings.source.feedback.join else []
    if batches:
        records = sum(batch.counts["records"] for batch in batches)
        yield {
            "role": "data_engineering",
            "what": f"{records:,} labelled requests of {len(batches)} days wait to be released for training.",
            "next_step": f"Look at them, then: ft feedback {seen.name} --release <day>",
            "since": batches[0].counts["day"],
        }


def _annotation(seen: Seen) -> Told:
    """Records that experts were given and have not settled."""
    if found := unsettled(seen.lake, seen.use_case):
        task, open_, disputed = found
        arbiter = f"; {disputed:,} of them wait for an arbiter" if disputed else ""
        # No page shows records without a label: their texts are in the files of the task alone.
        on_page = not seen.lake.manifest(task).counts.get("unlabelled")
        judge = "Judge them on their page, or import" if on_page else "Import"
        yield {
            "role": "domain_expert",
            "what": f"{open_:,} records of {task.artifact_id} wait for the judgement of experts{arbiter}.",
            "next_step": f"{judge} judgements: ft annotate import {seen.name} <file>",
            "since": seen.lake.manifest(task).written_at,
            "action": ANNOTATE if on_page else "",
        }


def _repairs(seen: Seen) -> Told:
    """A model that is worse since it learned from what experts did."""
    newest = _newest(seen, "evaluation_report")
    found = effect_in(seen.lake, seen.name, newest)
    if found and newest and verdict_of(found) == "worse":
        yield {
            "role": "data_science",
            "what": in_words(found),
            "next_step": f"Look at them: ft annotate status {seen.name}. To take an import back: ft annotate revoke"
            f" {seen.name} <repairs>",
            "since": seen.lake.manifest(newest).written_at,
            "page": portal_address(seen.lake, newest),
        }


PRODUCTION = "production"
CONCERNED = ("accountable", "ml_engineering", "data_science", "compliance")
"""Roles that answer for what production does."""
KINDS: dict[str, Callable[[Seen], Told]] = {
    PRODUCTION: _production,
    "checks": _checks,
    "decision": _decisions,
    "duties": _duties,
    "signatures": _signatures,
    "waivers": _waivers,
    "permission": _permissions,
    "retraining": _retraining,
    "alarms": _alarms,
    "blocked_release": _blocked,
    "incident": _incidents,
    "access": _access,
    "erasure": _erasures,
    "feedback": _feedback,
    "review": _reviews,
    "annotation": _annotation,
    "repairs": _repairs,
}
"""Kind -> what looks for it."""


def _back(seen: Seen) -> str:
    """The page for going back, where there is a release to go back to."""
    stand = {one.checkpoint for one in standing_releases(seen.lake, seen.name)}
    return ROLL_BACK if len(stand) > 1 else ""


def _newest(seen: Seen, stage: str) -> ArtifactVersion | TableVersion | None:
    if STAGES[stage].kind in ("table", "quarantine"):
        return seen.lake.latest(seen.name, stage)
    return next(iter(seen.lake.artifacts(seen.name, stage)), None)
