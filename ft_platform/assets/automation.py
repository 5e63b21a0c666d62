"""When a stage runs by itself: never because something merely ran again, only because content or settings changed."""

from functools import lru_cache

import dagster as dg
from dagster import AutomationCondition as AC

from ft_platform.stages import DEPLOYMENT, STAGES
from ft_platform.use_case.named import NamedUseCase

# The first look forgets what happened before it: a source that was reported already would otherwise wait for its next
# change.
NEVER_MADE = AC.initial_evaluation() & AC.missing()
READY = ~AC.any_deps_missing() & ~AC.any_deps_in_progress() & ~AC.in_progress() & AC.all_deps_blocking_checks_passed()


def on_demand() -> None:
    """A person starts it: button, CLI or API."""
    return


@lru_cache(maxsize=2)  # without `follow` it is the same for every stage of every use case
def on_data_change(follow: tuple[dg.AssetKey, ...] = ()) -> dg.AutomationCondition:
    """Runs once when a parent's content (data version) or this stage's settings or code changed.

    A parent that re-ran with the same content requests nothing; a failed blocking check on a parent holds it back until
    it passes. `eager()` would train on any re-run, and its documented variant with `data_version_changed()` requests
    training in the same tick as its parent, before the parent's content is known.

    Args:
        follow: parents that may start it; none: all may.
    """
    parent_changed: dg.AutomationCondition = AC.any_deps_match(AC.data_version_changed())
    if follow:
        parent_changed = parent_changed.allow(dg.AssetSelection.assets(*follow))
    changed = (parent_changed | AC.code_version_changed() | AC.newly_missing()).since_last_handled()
    return ((changed | NEVER_MADE) & READY).with_label("on_data_change")


def when_accepted(decision: dg.AssetKey, sign_off: dg.AssetKey | None) -> dg.AutomationCondition:
    """Runs once for every new decision that accepts; where people sign, once they have.

    Args:
        sign_off: None: nobody is asked. Otherwise it alone starts a release: with the decision before, it says nothing
            of a new one, and is made anew for each decision and each signature.
    """
    accepts = AC.any_deps_match(AC.all_checks_match(AC.check_passed())).allow(dg.AssetSelection.assets(decision))
    return (on_data_change((sign_off or decision,)) & accepts).with_label("when_accepted")


def condition_of(use_case: NamedUseCase, stage: str) -> dg.AutomationCondition | None:
    """The condition of a stage, from `retraining.mode` of its use case."""
    spec = STAGES[stage]
    if stage == "release" and use_case.settings.release.mode == "when_accepted":
        sign_off = dg.AssetKey([use_case.name, "sign_off"]) if use_case.signing_roles else None
        return when_accepted(dg.AssetKey([use_case.name, "release_decision"]), sign_off)
    if stage == DEPLOYMENT and use_case.settings.serving.mode == "on_release":
        return on_data_change((dg.AssetKey([use_case.name, "release"]),)).with_label("on_release")
    if spec.on_demand or (spec.starts == "as_retraining" and use_case.settings.retraining.mode != "on_data_change"):
        return on_demand()
    return on_data_change(tuple(dg.AssetKey([use_case.name, name]) for name in spec.follows))
