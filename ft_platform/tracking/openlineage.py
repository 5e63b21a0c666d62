"""Runs of stages as OpenLineage events for a collector.

Names of assets and jobs, versions, hashes, counts of rows, names and types of columns are sent; no value of a record,
no path, no account and no text of an error.
"""

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ft_platform import __version__
from ft_platform.errors import FtError, MissingExtra, TransientError
from ft_platform.use_case.settings.alerting import Lineage

PRODUCER = f"urn:ft-platform:{__version__}"
SECONDS = 10.0
MOST_BYTES = 10_000
TRY_AGAIN = (401, 403, 404, 407, 408, 425, 429)
"""Statuses below 500 that are about the collector or its key, and not about the event."""


class EventRefused(FtError):
    """A collector does not take an event, and would not take it later."""


@dataclass(frozen=True)
class Made:
    """A version that a step made.

    Attributes:
        asset: its key, as `<use case>/<stage>`.
        version: data version.
        content_hash: sha256, or empty.
        rows: of a table.
        columns: name -> type, of a table.
        parents: key -> data version of what it was made from.
    """

    asset: str
    version: str
    content_hash: str = ""
    rows: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepEvent:
    """A step began or ended.

    Attributes:
        run_id, job: of the run of Dagster that it belongs to.
        step: its name in the run.
        assets: that it makes, by key.
        error: class of the error, where it failed.
    """

    kind: Literal["START", "COMPLETE", "FAIL", "ABORT"]
    at: datetime
    run_id: str
    job: str
    step: str
    assets: tuple[str, ...]
    made: tuple[Made, ...] = ()
    error: str = ""


def to_json(told: StepEvent, namespace: str) -> bytes:
    """The event in OpenLineage's format. The same step gives the same run id, so a collector knows what it has.

    Raises:
        MissingExtra: OpenLineage's client is not installed.
    """
    try:
        from openlineage.client import event_v2 as events
        from openlineage.client.facet_v2 import (
            error_message_run,
            job_type_job,
            output_statistics_output_dataset,
            parent_run,
        )
        from openlineage.client.serde import Serde
    except ImportError:
        raise MissingExtra("openlineage-python, which `lineage` needs,", extra="openlineage") from None
    events.set_producer(PRODUCER)
    own_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:ft-platform:{told.run_id}/{told.step}"))
    parent = parent_run.ParentRunFacet(parent_run.Run(told.run_id), parent_run.Job(namespace, told.job))
    facets: dict = {"parent": parent}
    if told.error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(told.error, "PYTHON")
    outputs = {asset: events.OutputDataset(namespace, asset) for asset in told.assets}
    for one in told.made:
        rows = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=one.rows)
        statistics: dict = {} if one.rows is None else {"outputStatistics": rows}
        outputs[one.asset] = events.OutputDataset(namespace, one.asset, statistics, facets=_facets(one))
    parents = {key: version for one in told.made for key, version in one.parents.items()}
    event = events.RunEvent(
        eventType=events.RunState(told.kind),
        eventTime=told.at.isoformat(),
        run=events.Run(own_id, facets),
        job=events.Job(
            namespace, "+".join(told.assets), {"jobType": job_type_job.JobTypeJobFacet("BATCH", "DAGSTER", "STEP")}
        ),
        inputs=[
            events.InputDataset(namespace, key, facets=_facets(Made(key, version))) for key, version in parents.items()
        ],
        outputs=list(outputs.values()),
    )
    return Serde.to_json(event).encode()


def _facets(one: Made) -> dict:
    from openlineage.client.facet_v2 import DatasetFacet, dataset_version_dataset, schema_dataset

    found: dict = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(one.version)}
    if one.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in one.columns.items()]
        found["schema"] = schema_dataset.SchemaDatasetFacet(fields)
    if one.content_hash:
        found["ft_contentHash"] = DatasetFacet().with_additional_properties(sha256=one.content_hash)
    return found


def post(lineage: Lineage, event: bytes) -> None:
    """Hands one event to the collector.

    Raises:
        TransientError: it cannot be handed over now; later, or with another key, it may be.
        EventRefused: the collector refuses the event itself.
    """
    from ft_platform.process.bounded_http import NoAnswer, ask

    headers = {"Content-Type": "application/json"}
    if lineage.api_key_variable:
        key = os.environ.get(lineage.api_key_variable, "").strip()
        if not re.fullmatch(r"[!-~]+", key):
            raise TransientError(f"the environment variable {lineage.api_key_variable} has no key", "Set it")
        headers["Authorization"] = f"Bearer {key}"
    try:
        answer = ask("POST", lineage.url, headers, event, SECONDS, MOST_BYTES)
    except NoAnswer as error:
        raise TransientError(f"the collector of OpenLineage events: {error}", "It is tried again") from None
    if 400 <= answer.status < 500 and answer.status not in TRY_AGAIN:
        raise EventRefused(f"the collector of OpenLineage events refuses one with status {answer.status}")
    if not 200 <= answer.status < 300:
        raise TransientError(f"the collector of OpenLineage events answers {answer.status}", "It is tried again")
