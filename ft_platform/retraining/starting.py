"""Decides about a use case now, and writes a start where there is one."""

from dataclasses import replace
from datetime import datetime, timedelta

from ft_platform.lake.store import Lake
from ft_platform.retraining.decide import Decision, decide
from ft_platform.retraining.facts import facts_of
from ft_platform.retraining.history import history_of
from ft_platform.retraining.journal import Start, alone, entries, write
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase

LOOKS_BACK = timedelta(days=62)
"""Reports, feedback and costs that a decision needs: 30 days with traffic at most, and the present month."""


def decision_at(lake: Lake, environment: Environment, use_case: NamedUseCase, at: datetime) -> Decision:
    """What would be decided now. Writes nothing.

    Args:
        at: now.

    Raises:
        VersionRefused: something that it rests on was altered, or is missing.
    """
    history = history_of(lake, environment, use_case, (at - LOOKS_BACK).date())
    return decide(facts_of(history, at), use_case.settings.retraining)


def decide_and_start(
    lake: Lake, environment: Environment, use_case: NamedUseCase, at: datetime, by: str
) -> tuple[Decision, Start | None]:
    """The decision, and the entry of the start where it starts one. Of processes that decide at once one gets it.

    Args:
        at: now.
        by: id of the Dagster instance that will ask for the run.

    Raises:
        VersionRefused: as `decision_at`; nothing was started.
    """
    history = history_of(lake, environment, use_case, (at - LOOKS_BACK).date())
    with alone(environment, use_case.name):
        newest = replace(history, entries=entries(lake, use_case.name))
        decision = decide(facts_of(newest, at), use_case.settings.retraining)
        if not decision.would_start:
            return decision, None
        start = decision.start(by)
        write(lake, use_case, start)
    return decision, start
