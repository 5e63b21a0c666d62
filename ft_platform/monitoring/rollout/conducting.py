"""Begins a rollout, decides about it once, and carries out what was decided.

What was decided is a verdict on the deployment, and is written before anything is switched: a process that is killed in
between is finished by the next one, and nothing is decided a second time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ft_platform.errors import DataError, FtError, VersionRefused
from ft_platform.lake.deployments import ROLLED_OUT, Deployment, alone, deployments, had_traffic
from ft_platform.lake.manifest import now
from ft_platform.lake.releases import NOT_BLOCKED, Release, block_of, releases
from ft_platform.lake.store import Lake
from ft_platform.monitoring.rollout.counting import counted
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason
from ft_platform.serving.evaluated import abstaining_of
from ft_platform.serving.live import read_live
from ft_platform.serving.rollout.sequential import Counts, Verdict, judged
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.serving.targets.opening import open_target
from ft_platform.tracking.registry import show_releases
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


@dataclass(frozen=True)
class Seen:
    """A rollout under way, as it was looked at.

    Attributes:
        reason: why it ended now, in words; empty: it goes on.
    """

    rollout: UnderWay
    counts: Counts
    verdict: Verdict
    days: float
    reason: str = ""


def rollout_for(
    lake: Lake, use_case: NamedUseCase, target: str, release: Release, live: str | None, known: Sequence[Deployment]
) -> UnderWay | None:
    """How a release that was compared with its evaluation takes over; None: all at once. So does what goes back to a
    release that had the traffic, and the first one. A candidate that abstains more often than the champion by the
    evaluations of both, as the decision about it said, may do so.

    Args:
        live: id of the release with the traffic.
        known: deployments to this target.
    """
    rules = use_case.settings.serving.rollout
    if rules.mode == "all_at_once" or live in (None, release.id) or release.record.get("back_to"):
        return None
    if any(one.record["release"] == release.id and had_traffic(lake, one) for one in known):
        return None
    guardrails = use_case.settings.serving.guardrails
    champion = next((one for one in releases(lake, use_case.name) if one.id == live), None)
    try:
        before = abstaining_of(lake, champion, guardrails) if champion else None
    except FtError:  # its evaluation is gone, by an erasure: nothing is added to what the rules allow
        before = None
    after = abstaining_of(lake, release, guardrails)
    if before and after:
        most = rules.max_guardrail_increase + max(before.answered - after.answered, 0.0)
        rules = rules.model_copy(update={"max_guardrail_increase": min(most, 1.0)})
    return UnderWay(target, live, release.id, rules, now("milliseconds"))


def under_way(environment: Environment, use_case: str) -> UnderWay | None:
    """The rollout of a use case. Raises as `read_live`."""
    live = read_live(environment.home, use_case)
    return live.rollout if live else None


def require_none_under_way(environment: Environment, use_case: NamedUseCase, target: str) -> None:
    """Raises:
    VersionRefused: a release is tried at this target.
    """
    rollout = under_way(environment, use_case.name)
    if rollout and rollout.target == target:
        raise VersionRefused(
            f"{rollout.candidate} is being rolled out to {target}",
            f"See: ft rollout {use_case.name}, which ends it with --promote or --stop",
        )


def step(lake: Lake, environment: Environment, use_case: NamedUseCase) -> Seen | None:
    """Ships what servers noted, looks at the rollout under way, and ends it if that is decided. None: there is none.

    Raises:
        FtError: the lake or the server cannot be asked; what was decided is carried out the next time.
    """
    rollout = under_way(environment, use_case.name)
    if rollout is None:
        return None
    ship(lake, spool_path(environment))
    counts = counted(lake, use_case.name, rollout)
    days = (datetime.now(UTC) - datetime.fromisoformat(rollout.began)).total_seconds() / 86_400
    verdict = judged(counts, rollout.rules, days)
    standing = {one.id for one in releases(lake, use_case.name) if one.withdrawn is None}
    gone = next((one for one in (rollout.candidate, rollout.champion) if one not in standing), None)
    if gone or rollout.stopped:
        because = "withdrawn" if gone else "stopped"
        verdict = Verdict("roll_back", because, verdict.evidence)
    seen = Seen(rollout, counts, verdict, days)
    if verdict.decision == "go_on":
        return seen
    reason = f"{gone} was withdrawn" if gone else rollout.stopped or _reason(verdict, counts, rollout)
    promote = verdict.decision == "promote"
    blocks = not promote and verdict.because not in ("withdrawn", "too_few")
    told = {"counts": asdict(counts), "evidence": verdict.evidence, "because": verdict.because}
    _end(lake, environment, use_case, rollout, promote, {"reason": reason, "by": "platform", **told}, blocks)
    return Seen(rollout, counts, verdict, days, reason)


def end_by_person(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    *,
    promote: bool,
    reason: str,
    by: str | Person = "",
) -> UnderWay | None:
    """Ends the rollout under way: the candidate gets all the traffic, or none. Returns it; None: there is none.

    Args:
        by: the person who ends it, or the name that somebody typed; default the account of the operating system.

    Raises:
        ConfigError: the reason is too short.
        FtError: as `step`.
    """
    rollout = under_way(environment, use_case.name)
    if rollout is not None:
        reason = require_reason(reason)
        told = {"reason": reason, "by": _name(by), "because": "person"}
        _end(lake, environment, use_case, rollout, promote, told, blocks=False)
    return rollout


def unblock(lake: Lake, use_case: NamedUseCase, release_id: str, *, reason: str, by: str | Person = "") -> None:
    """Notes that a person has looked at a release that was rolled back: it may be deployed again.

    Args:
        by: as in `end_by_person`.

    Raises:
        DataError: no such release is blocked.
        ConfigError: the reason is too short.
    """
    reason = require_reason(reason)
    release = next((one for one in releases(lake, use_case.name) if one.id == release_id), None)
    if release is None or (block_of(lake, release) or ("", ""))[0] != release_id:
        raise DataError(f"{use_case.name} has no blocked release {release_id}", f"See: ft rollout {use_case.name}")
    _block(lake, release, {"reason": reason, "by": _name(by)}, blocked=False)


def _name(by: str | Person) -> str:
    return (by.name if isinstance(by, Person) else by.strip().lower()) or this_account()


def newest_rollout(lake: Lake, use_case: str) -> UnderWay | None:
    """The rollout that began last, under way or ended."""
    record = next((one.record for one in deployments(lake, use_case) if "rollout" in one.record), None)
    if record is None:
        return None
    about = {"target": record["target"], "champion": record["previous"], "candidate": record["release"]}
    return UnderWay.from_dict({**about, "rules": record["rollout"], "began": record["deployed_at"]})


def last_outcome(lake: Lake, use_case: str) -> dict[str, Any] | None:
    """How the newest rollout that has ended did: `{"release", "promoted", "at", "reason", "by", ...}`."""
    for one in deployments(lake, use_case):
        if (verdict := lake.verdicts(one.version).get(ROLLED_OUT)) is not None:
            about = {"release": one.record["release"], "promoted": verdict.passed, "at": verdict.checked_at}
            return {**about, **verdict.numbers}
    return None


def _end(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    rollout: UnderWay,
    promote: bool,
    told: dict[str, Any],
    blocks: bool,
) -> None:
    with alone(environment, use_case.name, rollout.target):
        if under_way(environment, use_case.name) is None:
            return  # another process was first
        known = deployments(lake, use_case.name, rollout.target)
        deployment = next(one for one in known if one.record["release"] == rollout.candidate)
        decided = lake.verdicts(deployment.version).get(ROLLED_OUT)
        if decided is None:
            settings = lake.manifest(deployment.version).settings_hash
            if blocks:
                release = next(one for one in releases(lake, use_case.name) if one.id == rollout.candidate)
                _block(lake, release, {"reason": told["reason"], "by": told["by"]}, blocked=True)
            what = "gave a release all traffic" if promote else "took the traffic from a release"
            note(lake, use_case, "release", what, told["by"], release=rollout.candidate, reason=told["reason"])
            decided = lake.add_verdict(deployment.version, ROLLED_OUT, promote, settings, told)
        target = open_target(environment, use_case, rollout.target)
        if decided.passed:
            target.switch(rollout.candidate)
        else:
            target.delete(rollout.candidate)
    show_releases(environment, lake, use_case.name)


def _block(lake: Lake, release: Release, told: dict[str, Any], *, blocked: bool) -> None:
    settings, what = (
        lake.manifest(release.version).settings_hash,
        "blocked a release" if blocked else "unblocked a release",
    )
    note(lake, release.version.use_case, "release", what, told["by"], release=release.id, reason=told["reason"])
    lake.add_verdict(release.version, NOT_BLOCKED, not blocked, settings, told)


def _reason(verdict: Verdict, counts: Counts, rollout: UnderWay) -> str:
    candidate, champion, rules = counts.candidate, counts.champion, rollout.rules
    said = [f"{arm.right} of {arm.right + arm.wrong}" for arm in (candidate, champion)]
    right = f"{said[0]} judged answers were right, and {said[1]} of the champion"
    if rules.mode == "shadow":
        right = f"{counts.better} judged answers were right only from it, and {counts.worse} only from the champion"
    return {
        "errors": f"{candidate.errors} of {candidate.requests} answers failed",
        "guardrails": f"guardrails acted on {candidate.acted} of {candidate.requests} answers, and on {champion.acted}"
        f" of {champion.requests} of the champion",
        "latency": f"{counts.slow} of {counts.timed} answers took more than {rules.max_p95_ratio:g} times as long as 95"
        " of 100 of the champion",
        "agreement": f"{counts.agreeing} of {counts.compared} labels are those of the champion",
        "feedback": right,
        "better": right,
        "no_harm": f"nothing spoke against it in {candidate.requests} requests",
        "too_few": f"it was asked only {candidate.requests} times of the {rules.min_requests} that are needed",
    }[verdict.because]
