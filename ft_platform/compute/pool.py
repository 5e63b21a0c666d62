"""The place in the pool `gpu` that a program waits for: as many run at once as the pool has places.

Claimed here and not by the asset (`pool=`): a stage that is reused starts no program and waits for none, and Dagster's
own waiting is silent and takes a third of a core.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.storage.event_log import EventLogStorage

from ft_platform.process import progress
from ft_platform.process.vouched import vouch

POOL = "gpu"
LOOK_SECONDS = 2.0
SAY_SECONDS = 60.0


@contextmanager
def place_in_pool(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Waits for a place, says so where there is none, and frees it at the end.

    The place of a process that was killed is freed with its run, as places of Dagster's own steps are.
    """
    storage, run, step = context.instance.event_log_storage, context.run.run_id, context.op_execution_context.op.name
    if not storage.supports_global_concurrency_limits:
        yield
        return
    storage.initialize_concurrency_limit_to_default(POOL)
    if all(limit.name != POOL for limit in storage.get_pool_limits()):  # the instance has no default limit
        yield
        return
    try:
        said = float("-inf")
        while not storage.claim_concurrency_slot(POOL, run, step).is_claimed:
            if time.monotonic() - said >= SAY_SECONDS:
                said = time.monotonic()
                context.log.info(vouch(_waits_for(storage)))
            progress.report(stage_of(context), 0, None, "", waits_for=f"a place in the pool {POOL}")
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        storage.free_concurrency_slot_for_step(run, step)


def stage_of(context: dg.AssetExecutionContext) -> str:
    """The stage that a step makes or, where it is a check alone, judges: of a check `context.asset_key` fails."""
    made = context.assets_def
    return [*made.keys, *(check.asset_key for check in made.check_keys)][0].path[-1]


def _waits_for(storage: EventLogStorage) -> str:
    runs = sorted({slot.run_id[:8] for slot in storage.get_concurrency_info(POOL).claimed_slots})
    return f"waits for a place in the pool `{POOL}`: " + (
        f"run {', '.join(runs)} has it" if runs else "its limit is 0 (Deployment, Concurrency in the UI)"
    )
