"""The place in the pool `gpu` that a program waits for: as many run at once as the pool has places.

Claimed here and not by the asset (`pool=`): a stage that is reused starts no program and waits for none, and Dagster's
own waiting is silent, takes a third of a core, and keeps the order in which steps came. Whose turn it is, says
`costs.fair_queue`; Dagster's database only says which places are free.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from ft_platform.costs.queue_folder import Queued
from ft_platform.errors.vouched import vouch
from ft_platform.process import progress
from ft_platform.use_case.settings.quotas import PRIORITIES

if TYPE_CHECKING:  # with it come sqlalchemy and alembic, and a process that only loads the graph needs neither
    from dagster._core.storage.event_log import EventLogStorage
    from dagster._core.storage.event_log.base import PoolLimit

POOL = "gpu"
LOOK_SECONDS = 2.0
SAY_SECONDS = 60.0


def pool_of(instance: dg.DagsterInstance) -> str:
    """The pool of an instance: others may write the same lake, and have places of their own."""
    storage = instance.run_storage
    return f"{POOL}@{storage.get_run_storage_id()}"  # type: ignore[attr-defined]


@contextmanager
def place_in_pool(context: dg.AssetExecutionContext, queued: Queued) -> Iterator[None]:
    """Waits for its turn and a place, says so where there is none, and frees it at the end.

    The place of a process that was killed is freed with its run, as places of Dagster's own steps are.
    """
    storage, run, step = context.instance.event_log_storage, context.run.run_id, context.op_execution_context.op.name
    if not _is_limited(context.instance):
        queued.has_place()
        yield
        return
    try:
        _wait(context, queued, storage, run, step)
        queued.has_place()
        yield
    finally:
        storage.free_concurrency_slot_for_step(run, step)


def _is_limited(instance: dg.DagsterInstance) -> bool:
    """Whether the pool has a limit: one that a person has set or, from then on, the default of the instance."""
    storage, default = instance.event_log_storage, instance.global_op_concurrency_default_limit
    if not storage.supports_global_concurrency_limits:
        return False
    found = _limit(storage)
    is_new = found is None and default is not None
    if is_new or (found and found.from_default and found.limit != default):  # a limit that a person has set stays
        _set_to_default(storage, default)
    return _limit(storage) is not None


def _limit(storage: "EventLogStorage") -> "PoolLimit | None":
    return next((limit for limit in storage.get_pool_limits() if limit.name == POOL), None)


def _set_to_default(storage: "EventLogStorage", default: int | None) -> None:
    """Where it is there already, Dagster (1.13.27) goes on in a transaction that PostgreSQL has ended."""
    from sqlalchemy.exc import InternalError

    try:
        storage.initialize_concurrency_limit_to_default(POOL)
    except InternalError:
        found = _limit(storage)
        if found is None:
            raise
        if default is not None and found.limit != default:  # else another process was faster
            storage.set_concurrency_slots(POOL, default)


def _wait(context: dg.AssetExecutionContext, queued: Queued, storage: "EventLogStorage", run: str, step: str) -> None:
    said = float("-inf")
    while True:
        seen = queued.look()
        if seen is None:
            time.sleep(LOOK_SECONDS)
            continue
        entries, order, used = seen
        place = next((n for n, one in enumerate(order) if one.id == queued.entry.id), len(order))
        info = storage.get_concurrency_info(POOL)
        limit = info.limit or 0
        free = limit - len(info.claimed_slots)
        if place < free:
            if storage.claim_concurrency_slot(POOL, run, step).is_claimed:
                return
            # Dagster would give it the next place whoever's turn it is then.
            storage.free_concurrency_slot_for_step(run, step)
        coming = sum(1 for one in entries if not one.waits and one.asked_by)
        if limit and place == max(free, 0) + coming and (asked := queued.ask_for_room(entries, used)):
            words = f"asked the training of {asked.use_case} ({PRIORITIES[asked.priority]} priority) to make room"
            context.log.info(vouch(words))
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            holders = sorted({slot.run_id[:8] for slot in info.claimed_slots})
            context.log.info(vouch(_waits_for(holders, limit, place)))
        progress.report(stage_of(context), 0, None, "", waits_for=f"a place in the pool {POOL}")
        time.sleep(LOOK_SECONDS)


def stage_of(context: dg.AssetExecutionContext) -> str:
    """The stage that a step makes or, where it is a check alone, judges: of a check `context.asset_key` fails."""
    made = context.assets_def
    return [*made.keys, *(check.asset_key for check in made.check_keys)][0].path[-1]


def _waits_for(holders: list[str], limit: int, place: int) -> str:
    if not limit:
        return f"waits for a place in the pool `{POOL}`: its limit is 0 (Deployment, Concurrency in the UI)"
    ahead = f"; {place} {'waits' if place == 1 else 'wait'} before it" if place else ""
    return f"waits for a place in the pool `{POOL}`: run {', '.join(holders)} has it{ahead}"
