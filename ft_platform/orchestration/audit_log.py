"""What a code location does for the audit log: it notes files of settings that have changed, and a sensor anchors the
log and forwards its entries. A place that is down gets them later, and nobody waits for it."""

import logging

import dagster as dg

from ft_platform.errors import FtError
from ft_platform.errors.printable import printable
from ft_platform.errors.vouched import vouch
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.audit_log.sending import send
from ft_platform.use_case.file import FILE_NAME, find_use_cases
from ft_platform.use_case.settings.environment import Environment

WATCH_SECONDS = 30
LOG = logging.getLogger(__name__)
NOT_WRITTEN = "A file of settings has changed, and the audit log cannot be told, so every run is refused."
TICK_SECONDS = 30.0
"""A sensor of Dagster has 60."""


def audit_log_watch(environment: Environment) -> list[dg.SensorDefinition]:
    """The sensor `audit_log`; none where nothing leaves the installation."""
    if not (environment.audit_log.anchors or environment.audit_log.forward):
        return []

    @dg.sensor(
        name="audit_log",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Anchors the audit log and forwards its entries.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        arrived, problems = send(AuditLog(open_lake(environment)), environment, TICK_SECONDS)
        for problem in problems:
            context.log.warning(vouch(problem))
        return dg.SkipReason(vouch("; ".join([f"{arrived} entries and checkpoints sent", *problems])))

    return [sensor]


def note_files(environment: Environment) -> dg.Definitions:
    """Notes which files of settings have changed or are gone since somebody worked with them.

    Returns:
        Nothing; or, where that cannot be noted, an asset that says so. Runs are refused until it can be: each notes
        these files before its first step.
    """
    use_cases = {folder.name: folder / FILE_NAME for folder in find_use_cases(environment.defs)}
    try:
        audit_log_of(open_lake(environment), use_cases).note_files()
    except FtError as error:
        problem = printable(" ".join(str(error).split()))
        LOG.warning(f"{NOT_WRITTEN} {problem}")
        shown = dg.AssetSpec(
            dg.AssetKey(["audit_log", "cannot_be_written"]),
            group_name="audit_log",
            description=f"{NOT_WRITTEN}\n\n```\n{problem}\n```",
            kinds={"error"},
            metadata={"error": dg.MetadataValue.md(f"```\n{problem}\n```")},
        )
        return dg.Definitions(assets=[shown])
    return dg.Definitions()
