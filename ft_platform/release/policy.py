"""What of a use case undercuts the policy of its installation, and what of it needs a person's approval.

Covered: the settings of the use case's file. Not covered: what its own `component.py` does, and who may write
`ft_environment.yaml`."""

from collections.abc import Iterator

from ft_platform.governance.licences import licence_problems
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.ceilings import Undercut, beyond
from ft_platform.use_case.settings.gate import CLASSIFIERS
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.policy import Policy


def undercuts(settings: UseCase, policy: Policy) -> list[Undercut]:
    """Every setting that asks for less than the policy, in the order of the policy."""
    return [*_beats(settings, policy), *beyond(settings, policy), *_licences(settings, policy)]


def beaten_systems(use_case: NamedUseCase) -> list[str]:
    """Systems that the model must beat: those of the use case, then those of the policy that it leaves out."""
    settings = use_case.settings
    own = settings.gate.must_beat(settings.task.kind, settings.training.method)
    return list(dict.fromkeys([*own, *_asked(settings, use_case.policy)]))


def unapproved(use_case: NamedUseCase) -> dict[str, str]:
    """Fields that say something else than their default and count only with a person's approval -> 8 hex digits of what
    they say: an approval is not for other words."""
    from ft_platform.use_case.fields import fields

    found = {path: use_case.section(path) for path in use_case.policy.approvals}
    return {path: settings_hash({path: value})[:8] for path, value in found.items() if value != fields()[path].default}


def _asked(settings: UseCase, policy: Policy) -> list[str]:
    """Of the systems of the policy those that there are for this kind of task, and that are not the model itself."""
    names = [name for name in policy.beats if name != settings.training.method]
    return [name for name in names if name not in CLASSIFIERS or settings.task.kind == "classification"]


def _beats(settings: UseCase, policy: Policy) -> Iterator[Undercut]:
    gate, by = settings.gate, f"under policy {policy.title} of this installation"
    asked = _asked(settings, policy)
    if forbidden := [name for name in asked if name in gate.may_lose_to]:
        yield Undercut(
            ("gate", "may_lose_to", forbidden[0]), f"gate.may_lose_to must not name {', '.join(forbidden)} {by}"
        )
    # Without a list of its own the use case has what the policy adds as well.
    if gate.beats is not None and (
        missing := [
            name
            for name in dict.fromkeys([*gate.must_beat(settings.task.kind, settings.training.method), *asked])
            if name not in (*gate.beats, *gate.may_lose_to)
        ]
    ):
        unneeded = [name for name in missing if name not in asked]
        reasons = f", or give a reason for {', '.join(unneeded)} in gate.may_lose_to" if unneeded else ""
        yield Undercut(
            ("gate", "beats"),
            f"gate.beats must have {', '.join(missing)} {by}: leave gate.beats out, which asks for them{reasons}",
        )
    if gate.metric and gate.metric not in policy.metrics:
        yield Undercut(
            ("gate", "metric"), f"gate.metric must be one of {', '.join(policy.metrics)} {by}, got {gate.metric}"
        )
    # What a label head is trained for writes nothing, so no suite could ask it.
    asked = (*settings.regression.suites, *settings.regression.harness_tasks)
    if settings.training.objective != "label_head" and (without := [s for s in policy.suites if s not in asked]):
        yield Undercut(("regression", "suites"), f"regression.suites must have {', '.join(without)} {by}")


def _licences(settings: UseCase, policy: Policy) -> Iterator[Undercut]:
    for place, text in licence_problems(settings.governance, policy):
        yield Undercut(("governance", *place), f"governance.{place[0]}: {text}")
