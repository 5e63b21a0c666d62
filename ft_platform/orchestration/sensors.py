"""Sensors of files: new or changed content of a source, or of measurements, is reported as a new version of an external
asset."""

import hashlib
import json
import os
import re
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ft_platform.assets.asset_keys import MEASUREMENTS
from ft_platform.assets.decorators import sensor
from ft_platform.errors import FtError, TransientError
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

MOST_FAILURES = 5
"""Looks in a row at a place that does not answer, which may pass, until it counts as gone."""
S3_URI = re.compile(r"^s3a?://([^/]+)/?([^*?\[]*)")


def source_sensor(use_case: NamedUseCase) -> dg.SensorDefinition:
    """Reports once that the source, or what was released of feedback, changed, or that persons were erased. What runs
    then is the automation conditions' decision, by content."""
    running = use_case.settings.retraining.watches_source
    key = dg.AssetKey([use_case.name, "source"])

    @sensor(
        name=f"{use_case.name}_source",
        asset_selection=dg.AssetSelection.assets(key),
        minimum_interval_seconds=use_case.settings.retraining.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Looks for new or changed content in the source of {use_case.name}, by hash, and for released feedback."
            " Off by default if retraining.mode is on_demand."
        ),
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.erasure.tombstones import erased_persons
        from ft_platform.governance.feedback_releases import released_batches
        from ft_platform.sources.discovery import fingerprint
        from ft_platform.sources.source_file import being_written

        source = use_case.settings.source
        seen = _cursor(context.cursor)
        try:
            feedback, listing = released_batches(lake, use_case), bucket_listing(source)
            erased = erased_persons(lake, environment, use_case).fingerprint
            before = seen.get("listing"), seen.get("feedback", {}), seen.get("erased", "")
            if listing and (listing, feedback, erased) == before:
                _note_answer(context, environment, use_case, "source", seen)
                return dg.SkipReason("no object of the bucket was written, replaced or deleted")
            files = fingerprint(source, environment)
        except FtError as error:
            return _failed(context, environment, use_case, "source", seen, error)
        seen = _note_answer(context, environment, use_case, "source", seen)
        content = {**files, **feedback, **({"erased": erased} if erased else {})}
        version = hashlib.sha256(json.dumps(sorted(content.items())).encode()).hexdigest()[:32]
        cursor = json.dumps({"content": version, "listing": listing, "feedback": feedback, "erased": erased})
        if seen.get("content") == version:
            context.update_cursor(cursor)
            return dg.SkipReason(f"{len(files)} file(s) or table(s), content unchanged")
        if unfinished := being_written(files):
            return dg.SkipReason(
                f"{len(unfinished)} file(s) changed within the last seconds: looks again once they are written"
                " completely"
            )
        event = dg.AssetMaterialization(key, metadata={"files": len(files)}, tags={"dagster/data_version": version})
        return dg.SensorResult(asset_events=[event], cursor=cursor)

    return look


def measurements_sensor(use_case: NamedUseCase) -> dg.SensorDefinition:
    """Reports changed files of measurements once. `roi_report` follows by its automation condition."""
    key = dg.AssetKey([use_case.name, MEASUREMENTS])

    @sensor(
        name=f"{use_case.name}_{MEASUREMENTS}",
        asset_selection=dg.AssetSelection.assets(key),
        minimum_interval_seconds=use_case.settings.retraining.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks for changed files of business.measurements of {use_case.name}, by hash.",
    )
    def look(
        context: dg.SensorEvaluationContext, environment: dg.ResourceParam[Environment]
    ) -> dg.SensorResult | dg.SkipReason:
        from ft_platform.monitoring.business.measurements import measurement_parts
        from ft_platform.sources.source_file import being_written

        seen = _cursor(context.cursor)
        try:
            files = measurement_parts(use_case.settings.business, environment)
        except FtError as error:
            return _failed(context, environment, use_case, MEASUREMENTS, seen, error)
        seen = _note_answer(context, environment, use_case, MEASUREMENTS, seen)
        version = hashlib.sha256(json.dumps([sha256 for _, sha256 in files]).encode()).hexdigest()[:32]
        if seen.get("content") == version:
            return dg.SkipReason(f"{len(files)} file(s), content unchanged")
        if unfinished := being_written(part.uri for part, _ in files):
            return dg.SkipReason(
                f"{len(unfinished)} file(s) changed within the last seconds: looks again once they are written"
                " completely"
            )
        event = dg.AssetMaterialization(key, metadata={"files": len(files)}, tags={"dagster/data_version": version})
        return dg.SensorResult(asset_events=[event], cursor=json.dumps({"content": version}))

    return look


def _failed(
    context: dg.SensorEvaluationContext,
    environment: Environment,
    use_case: NamedUseCase,
    what: str,
    seen: dict[str, Any],
    error: FtError,
) -> dg.SkipReason:
    """A reason to look again later, where the place may answer then. Otherwise people are told, and the tick fails:
    nobody notices a sensor that skips for days.

    Args:
        seen: the cursor, which counts the looks that failed.

    Raises:
        FtError: this error, where it does not pass by itself, or has not passed in `MOST_FAILURES` looks.
    """
    failures = seen.get("failures", 0) + 1
    context.update_cursor(json.dumps({**seen, "failures": failures}))
    if not error.permanent and failures < MOST_FAILURES:
        return dg.SkipReason(vouch(f"{error} (look {failures} of {MOST_FAILURES}, after which this is an alarm)"))
    _tell(environment, use_case, what, error)
    raise error


def _note_answer(
    context: dg.SensorEvaluationContext,
    environment: Environment,
    use_case: NamedUseCase,
    what: str,
    seen: dict[str, Any],
) -> dict[str, Any]:
    """The cursor of a place that answers: an alarm about it is over."""
    _tell(environment, use_case, what, None)
    if "failures" in seen:
        seen = {name: value for name, value in seen.items() if name != "failures"}
        context.update_cursor(json.dumps(seen))
    return seen


def _tell(environment: Environment, use_case: NamedUseCase, what: str, error: FtError | None) -> None:
    """Queues an alarm, which `<use_case>_alerts` sends, or notes that it is over. A message that leaves the
    installation names no file: the tick does."""
    from ft_platform.monitoring.alerts.alert import Alert
    from ft_platform.monitoring.alerts.outbox import opened
    from ft_platform.reporting.report_urls import home_url

    channels = use_case.settings.monitoring.alerts
    if not channels:
        return
    text = f"Nothing new is read from there ({type(error).__name__}). The sensor {use_case.name}_{what} says why."
    alarm = Alert(
        use_case.name,
        f"{what} cannot be read",
        "critical",
        vouch(text),
        home_url(environment, use_case.name),
        f"{what}_watch/unreadable",
    )
    with opened(environment.home, environment.alerting) as outbox:
        outbox.lasting(use_case.name, f"{what}_watch", [alarm] if error else [], channels, datetime.now(UTC))


def bucket_listing(source: Source) -> str | None:
    """A hash of names, sizes and ETags of the objects that an S3 source may mean: one request per thousand, nothing is
    downloaded.

    None where the source is not in S3, is a Delta table, or dagster-aws is not installed: then content alone decides.

    Raises:
        SourceError: the bucket is not on the list of allowed sources.
        TransientError: the bucket does not answer, or may not be listed.
    """
    from ft_platform.use_case.settings.allowed_sources import require_allowed

    place = S3_URI.match(source.uri)
    if not place or source.format == "delta":
        return None
    require_allowed(source.uri)
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster_aws.s3.sensor import get_objects
    except ImportError:
        return None
    try:
        endpoint_url = os.environ.get("AWS_ENDPOINT_URL")
        client = boto3.client("s3", endpoint_url=endpoint_url, region_name=os.environ.get("AWS_REGION"))
        objects = get_objects(place[1], place[2], client=client)
    except (BotoCoreError, ClientError) as error:
        problem = f"the bucket of source.uri {source.uri} cannot be listed ({type(error).__name__})"
        raise TransientError(problem, "Check network, endpoint and credentials") from None
    listed = sorted((one.get("Key", ""), one.get("Size", 0), one.get("ETag", "")) for one in objects)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:32]


def _cursor(cursor: str | None) -> dict[str, Any]:
    try:
        return json.loads(cursor or "{}")
    except ValueError:
        return {}
