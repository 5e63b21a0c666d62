"""What of a use case undercuts the policy of its installation, and what of it needs a person's approval.

Covered: the settings of the use case's file. Not covered: what its own `component.py` does, and who may write
`ft_environment.yaml`."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.governance.licences import licence_problems
from ft_platform.settings.gate import Gate
from ft_platform.settings.policy import Policy
from ft_platform.settings.source import Limits as SourceLimits
from ft_platform.settings.source import Source
from ft_platform.use_case import NamedUseCase, UseCase, settings_hash

Place = tuple[str | int, ...]
MAJORITY = "majority"
"""The system that answers with the commonest label; only classification has it."""


@dataclass(frozen=True)
class Undercut:
    """A setting that asks for less than the policy.

    Attributes:
        place: its place in the attributes of the file.
        text: a sentence with what the policy asks for.
    """

    place: Place
    text: str


def undercuts(settings: UseCase, policy: Policy) -> list[Undercut]:
    """Every setting that asks for less than the policy, in the order of the policy."""
    return [*_beats(settings, policy), *_limits(settings, policy), *_licences(settings, policy)]


def require_ceilings(source: Source, policy: Policy) -> None:
    """Returns where a source may cost what its limits say. What lies beyond the policy is not read: it harms the
    machine, whatever is released.

    Raises:
        ConfigError: a limit is beyond a ceiling.
    """
    if found := [one.text for one in _limits(SimpleNamespace(source=source), policy, "source.")]:
        raise ConfigError(
            found, "Lower it, or let whoever runs the installation raise policy.at_most in ft_environment.yaml"
        )


def capped(limits: SourceLimits, policy: Policy) -> SourceLimits:
    """Limits of files that have no section `limits` of their own: where the policy is stricter, its ceilings."""
    ceilings = {name: policy.at_most.get(f"source.limits.{name}") for name in SourceLimits.model_fields}
    stricter = {
        name: type(value)(ceiling)
        for name, value in limits
        if (ceiling := ceilings[name]) is not None and ceiling < value
    }
    return limits.model_copy(update=stricter)


def beaten_systems(use_case: NamedUseCase) -> list[str]:
    """Systems that the model must beat: those of the use case, then those of the policy that it leaves out."""
    return list(dict.fromkeys([*use_case.settings.gate.beats, *_asked(use_case.settings, use_case.policy)]))


def unapproved(use_case: NamedUseCase) -> dict[str, str]:
    """Fields that say something else than their default and count only with a person's approval -> 8 hex digits of what
    they say: an approval is not for other words."""
    from ft_platform.use_case.fields import fields

    found = {path: use_case.section(path) for path in use_case.policy.approvals}
    return {path: settings_hash({path: value})[:8] for path, value in found.items() if value != fields()[path].default}


def _asked(settings: UseCase, policy: Policy) -> list[str]:
    return [name for name in policy.beats if name != MAJORITY or settings.task.kind == "classification"]


def _beats(settings: UseCase, policy: Policy) -> Iterator[Undercut]:
    gate, by = settings.gate, f"under policy {policy.title} of this installation"
    missing = [name for name in _asked(settings, policy) if name not in gate.beats]
    if (
        missing and gate.beats != Gate().beats
    ):  # the default, which `ft new` writes out, says nothing against the systems that the policy adds
        yield Undercut(("gate", "beats"), f"gate.beats must have {', '.join(missing)} {by}")
    if gate.metric and gate.metric not in policy.metrics:
        yield Undercut(
            ("gate", "metric"), f"gate.metric must be one of {', '.join(policy.metrics)} {by}, got {gate.metric}"
        )
    if without := [
        name for name in policy.suites if name not in (*settings.regression.suites, *settings.regression.harness_tasks)
    ]:
        yield Undercut(("regression", "suites"), f"regression.suites must have {', '.join(without)} {by}")


def _limits(settings: Any, policy: Policy, below: str = "") -> Iterator[Undercut]:
    """Of the fields whose path begins with `below`."""
    for limits, least in ((policy.at_most, False), (policy.at_least, True)):
        for path, limit in ((path, limit) for path, limit in limits.items() if path.startswith(below)):
            assert limit is not None
            for place, value in _values(settings, path):
                if value is None or (value < limit if least else value > limit):
                    needed = (
                        f"at {'least' if least else 'most'} {limit:,.12g} under policy {policy.title} of this"
                        " installation"
                    )
                    yield Undercut(
                        place,
                        f"{'.'.join(map(str, place))} must be {needed}, got"
                        f" {'nothing' if value is None else f'{value:,.12g}'}",
                    )


def _values(settings: Any, path: str) -> list[tuple[Place, float | None]]:
    """The number of a field, or the numbers of a mapping."""
    place = tuple(path.split("."))
    found: Any = functools.reduce(getattr, place, settings)
    return [((*place, name), value) for name, value in found.items()] if isinstance(found, dict) else [(place, found)]


def _licences(settings: UseCase, policy: Policy) -> Iterator[Undercut]:
    for place, text in licence_problems(settings.governance, policy):
        yield Undercut(("governance", *place), f"governance.{place[0]}: {text}")
