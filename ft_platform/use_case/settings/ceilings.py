"""Numbers of a use case against the ceilings and floors of the policy of its installation."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.source import Limits, Source

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Undercut:
    """A setting that asks for less than the policy.

    Attributes:
        place: its place in the attributes of the file.
        text: a sentence with what the policy asks for.
    """

    place: Place
    text: str


def require_ceilings(source: Source, policy: Policy) -> None:
    """Returns where a source may cost what its limits say. What lies beyond the policy is not read: it harms the
    machine, whatever is released.

    Raises:
        ConfigError: a limit is beyond a ceiling.
    """
    if found := [one.text for one in beyond(SimpleNamespace(source=source), policy, "source.")]:
        raise ConfigError(
            found, "Lower it, or ask whoever runs the installation to raise policy.at_most in ft_environment.yaml"
        )


def capped(limits: Limits, policy: Policy) -> Limits:
    """Limits of files that have no section `limits` of their own: where the policy is stricter, its ceilings."""
    ceilings = {name: policy.at_most.get(f"source.limits.{name}") for name in Limits.model_fields}
    stricter = {
        name: type(value)(ceiling)
        for name, value in limits
        if (ceiling := ceilings[name]) is not None and ceiling < value
    }
    return limits.model_copy(update=stricter)


def beyond(settings: Any, policy: Policy, below: str = "") -> Iterator[Undercut]:
    """Numbers beyond a limit of the policy, of the fields whose path begins with `below`."""
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
