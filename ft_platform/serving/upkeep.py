"""What has the traffic of a target: whether it still answers as it was evaluated, and how it loses the traffic."""

from typing import Any

from ft_platform.errors import EndpointUnavailable, FtError
from ft_platform.lake.deployments import STAYS, alone, deployments, had_traffic
from ft_platform.lake.releases import standing_releases, unusable
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.process.account import this_account
from ft_platform.serving.parity import in_words, measured
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.opening import open_target
from ft_platform.stages import SERVED_CHECK
from ft_platform.tracking.registry import show_releases
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.serving_targets import LocalTarget

AGAIN = "Take what was withdrawn away from it, or try again once it answers"


def check_live(
    lake: Lake, environment: Environment, use_case: NamedUseCase, name: str, records: int
) -> tuple[bool, dict[str, Any], str]:
    """Whether what has the traffic answers as it was evaluated: `(passed, figures, in words)`. The answer also stays
    with the deployment, as a verdict."""
    known = deployments(lake, use_case.name, name)
    newest = next((one for one in known if had_traffic(lake, one)), None)
    if newest is None:
        return False, {}, "nothing was deployed to this target"
    verdict = lake.verdicts(known[0].version).get(STAYS)
    if verdict is not None and not verdict.passed:
        return True, {}, f"nothing is deployed: it was taken away by {verdict.numbers['by']}"
    found = _compared(lake, environment, use_case, name, newest.record["release"], records)
    told = {"says": found[2], **{key: found[1][key] for key in ("asked", "decisions_equal") if key in found[1]}}
    lake.add_verdict(newest.version, SERVED_CHECK, found[0], lake.manifest(newest.version).settings_hash, told)
    return found


def _compared(
    lake: Lake, environment: Environment, use_case: NamedUseCase, name: str, wanted: str, records: int
) -> tuple[bool, dict[str, Any], str]:
    target = open_target(environment, use_case, name)
    state = target.status()
    if state.live != wanted:
        return False, {"state": state.state}, f"{wanted} was deployed; {state.live or 'no release'} has the traffic"
    release = next((one for one in standing_releases(lake, use_case.name) if one.id == wanted), None)
    if release is None:
        return False, {}, f"{wanted} was withdrawn, and has the traffic"
    renderer = renderer_of(environment, lake, release)
    found = measured(lake, use_case, release, renderer, state.answers_at(), records)
    words = in_words(found)
    return found["ok"], found, words


def take_away(lake: Lake, environment: Environment, use_case: NamedUseCase, name: str) -> list[str]:
    """Takes every release of the use case away from a target, with all that was made for it there.

    Returns:
        Ids of those that were there, as the target says.
    """
    with alone(environment, use_case.name, name):
        target = open_target(environment, use_case, name)
        state, known = target.status(), deployments(lake, use_case.name, name)
        there = [*filter(None, [state.live]), *state.others]
        note(lake, use_case, "release", "took its releases away from a target", target=name, releases=", ".join(there))
        for release in dict.fromkeys([*there, *(one.record["release"] for one in known)]):
            target.delete(release)
        for newest in known[:1]:
            told = {"by": this_account()}
            lake.add_verdict(newest.version, STAYS, False, lake.manifest(newest.version).settings_hash, told)
    show_releases(environment, lake, use_case.name)  # what it takes the traffic from is a candidate again
    return there


def take_away_withdrawn(lake: Lake, environment: Environment, use_case: NamedUseCase) -> dict[str, str | None]:
    """Ends the traffic of releases that may not be used any more (withdrawn, or records of theirs were), at every
    target that something was deployed to. The newest that was deployed there, is still there and may be used gets it.

    Returns:
        Target -> release that has the traffic now, where it was taken from another.

    Raises:
        FtError: as the first target that failed; the others were looked at all the same.
    """
    changed: dict[str, str | None] = {}
    problems: list[FtError] = []
    for name, settings in use_case.settings.serving.targets.items():
        compared = [one.record["release"] for one in deployments(lake, use_case.name, name)]
        if not compared:
            continue
        usable = {one.id for one in standing_releases(lake, use_case.name) if not unusable(lake, one, verify=False)}
        try:
            target = open_target(environment, use_case, name)
            state = target.status()
            if state.state == "failed" and compared[0] not in usable and not isinstance(settings, LocalTarget):
                # Nobody can tell what it serves. Our own server reads the lake itself, and a dead one serves nothing.
                raise EndpointUnavailable(f"target {name} of {use_case.name} cannot be asked: {state.message}", AGAIN)
            if state.live is None or state.live in usable:
                continue
            now = next((one for one in compared if one in state.others and one in usable), None)
            if now is not None:
                target.switch(now)
            target.delete(state.live)
            changed[name] = now
        except FtError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    return changed
