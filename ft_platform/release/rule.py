"""What a rule of a release is: from typed evidence to a ruling with a sentence. `rules/` has a file for each kind of
rule.

A rule is named by the settings, never by the evidence, so evidence that is missing cannot take its rule away.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.schema import Figure
from ft_platform.use_case.named import NamedUseCase

Missing = Mapping[str, Mapping[str, int]]
"""Feature, or two of them -> group -> test records that it lacks to be compared."""


@dataclass(frozen=True)
class Finding:
    """What a rule found in the evidence."""

    passed: bool
    why: str
    figure: Figure | None = None
    missing: Missing = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One condition of a release.

    Attributes:
        name: `<kind>` or `<kind>/<what>`, e.g. `beats/base_few_shot`.
        needed: what must hold, in words.
        judge: raises NotProven where the evidence does not say.
        part: place in the chapter of its kind, for chapters that go feature by feature.
    """

    name: str
    needed: str
    judge: Callable[[Evidence], Finding]
    part: int = 0

    @property
    def waivable(self) -> bool:
        kind = kind_of(self.name)
        return kind is None or kind.owner is not None


@dataclass(frozen=True)
class Kind:
    """One kind of rule.

    Attributes:
        names: of its rules, up to the first slash.
        owner: the role that its rules belong to, whose persons may waive them. None: nobody can, because without them
            it is unknown what would be released, or whether it may be used at all, or because the installation asks for
            it.
        order: chapter, and place in it; reports follow it, and in a chapter `Rule.part` comes first.
        rules: of a use case, given the id of the checkpoint that was accepted last, apart from this one (None: there
            was none).
    """

    names: tuple[str, ...]
    owner: Literal["accountable", "domain_expert", "compliance"] | None
    order: tuple[int, int]
    rules: Callable[[NamedUseCase, str | None], Iterable[Rule]]


@dataclass(frozen=True)
class Ruling:
    """A rule applied to the evidence. `value`, `low` and `high` are None where the rule measures nothing or nothing was
    found."""

    rule: str
    passed: bool
    value: float | None
    low: float | None
    high: float | None
    needed: str
    why: str
    waivable: bool
    missing: Missing = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@cache
def all_kinds() -> dict[str, Kind]:
    """Name up to the first slash -> its kind, for every file of `ft_platform/release/rules/`, in the order of
    reports."""
    from ft_platform.release import rules

    found = [
        importlib.import_module(f"{rules.__name__}.{module.name}").KIND
        for module in pkgutil.iter_modules(rules.__path__)
    ]
    return {name: kind for kind in sorted(found, key=lambda kind: kind.order) for name in kind.names}


def kind_of(rule: str) -> Kind | None:
    """The kind of a rule by the rule's name; None: there is none of that name."""
    return all_kinds().get(rule.split("/")[0])


def rules_of(use_case: NamedUseCase, champion: str | None) -> list[Rule]:
    """The rules of a use case, in the order of reports.

    Args:
        champion: id of the checkpoint that was accepted last, apart from this one; None: there was none.
    """
    kinds = dict.fromkeys(all_kinds().values())
    found = [(kind.order, rule) for kind in kinds for rule in kind.rules(use_case, champion)]
    return [rule for (chapter, place), rule in sorted(found, key=lambda one: (one[0][0], one[1].part, one[0][1]))]


def apply(rules: Iterable[Rule], evidence: Evidence) -> list[Ruling]:
    """Every rule's ruling. A rule that cannot be judged is refused with the reason."""
    rulings = []
    for rule in rules:
        try:
            found = rule.judge(evidence)
        except NotProven as gap:
            found = Finding(False, f"Not proven: {gap}.")
        figure = found.figure
        values = (figure.value, figure.low, figure.high) if figure else (None, None, None)
        rulings.append(Ruling(rule.name, found.passed, *values, rule.needed, found.why, rule.waivable, found.missing))
    return rulings
