"""The traffic goes back to an earlier release at once; it is recorded and compared with its evaluation afterwards."""

from ft_platform.errors import FtError
from ft_platform.lake.deployments import Deployment, alone, deployments, had_traffic
from ft_platform.lake.releases import Release, released_versions, releases, require_not_blocked
from ft_platform.lake.store import Lake
from ft_platform.monitoring.rollout.conducting import end_by_person
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.process.reasons import require_reason
from ft_platform.serving.targets.contract import Status, Target
from ft_platform.serving.targets.local import Local
from ft_platform.serving.targets.opening import open_target
from ft_platform.tracking.registry import show_releases
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def switch_back(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    earlier: Release,
    *,
    reason: str,
    by: str | Person = "",
) -> dict[str, str]:
    """Gives an earlier release the traffic of each target where it, or its checkpoint, had the traffic before and still
    is. Nothing is measured: it was, when it was deployed there.

    Args:
        earlier: of `release.releasing.earlier_release`.

    Returns:
        Target -> the release that has the traffic now, or why it could not be given back; nothing of targets where the
        release has to be deployed first.

    Raises:
        VersionRefused: it may not be used, or was rolled back automatically and nobody has looked.
        ConfigError: the reason is too short.
    """
    reason = require_reason(reason)
    require_not_blocked(lake, earlier)
    released_versions(lake, earlier)
    same = {one.id for one in releases(lake, use_case.name) if one.checkpoint == earlier.checkpoint}
    end_by_person(lake, environment, use_case, promote=False, reason=f"rolled back to {earlier.id}", by=by)
    found: dict[str, str] = {}
    for name in use_case.settings.serving.targets:
        known = deployments(lake, use_case.name, name)
        if not any(_is_of(lake, one, earlier) for one in known):
            continue
        try:
            with alone(environment, use_case.name, name):
                target = open_target(environment, use_case, name)
                state = target.status()
                if state.live in same:
                    found[name] = state.live
                elif _is_there(target, state, earlier):
                    about = {"release": earlier.id, "target": name, "reason": reason}
                    note(lake, use_case, "release", "gave an earlier release the traffic", by, **about)
                    target.switch(earlier.id)
                    found[name] = earlier.id
        except FtError as error:
            found[name] = f"the traffic could not be given back: {error.message}"
    show_releases(environment, lake, use_case.name)
    return found


def _is_of(lake: Lake, deployment: Deployment, release: Release) -> bool:
    same = deployment.record["checkpoint"]["content_hash"] == release.record["checkpoint"]["content_hash"]
    return same and had_traffic(lake, deployment)


def _is_there(target: Target, state: Status, release: Release) -> bool:
    """Whether the target can switch to it at once; our own server reads any release from the lake."""
    return release.id in state.others or (isinstance(target, Local) and bool(state.replicas))
