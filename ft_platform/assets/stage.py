"""What all stages share as Dagster assets: keys, owners, tags, automation, failures and metadata, each decided in one
place."""

import functools
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import dagster as dg
from dagster._core.definitions.data_version import CODE_VERSION_TAG
from dagster._record import replace as changed

from ft_platform.assets import automation
from ft_platform.assets.columns import column_lineage, column_schema
from ft_platform.assets.lines import counts_table, said
from ft_platform.errors import FtError
from ft_platform.errors.vouched import vouch
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.process import progress
from ft_platform.process.memory import give_back
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.redaction.settings import shown_settings
from ft_platform.reporting.report_urls import report_url
from ft_platform.stages import ON_DEMAND, STAGES, Zone, check_settings_hash
from ft_platform.tracking.runs import runs_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import plain, settings_hash

FRESH = ("raw_records", "permitted_records")
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=30), warn_window=timedelta(days=23))
"""Of what reads the source and the consents: a withdrawal must have reached it within a month (Art. 12(3) GDPR). Other
stages have none: their age is no fault, only other content is."""

KINDS = {
    "table": {"deltalake"},
    "quarantine": {"deltalake"},
    "checkpoint": {"pytorch", "huggingface"},
    "report": {"html"},
}
JSON = dg.MetadataValue.json({})
"""Made for each stage anew, Dagster would try each time whether JSON can hold the settings: they come from there."""
NONE = "none"
"""Shown for a list or mapping with nothing in it."""
RESULT = TypeVar("RESULT")


def key(use_case: NamedUseCase, stage: str) -> dg.AssetKey:
    return dg.AssetKey([use_case.name, stage])


def group(use_case: NamedUseCase, stage_name: str) -> str:
    """The asset group of a stage. Stages that a person starts stand in one of their own, so that "Materialize all"
    leaves them out."""
    return f"{use_case.name}{ON_DEMAND}" if STAGES[stage_name].on_demand else use_case.name


def stage(use_case: NamedUseCase, name: str) -> dict[str, Any]:
    """Arguments of `@dg.asset` for one stage of one use case."""
    spec = STAGES[name]
    settings = use_case.settings
    return {
        "name": name,
        "key_prefix": use_case.name,
        "group_name": group(use_case, name),
        "ins": {parent: dg.AssetIn(key=key(use_case, parent)) for parent in spec.parents},
        "owners": [settings.owners.of(spec.role)],
        "kinds": KINDS[spec.kind],
        "tags": tags(use_case, spec.zone, settings.compute.profile if spec.program else "in_process"),
        "freshness_policy": FRESHNESS if name in FRESH else None,
        "metadata": {
            **column_schema(use_case, name),
            "settings": changed(JSON, data=shown_settings({s: plain(use_case.section(s)) for s in spec.reads})),
        },
        "code_version": code_version(use_case, name),
        "automation_condition": automation.condition_of(use_case, name),
        "io_manager_key": "versions",
        "output_required": True,
    }


def code_version(use_case: NamedUseCase, name: str) -> str:
    """Changes with the settings of the stage and of its checks: a changed check runs again, on the table that is there
    already."""
    checks = {check: check_settings_hash(use_case, name, check) for check in STAGES[name].checks}
    policy = {"policy": use_case.policy.to_dict()["hash"]} if name == "release_decision" else {}
    return settings_hash({"stage": STAGES[name].settings_hash(use_case), **checks, **policy})


def tags(use_case: NamedUseCase, zone: Zone, compute: str = "in_process") -> dict[str, str]:
    """Tags of an asset: which zone it lies in, what the use case does, where the step runs."""
    return {"zone": zone, "task": use_case.settings.task.kind, "compute": compute}


@contextmanager
def typed_failures(stage_name: str) -> Iterator[None]:
    """Turns errors into Dagster failures that name the next step.

    An unexpected exception may quote a record, so only its type and place reach the event log. That goes for what is no
    `Exception` too: a panic in Rust is a `BaseException` with the text of the panic. Stops pass: Dagster tells them
    from failures.
    """
    try:
        yield
    except FtError as error:
        raise dg.Failure(
            str(error), metadata=vouched_metadata({"error": type(error).__name__}), allow_retries=not error.permanent
        ) from None
    except (dg.Failure, dg.DagsterError, KeyboardInterrupt, dg.DagsterExecutionInterruptedError, GeneratorExit):
        raise
    except BaseException as error:
        places = [
            f"{frame.filename.rsplit('site-packages/', 1)[-1]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        raise dg.Failure(
            vouch(
                f"{stage_name} failed with {_kind(error)} at {places[-1]}. The message is left out because it may hold"
                " personal data."
            ),
            metadata=vouched_metadata(
                {
                    "error": type(error).__name__,
                    "traceback": dg.MetadataValue.md("```\n" + "\n".join(places[-15:]) + "\n```"),
                }
            ),
            allow_retries=False,
        ) from None


def _kind(error: BaseException) -> str:
    """The type, and for an operating-system error also its number's meaning (`No space left on device`), which quotes
    no data."""
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__} ({error.strerror})"
    return type(error).__name__


def with_typed_failures(function: Callable[..., RESULT]) -> Callable[..., RESULT]:
    """Decorator form of `typed_failures`, for asset and check functions. Before each, the process gives back what the
    ones before it left."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> RESULT:
        give_back()
        with typed_failures(function.__name__):
            return function(*args, **kwargs)

    return wrapped


def materialized(
    use_case: NamedUseCase,
    version: Version,
    manifest: Manifest,
    *,
    reused: bool = False,
    rows: int | None = None,
    **metadata: Any,
) -> dg.MaterializeResult:
    """The result of an asset: handle, data version and what the UI shows.

    Args:
        reused: nothing was computed, because an equal version was there.
        rows: records that a checkpoint was trained on or a report is about; a table has its own.
    """
    counts = {k: v for k, v in manifest.counts.items() if isinstance(v, (int, float, str))}
    shown: dict[str, Any] = {
        **({"dagster/row_count": manifest.rows} if isinstance(version, TableVersion) else {"records": rows}),
        "dagster/uri": version.uri,
        **column_lineage(use_case, version.name),
        **dict(sorted(metadata.items(), key=lambda item: item[0].startswith("plot/"))),
        "content_hash": version.content_hash,
        "version": version.id,
        "settings_hash": manifest.settings_hash or NONE,
        "seconds_to_make": manifest.seconds,
        "reused": reused,
        "counts": dg.MetadataValue.md(counts_table(counts)),
    }
    if funnel := manifest.counts.get("funnel"):
        shown["removed"] = dg.MetadataValue.json(funnel["removed"])
        shown["removed_rows"] = sum(funnel["removed"].values())
    return dg.MaterializeResult(
        value=version,
        data_version=dg.DataVersion(version.content_hash[:32]),
        # Of the settings that this run had: the definition has those of the file.
        tags={CODE_VERSION_TAG: code_version(use_case, version.name)} if version.name in STAGES else None,
        metadata=vouched_metadata({name: _said(name, value) for name, value in shown.items() if _is_there(value)}),
    )


def _is_there(value: Any) -> bool:
    return value is not None and value != dg.MetadataValue.md("")


def _said(name: str, value: Any) -> Any:
    """A list or mapping with nothing in it is said in a word: the UI would hide it behind a button."""
    return NONE if isinstance(value, dg.JsonMetadataValue) and value.value in ([], {}) else said(name, value)


def tracking(manifest: Manifest) -> dict[str, Any]:
    """The tracked runs of a checkpoint or report, or why there are none; a link for each that a browser can open."""
    state = manifest.info.get("tracking")
    links = {f"tracking/{name}": _link(run) for name, run in runs_of(state).items() if run.get("url")}
    return {"tracking": dg.MetadataValue.json(state) if isinstance(state, dict) else str(state), **links}


def _link(run: Mapping[str, Any]) -> dg.MetadataValue:
    """A run in a database file can be opened while somebody serves the file."""
    if served_by := run.get("served_by"):
        return dg.MetadataValue.md(f"[open the run]({run['url']}) while `{served_by}` runs")
    return dg.MetadataValue.url(run["url"])


def report_link(
    environment: Environment, artifact: ArtifactVersion, manifest: Manifest, page: str = "report.html"
) -> dict[str, Any]:
    """The HTML page of an artifact, where it has one: a link for the browser, and where it lies.

    The link leads to the portal, because browsers open no `file://` link from a page of Dagster's UI.
    """
    if page not in manifest.files:
        return {}
    report = dg.MetadataValue.url(report_url(environment, artifact, page, in_dagster=True))
    return {"report": report, "report_file": dg.MetadataValue.path(f"{artifact.uri}/{page}")}


def train_rows(lake: Lake, checkpoint: ArtifactVersion) -> int | None:
    """Records that a checkpoint was trained on."""
    return lake.manifest(checkpoint).counts.get("train", {}).get("rows")


def judged(
    lake: Lake, use_case: NamedUseCase, version: Version, check: str, judge: Callable[[], tuple[bool, dict[str, Any]]]
) -> dg.AssetCheckResult:
    """The result of a check, whose verdict is stored in the lake where the gate reads it.

    A verdict on the same content with the same settings is not computed again.
    """
    settings = check_settings_hash(use_case, version.name, check)
    verdict = lake.verdicts(version, intact_only=True).get(check)  # one that was altered is made again
    if not (verdict and verdict.settings_hash == settings and verdict.content_hash == version.content_hash):
        progress.report(version.name, 0, None, "checks", check=check)
        passed, numbers = judge()
        verdict = lake.add_verdict(version, check, passed, settings, numbers)
    return check_result(verdict)


def check_result(verdict: Verdict) -> dg.AssetCheckResult:
    numbers = {
        k: _said(k, dg.MetadataValue.json(v)) if isinstance(v, (dict, list)) else v for k, v in verdict.numbers.items()
    }
    metadata = vouched_metadata({**numbers, "checked_at": verdict.checked_at})
    return dg.AssetCheckResult(passed=verdict.passed, metadata=metadata, severity=dg.AssetCheckSeverity.ERROR)
