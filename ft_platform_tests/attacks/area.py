"""What an area of attacks is, and how its cases are run and counted."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from zlib import crc32

from ft_platform_tests.attacks import areas

Attack = Callable[[], str | None]
"""Attacks once. None: the platform held. A sentence: what broke. An exception that the attack does not expect counts as
broken too."""


@dataclass(frozen=True)
class Area:
    """One part of the platform under attack.

    Attributes:
        cases: given a random generator, a private folder and how many cases to draw at most of each kind, yields name
            -> attack. Equal seeds give equal names. Names are unique.
        defences: name -> context manager that switches this defence off. At least one case of the area must break while
            it is off.
    """

    name: str
    cases: Callable[[Random, Path, int], Iterable[tuple[str, Attack]]]
    defences: Mapping[str, Callable[[], AbstractContextManager[Any]]]


def switched_off(*places: str, by: Any) -> Callable[[], AbstractContextManager[Any]]:
    """A defence for `Area.defences`: replaces what stands at each place of `ft_platform` by something that lets all
    through."""

    def switch() -> AbstractContextManager[Any]:
        stack = ExitStack()
        for place in places:
            stack.enter_context(patch(f"ft_platform.{place}", by))
        return stack

    return switch


@dataclass
class Score:
    """Cases of one area: how many were tried, how many held, and what broke."""

    tried: int = 0
    broken: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"tried": self.tried, "held": self.tried - len(self.broken), "broken": self.broken}


def all_areas() -> dict[str, Area]:
    """Every area by name: each file of `areas/` has one as `AREA`."""
    found = [
        importlib.import_module(f"{areas.__name__}.{module.name}").AREA
        for module in pkgutil.iter_modules(areas.__path__)
    ]
    return {area.name: area for area in sorted(found, key=lambda area: area.name)}


def score(
    area: Area, seed: int, folder: Path, size: int, broken_defence: str = "", *, until_broken: bool = False
) -> Score:
    """Runs all cases of an area.

    Args:
        seed: cases are drawn from it, for each area by itself.
        folder: empty folder for its files.
        size: cases to draw at most of each kind.
        broken_defence: name of a defence to switch off.
        until_broken: no case after the first that breaks.
    """
    found = Score()
    folder.mkdir(parents=True, exist_ok=True)
    with area.defences[broken_defence]() if broken_defence else nullcontext():
        for name, attack in area.cases(Random(seed ^ crc32(area.name.encode())), folder, size):
            found.tried += 1
            try:
                broke = attack()
            # answered with a crash is not held off; told by its class only, for it may hold planted secrets
            except Exception as error:
                broke = f"ended with {type(error).__name__}"
            if broke:
                found.broken.append(f"{name}: {broke}")
                if until_broken:
                    break
    return found
