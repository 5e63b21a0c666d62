"""When a stage runs by itself: never because something merely ran again, only because content or settings changed."""

import dagster as dg
from dagster import AutomationCondition as AC

from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase

GPU_STAGES = ("base_evaluation", "adapter_checkpoint")
"""Stages that start GPU work of their own; the ones behind them follow a new checkpoint."""

FOLLOWS_ONLY = {"evaluation_report": ("adapter_checkpoint", "base_evaluation"), "privacy_report": ("adapter_checkpoint",)}
"""Stages that must not start on every changed parent: new splits reach evaluation and attacks through a new checkpoint."""


def on_demand() -> None:
    """A person starts it: button, CLI or API."""
    return


def on_data_change(follow: list[dg.AssetKey] | None = None) -> dg.AutomationCondition:
    """Runs once when a parent's content (data version) or this stage's settings or code changed.

    A parent that re-ran with the same content requests nothing; a failed blocking check on a parent holds it back until it
    passes. `eager()` would train on any re-run, and its documented variant with `data_version_changed()` requests training
    in the same tick as its parent, before the parent's content is known.

    Args:
        follow: parents that may start it; default all.
    """
    parent_changed: dg.AutomationCondition = AC.any_deps_match(AC.data_version_changed())
    if follow:
        parent_changed = parent_changed.allow(dg.AssetSelection.assets(*follow))
    changed = (parent_changed | AC.code_version_changed() | AC.newly_missing()).since_last_handled()
    # The first look forgets what happened before it: a source that was reported already would otherwise wait for its next change.
    never_made = AC.initial_evaluation() & AC.missing()
    ready = ~AC.any_deps_missing() & ~AC.any_deps_in_progress() & ~AC.in_progress() & AC.all_deps_blocking_checks_passed()
    return ((changed | never_made) & ready).with_label("on_data_change")


def condition_of(use_case: NamedUseCase, stage: str) -> dg.AutomationCondition | None:
    """The condition of a stage, from `retraining.mode` of its use case."""
    if STAGES[stage].on_demand or (stage in GPU_STAGES and use_case.settings.retraining.mode == "on_demand"):
        return on_demand()
    follow = [dg.AssetKey([use_case.name, name]) for name in FOLLOWS_ONLY.get(stage, ())]
    return on_data_change(follow or None)
