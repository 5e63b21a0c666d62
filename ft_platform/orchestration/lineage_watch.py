"""Tells a collector of OpenLineage events which stages ran: a sensor that reads Dagster's event log, beside the runs. A
collector that is down is told later; no run waits for it."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ft_platform.errors.vouched import vouch
from ft_platform.tracking.openlineage import EventRefused, Made, StepEvent, post, to_json
from ft_platform.use_case.settings.environment import Environment

WATCH_SECONDS = 30
TICK_SECONDS = 30.0
"""A sensor of Dagster has 60."""
OVERLAP_SECONDS = 120.0
"""Runs are looked at again for so long: one may be written to the database after one that changed later."""
INPUT_VERSION = "dagster/input_data_version/"
FAILED, ABORTED = dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED
TOLD = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    FAILED,
    ABORTED,
}
Columns = Mapping[str, Mapping[str, str]]


def lineage_watch(environment: Environment) -> list[dg.SensorDefinition]:
    """The sensor `openlineage`; none where no collector is to be told."""
    lineage = environment.lineage
    if lineage is None:
        return []

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the collector of OpenLineage events which stages began, ended and failed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from ft_platform.errors import FtError

        until = time.monotonic() + TICK_SECONDS
        seen = json.loads(context.cursor) if context.cursor else {"since": time.time(), "runs": {}}
        runs: dict[str, int] = seen["runs"]
        columns = columns_of(context)
        told, problem = 0, ""
        records = changed_runs(context.instance, seen)
        try:
            for record in records:
                run_id = record.dagster_run.run_id
                runs.setdefault(run_id, 0)
                for event in step_events(context.instance, record.dagster_run, columns)[runs[run_id] :]:
                    if time.monotonic() > until:
                        raise TimeoutError
                    try:
                        post(lineage, to_json(event, lineage.namespace))
                        told += 1
                    except EventRefused as error:  # it would hold up all others for ever
                        context.log.warning(vouch(str(error)))
                    runs[run_id] += 1
                seen["since"] = max(seen["since"], record.update_timestamp.timestamp())
            seen["runs"] = {
                record.dagster_run.run_id: runs[record.dagster_run.run_id]
                for record in records
                if not record.dagster_run.is_finished
                or record.update_timestamp.timestamp() > seen["since"] - OVERLAP_SECONDS
            }
        except TimeoutError:
            problem = "the rest follows with the next tick"
        except FtError as error:
            problem = str(error)
            context.log.warning(vouch(problem))
        context.update_cursor(json.dumps(seen))
        return dg.SkipReason(vouch(f"{told} events told" + (f"; {problem}" if problem else "")))

    return [sensor]


def changed_runs(instance: dg.DagsterInstance, seen: Mapping[str, Any]) -> list[Any]:
    """Records of the runs that may have something new, those that changed first first."""
    since = datetime.fromtimestamp(seen["since"] - OVERLAP_SECONDS, UTC)
    found = {
        record.dagster_run.run_id: record
        for records in (
            instance.get_run_records(dg.RunsFilter(updated_after=since)),
            instance.get_run_records(dg.RunsFilter(run_ids=list(seen["runs"]))) if seen["runs"] else [],
        )
        for record in records
    }
    return sorted(found.values(), key=lambda record: record.update_timestamp)


def columns_of(context: dg.SensorEvaluationContext) -> Columns:
    """Key of a table -> name and type of its columns."""
    if context.repository_def is None:
        return {}
    graph = context.repository_def.asset_graph
    found: dict[str, Mapping[str, str]] = {}
    for key in graph.get_all_asset_keys():
        schema = graph.get(key).metadata.get("dagster/column_schema")
        if isinstance(schema := getattr(schema, "schema", schema), dg.TableSchema):
            found[key.to_user_string()] = {column.name: column.type for column in schema.columns}
    return found


def step_events(instance: dg.DagsterInstance, run: dg.DagsterRun, columns: Columns) -> list[StepEvent]:
    """What happened in a run so far, in order; a later look begins with the same events. Steps that make no asset are
    left out."""
    found: list[StepEvent] = []
    planned: dict[str, list[str]] = {}
    made: dict[str, list[Made]] = {}
    open_steps: dict[str, None] = {}
    for entry in instance.all_logs(run.run_id, of_type=TOLD):
        event, at = entry.get_dagster_event(), datetime.fromtimestamp(entry.timestamp, UTC)
        kind, step = event.event_type, event.step_key or ""

        def told(what: Any, step: str, at: datetime = at, **more: Any) -> StepEvent:
            return StepEvent(what, at, run.run_id, run.job_name, step, tuple(planned[step]), **more)

        if kind == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and event.asset_key:
            planned.setdefault(step, []).append(event.asset_key.to_user_string())
        elif kind in (FAILED, ABORTED):
            found += [told("FAIL" if kind == FAILED else "ABORT", one) for one in open_steps]
            open_steps = {}
        elif step not in planned:
            continue
        elif kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
            made.setdefault(step, []).append(_made(event.step_materialization_data.materialization, columns))
        elif kind == dg.DagsterEventType.STEP_START:
            open_steps[step] = None
            found.append(told("START", step))
        else:
            open_steps.pop(step, None)
            if kind == dg.DagsterEventType.STEP_SUCCESS:
                found.append(told("COMPLETE", step, made=tuple(made.get(step, ()))))
            else:
                found.append(told("FAIL", step, error=_class_of(event.step_failure_data)))
    return found


def _made(materialization: dg.AssetMaterialization, columns: Columns) -> Made:
    key = materialization.asset_key.to_user_string()
    tags = materialization.tags or {}
    values = {name: value.value for name, value in materialization.metadata.items()}
    rows, content_hash = values.get("dagster/row_count"), values.get("content_hash")
    return Made(
        key,
        tags.get("dagster/data_version", "unknown"),
        content_hash if isinstance(content_hash, str) else "",
        rows if isinstance(rows, int) else None,
        columns.get(key, {}),
        {name.removeprefix(INPUT_VERSION): value for name, value in tags.items() if name.startswith(INPUT_VERSION)},
    )


def _class_of(failure: Any) -> str:
    """The class of an error without its text: as a stage names it, or as Dagster does."""
    named = failure.user_failure_data.metadata.get("error") if failure.user_failure_data else None
    return str(named.value) if named else (failure.error.cls_name or "error") if failure.error else "error"
