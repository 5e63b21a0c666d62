"""What a run will do, as far as one can say before it has read anything."""

from collections.abc import Sequence
from dataclasses import dataclass

from ft_platform.errors import FtError
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.training.estimates import Estimate, kept
from ft_platform.training.expected import Expected
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Planned:
    """One stage of a run.

    Attributes:
        why: it will be made: `first time`, `settings changed`, `trained further`, `not readable`, `after <stage>`.
            Empty: used again, unless what it is made from has changed.
        seconds: it took when it was made last; None: never, or that cannot be read.
    """

    stage: str
    why: str
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """The stages of a run in their order, and of the training what it needs and what it may be expected to reach, where
    that was measured (`ft estimate`, `ft explain`)."""

    stages: list[Planned]
    memory_gib: float | None = None
    expected: str = ""
    few_steps: str = ""
    training_seconds: float | None = None

    @property
    def made(self) -> list[Planned]:
        return [one for one in self.stages if one.why]

    def lines(self) -> list[str]:
        """In words, for the terminal."""
        used = [one.stage for one in self.stages if not one.why]
        found = [f"Used again if their inputs are unchanged: {', '.join(used)}"] if used else []
        if not self.made:
            return found
        known = [one.seconds for one in self.made if one.seconds is not None]
        new = len(self.made) - len(known)
        time = [f"about {max(sum(known) / 60, 0.1):.1f} minutes by the last run"] if known else []
        time += [f"{new} with no time known yet"] if new else []
        memory = [f"training needs about {self.memory_gib:.1f} GiB"] if self.memory_gib else []
        reasons: dict[str, list[str]] = {}
        for one in self.made:
            reasons.setdefault("follow from these" if one.why.startswith("after ") else one.why, []).append(one.stage)
        told = "; ".join(f"{', '.join(stages)} ({why})" for why, stages in reasons.items())
        trains = any(one.stage == "adapter_checkpoint" for one in self.made)
        reach = [f"  Expected: {self.expected}"] if self.expected and trains else []
        reach += [f"  {self.few_steps}"] if self.few_steps and trains else []
        return [f"To be made: {told}", f"  {', '.join([*time, *memory])}", *reach, *found]


def plan(lake: Lake, environment: Environment, use_case: NamedUseCase, stages: Sequence[str]) -> Plan:
    """What a run of these stages will do, from the newest manifest of each. Reads no data."""
    found: dict[str, Planned] = {}
    for name in (name for name in STAGES if name in stages):
        try:
            manifest, unreadable = _newest(lake, use_case.name, name), False
        except FtError:  # damaged or not signed: the run itself says so
            manifest, unreadable = None, True
        before = [parent for parent in STAGES[name].parents if parent in found and found[parent].why]
        if manifest is None:
            why = "not readable" if unreadable else "first time"
        elif manifest.settings_hash != STAGES[name].settings_hash(use_case):
            why = "settings changed"
        elif (
            name == "adapter_checkpoint"
            and use_case.settings.training.continue_from
            and "continued_from" not in manifest.info
        ):
            why = "trained further"
        else:
            why = f"after {before[0]}" if before else ""
        found[name] = Planned(name, why, manifest.seconds if manifest else None)
    estimate = _estimate(lake, environment, use_case)
    if estimate is None:
        return Plan(list(found.values()))
    said = estimate.figures.get("expected")
    reach = Expected(**said).in_words() if said else ""
    few = estimate.figures.get("few_steps", "")
    memory, seconds = float(estimate.figures["memory_gib"]), float(estimate.figures["seconds"])
    return Plan(list(found.values()), memory, reach, few, seconds)


def _newest(lake: Lake, use_case: str, name: str) -> Manifest | None:
    if STAGES[name].kind in ("table", "quarantine"):
        table = lake.latest(use_case, name)
        return lake.manifest(table) if table else None
    made = lake.artifacts(use_case, name)
    return lake.manifest(made[0]) if made else None


def _estimate(lake: Lake, environment: Environment, use_case: NamedUseCase) -> Estimate | None:
    try:
        splits = lake.latest(use_case.name, "splits")
        profile = environment.profile(use_case.settings.compute.profile)
        return kept(environment, use_case, splits, profile) if splits else None
    except FtError:
        return None
