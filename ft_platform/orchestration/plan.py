"""What a run will do: each stage is asked what it would use again, by the function that its asset asks."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from ft_platform.assets.version_io import handle_in
from ft_platform.errors import FtError
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.stages import STAGES
from ft_platform.training.audit_verdict import audit_is_due
from ft_platform.training.estimates import Estimate, kept
from ft_platform.training.expected import Expected
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


@dataclass(frozen=True)
class Planned:
    """One stage of a run.

    Attributes:
        why: it will be made: `first time`, `settings changed`, `inputs changed`, `trained further`, `trained from the
            base model`, `judged again`, `not readable`, or `after <stage>`, which nobody knows before: it is used
            again if what that stage makes is equal to what was there. Empty: it is used again.
        seconds: it took when it was made last; None: never, or that cannot be read.
        programs: that it starts.
    """

    stage: str
    why: str
    seconds: float | None
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The stages of a run in their order, and of the training what it needs and what it may be expected to reach, where
    that was measured (`ft estimate`, `ft explain`).

    Attributes:
        instead: a sentence where the checkpoint that is used again is not the newest one.
    """

    stages: list[Planned]
    memory_gib: float | None = None
    expected: str = ""
    few_steps: str = ""
    training_seconds: float | None = None
    instead: str = ""

    @property
    def made(self) -> list[Planned]:
        return [one for one in self.stages if one.why]

    def lines(self) -> list[str]:
        """In words, for the terminal."""
        used = [one.stage for one in self.stages if not one.why]
        found = [f"Used again: {', '.join(used)}"] if used else []
        found += [f"  {self.instead}"] if self.instead else []
        if not self.made:
            return found
        known = [one.seconds for one in self.made if one.seconds is not None]
        new = len(self.made) - len(known)
        time = [f"about {max(sum(known) / 60, 0.1):.1f} minutes by the last run"] if known else []
        time += [f"{new} with no time known yet"] if new else []
        memory = [f"training needs about {self.memory_gib:.1f} GiB"] if self.memory_gib else []
        reasons: dict[str, list[str]] = {}
        for one in self.made:
            follow = "follow from these, unless what these make is as it was"
            reasons.setdefault(follow if one.why.startswith("after ") else one.why, []).append(one.stage)
        told = "; ".join(f"{', '.join(stages)} ({why})" for why, stages in reasons.items())
        trains = any(one.stage == "adapter_checkpoint" for one in self.made)
        reach = [f"  Expected: {self.expected}"] if self.expected and trains else []
        reach += [f"  {self.few_steps}"] if self.few_steps and trains else []
        return [f"To be made: {told}", f"  {', '.join([*time, *memory])}", *reach, *found]


def plan(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    stages: Sequence[str],
    instance: dg.DagsterInstance | None = None,
) -> Plan:
    """What a run of these stages will do. Each stage is asked what its asset asks: what would I use again? Compares
    hashes; no record is read.

    Args:
        instance: knows what the run takes from stages before these; without it, that is the newest of each.
    """
    found: dict[str, Planned] = {}
    versions: dict[str, Version] = {}
    for name in (name for name in STAGES if name in stages):
        spec = STAGES[name]
        for parent in (parent for parent in spec.parents if parent not in stages):
            if handed := _handed(lake, use_case, parent, instance):
                versions[parent] = handed
        try:
            newest, none = _newest(lake, use_case.name, name), "first time"
        except FtError:  # damaged or not signed: it is made again
            newest, none = None, "not readable"
        before = [parent for parent in spec.parents if parent not in versions]
        if newest is None or not set(before) <= found.keys():
            why = none
        elif before:
            why = f"after {before[0]}"
        else:
            why = _why(lake, environment, use_case, name, newest, versions)
        seconds = newest.seconds if newest else None
        found[name] = Planned(name, why, seconds, _programs(lake, use_case, name, versions.get(name)))
    instead = _instead(lake, use_case, versions) if "adapter_checkpoint" in found else ""
    estimate = _estimate(lake, environment, use_case)
    if estimate is None:
        return Plan(list(found.values()), instead=instead)
    said = estimate.figures.get("expected")
    reach = Expected(**said).in_words() if said else ""
    few = estimate.figures.get("few_steps", "")
    memory, seconds = float(estimate.figures["memory_gib"]), float(estimate.figures["seconds"])
    return Plan(list(found.values()), memory, reach, few, seconds, instead)


def _instead(lake: Lake, use_case: NamedUseCase, versions: dict[str, Version]) -> str:
    again, made = versions.get("adapter_checkpoint"), lake.artifacts(use_case.name, "adapter_checkpoint")
    if again is None or again == made[0]:
        return ""
    further = ", which was trained further: add --continue" if "continued_from" in lake.manifest(made[0]).info else ""
    return f"The checkpoint is {again.id}, by these settings, not the newest, {made[0].id}{further}"


def _why(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    name: str,
    newest: Manifest,
    versions: dict[str, Version],
) -> str:
    """Why a stage will be made from these parents; empty: it is used again, and is in `versions` then."""
    spec = STAGES[name]
    if spec.existing is None:
        return "judged again"
    try:
        version: Version | None = spec.existing(
            lake, environment, use_case, **{parent: versions[parent] for parent in spec.parents}
        )
    except FtError:  # the run itself says what is wrong
        return "not readable"
    if version:
        versions[name] = version
        return ""
    if newest.settings_hash != spec.settings_hash(use_case):
        return "settings changed"
    if name == "adapter_checkpoint":
        if use_case.settings.training.continue_from:
            return "trained further"
        if "continued_from" in newest.info:
            return "trained from the base model, which the newest was not"
    return "inputs changed"


def _handed(lake: Lake, use_case: NamedUseCase, name: str, instance: dg.DagsterInstance | None) -> Version | None:
    """What a run takes from a stage that it leaves out, as `VersionIOManager.load_input` does."""
    if instance:
        return handle_in(instance.get_latest_materialization_event(dg.AssetKey([use_case.name, name])))
    if STAGES[name].kind in ("table", "quarantine"):
        return lake.latest(use_case.name, name)
    return next(iter(lake.artifacts(use_case.name, name)), None)


def _programs(lake: Lake, use_case: NamedUseCase, name: str, version: Version | None) -> tuple[str, ...]:
    """What a stage and its checks start, if it uses this version again, or makes one (None)."""
    if name == "splits":  # its check looks at every record as the model will see it
        due = not isinstance(version, TableVersion) or audit_is_due(lake, use_case, version)
        return ("audit",) if due else ()
    program = STAGES[name].program
    return (program,) if program and version is None else ()


def _newest(lake: Lake, use_case: str, name: str) -> Manifest | None:
    """The manifest of what a stage made last."""
    if STAGES[name].kind in ("table", "quarantine"):
        return next(lake.manifests(use_case, name), None)
    return next((lake.manifest(version) for version in lake.artifacts(use_case, name)), None)


def _estimate(lake: Lake, environment: Environment, use_case: NamedUseCase) -> Estimate | None:
    try:
        splits = lake.latest(use_case.name, "splits")
        profile = environment.profile(use_case.settings.compute.profile)
        return kept(environment, use_case, splits, profile) if splits else None
    except FtError:
        return None
