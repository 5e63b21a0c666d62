"""The Dagster instance of an installation: whatever storage it has, only what `Edge` passes is written.
`instance_class` in dagster.yaml names it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorTick, TickData
from dagster._core.storage.event_log.base import EventLogStorage

from ft_platform.errors import ConfigError
from ft_platform.errors.vouched import is_vouched
from ft_platform.redaction.compute_logs import RestrictedComputeLogs
from ft_platform.redaction.console import MARK, Passed, use_for_runs
from ft_platform.redaction.edge import LABEL, Edge
from ft_platform.redaction.guarded_instance import GuardedInstance
from ft_platform.redaction.run_notes import note_runs, noted
from ft_platform.redaction.run_origin import with_origin
from ft_platform.redaction.temporary import installed
from ft_platform.redaction.withheld import Withheld, private
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.fields import fields

INSTANCE = TypeVar("INSTANCE", bound=dg.DagsterInstance)
FREE_CONFIG = (("loggers",), ("execution",))
"""Parts of a run's configuration that only Dagster's own code reads."""
SETTINGS = ("resources", "settings", "config")
"""Where a run's configuration has settings of its use case (`orchestration.run_settings`)."""
LOCAL_OUTPUT = "LocalComputeLogManager"


class RedactingInstance(GuardedInstance):
    """Dagster's instance behind an edge that withholds what may be personal data (`ft_platform.redaction`), and whose
    web servers are guarded. Without DAGSTER_HOME it is the installation's own, as for `ft`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **installed(kwargs))
        guard(self)
        note_runs(self, load_environment)


def guard(instance: INSTANCE) -> INSTANCE:
    """The same instance, with the edge in front of what it writes: events, runs, ticks, backfills, output of steps,
    values of plain assets."""
    if hasattr(instance, MARK):
        return instance
    edge = Edge(Withheld(instance.root_directory))
    setattr(instance, MARK, edge)
    use_for_runs()
    events, runs, ticks = instance.event_log_storage, instance.run_storage, instance.schedule_storage
    _before(events, "store_event", lambda event: edge.passed(noted(instance, event), event.run_id or "no_run"))
    events.store_event_batch = partial(_store_each, events)  # type: ignore[method-assign]
    _before(runs, "add_run", lambda run: _run(edge, run))
    _before(runs, "add_historical_run", lambda run: _run(edge, run))
    _before(runs, "add_backfill", lambda backfill: _backfill(edge, backfill))
    _before(runs, "update_backfill", lambda backfill: _backfill(edge, backfill))
    add_tags = runs.add_run_tags
    runs.add_run_tags = lambda run_id, new_tags: add_tags(run_id, edge.tags(new_tags))  # type: ignore[method-assign]
    if ticks is not None:
        _before(ticks, "create_tick", lambda tick: _tick(edge, tick))
        _before(ticks, "update_tick", lambda tick: InstigatorTick(tick.tick_id, _tick(edge, tick.tick_data)))
    ref = getattr(instance, "_ref", None)
    if ref is not None and ref.compute_logs_data.class_name == LOCAL_OUTPUT:
        instance._compute_log_manager = RestrictedComputeLogs(edge.withheld)
        instance.compute_log_manager.register_instance(instance)
    instance.storage_directory = lambda: _values(edge.withheld)
    named = instance.get_yaml_python_handlers
    instance.get_yaml_python_handlers = lambda: _handlers(instance, named, edge)
    return instance


def edge_of(instance: dg.DagsterInstance) -> Edge:
    """The edge of an instance that has one."""
    return getattr(instance, MARK)


def _before(storage: Any, method: str, change: Callable[[Any], Any]) -> None:
    """Puts `change` before a method, which then gets what it returns as its first argument."""
    write = getattr(storage, method)
    setattr(storage, method, lambda thing, *args, **kwargs: write(change(thing), *args, **kwargs))


def _store_each(events: EventLogStorage, entries: Iterable[dg.EventLogEntry]) -> None:
    """Several entries of the event log one by one: Dagster's class for Postgres would write them past the edge."""
    for entry in entries:
        events.store_event(entry)


def _handlers(
    instance: dg.DagsterInstance, named: Callable[[], Sequence[logging.Handler]], edge: Edge
) -> Sequence[logging.Handler]:
    """Handlers that dagster.yaml names for lines of runs, behind the edge.

    Where it names none, Dagster would still configure Python's logging anew at the start of each run. That closes every
    handler of the process, and some close what they write to.
    """
    if not instance.get_python_log_dagster_handler_config():
        return []
    handlers = named()
    for handler in handlers:
        handler.addFilter(Passed(edge))
    return handlers


def _values(withheld: Withheld) -> str:
    """Folder for what plain assets return: Dagster's default IO manager writes it there as it is."""
    folder = withheld.folder / "storage"
    for one in (withheld.folder, folder):
        private(one)
    return str(folder)


def _run(edge: Edge, run: dg.DagsterRun) -> dg.DagsterRun:
    """A run of the code location, without other people's tags.

    Raises:
        ConfigError: its configuration has text.
    """
    texts = sorted(set(_texts(run.run_config, ())))
    if texts:
        raise ConfigError(
            [
                f"the configuration of the run has text at {', '.join(texts)}, which would lie in Dagster's database"
                " for everybody to read"
            ],
            "Put it into the use case's YAML, a secret as `{{ env.NAME }}`. Numbers and yes or no are fine",
        )
    return with_origin(run.with_tags(edge.tags(run.tags)))


def _texts(config: Any, place: tuple[str, ...]) -> Iterator[str]:
    """Where a configuration has text, or names a variable: keys down to it, as far as they are plain names."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _texts(value, (*place, key if LABEL.fullmatch(str(key)) else "..."))
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _texts(value, place)
    elif isinstance(config, str) and config and not _may_stand(place, config):
        yield ".".join(place)


def _may_stand(place: tuple[str, ...], text: str) -> bool:
    if place and place[-1] == "env":  # `{env: NAME}`: what it holds would be in records and errors of the run
        return False
    return place[:1] in FREE_CONFIG or is_vouched(text) or _is_choice(place, text)


def _is_choice(place: tuple[str, ...], text: str) -> bool:
    """Whether it is one of the words that the schema of a use case offers at this place of a run's settings."""
    if place[:3] != SETTINGS:
        return False
    field = fields().get(".".join(place[3:]))
    return field is not None and field.kind.startswith("one of ") and f"`{text}`" in field.kind


def _tick(edge: Edge, tick: TickData) -> TickData:
    name = "ticks"
    reason = tick.skip_reason
    return tick._replace(
        error=edge.passed(tick.error, name) if tick.error else None,
        skip_reason=edge.sentence(reason, name) if reason else reason,
    )


def _backfill(edge: Edge, backfill: PartitionBackfill) -> PartitionBackfill:
    name = "backfills"
    texts = {
        field: edge.sentence(text, name) for field in ("title", "description") if (text := getattr(backfill, field))
    }
    return backfill._replace(
        tags=edge.tags(backfill.tags or {}),
        error=edge.passed(backfill.error, name) if backfill.error else None,
        **texts,
    )
