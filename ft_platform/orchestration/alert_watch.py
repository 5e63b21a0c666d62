"""What tells people that something is wrong with a use case: a sensor that looks at its monitored days, its failed
runs, the releases that were rolled back and the quota of its team, and sends what is due."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256

import dagster as dg

from ft_platform.assets.decorators import sensor
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

WATCH_SECONDS = 60
CHECKING_JOBS = ("parity", "retention_sweep")
"""Jobs of a use case whose runs make no asset."""


def alert_watch(use_case: NamedUseCase) -> list[dg.SensorDefinition]:
    """The sensor `<use_case>_alerts`; none where nobody is to be told."""
    if not use_case.settings.monitoring.alerts:
        return []

    @sensor(
        name=f"{use_case.name}_alerts",
        minimum_interval_seconds=WATCH_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Tells people of alarms, failed runs and rollbacks of {use_case.name}, once while they last.",
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.alerts.day_alarms import of_day_reports
        from ft_platform.monitoring.alerts.delivery import deliver
        from ft_platform.monitoring.alerts.outbox import opened
        from ft_platform.monitoring.day_reports import STAGE, day_reports
        from ft_platform.reporting.report_urls import home_url, report_url

        channels = use_case.settings.monitoring.alerts
        home = home_url(environment, use_case.name)

        def link(version):
            return report_url(environment, version) if "report.html" in lake.manifest(version).files else home

        def of_days() -> list[Alert]:
            """Reports are read when there are others: each look at all of them costs a request for each day."""
            there = sha256("".join(lake.artifact_paths(use_case.name, STAGE)).encode()).hexdigest()
            seen = json.loads(context.cursor or "{}")
            if seen.get("reports") != there:
                alerts = of_day_reports(day_reports(lake, use_case.name, newest=1), link)
                seen = {"reports": there, "alerts": [asdict(alert) for alert in alerts]}
                context.update_cursor(json.dumps(seen))
            return [Alert(**alert) for alert in seen["alerts"]]

        problems: list[str] = []
        found = {
            "runs": lambda: failed_runs(context.instance, use_case, home),
            "day_reports": of_days,
            "rollouts": lambda: rolled_back(lake, use_case, home),
            "quota": lambda: short_quotas(lake, environment, use_case, home),
        }
        try:
            for source, alarms in found.items():
                try:
                    lasting = alarms()
                    with opened(environment.home, environment.alerting) as outbox:
                        outbox.lasting(use_case.name, source, lasting, channels, datetime.now(UTC))
                except FtError as error:  # the other source is told all the same
                    problems.append(str(error))
        finally:  # and so is what waits, whatever a source fails with
            problems += [f"{name}: {problem}" for name, problem in deliver(environment).items()]
        for problem in problems:
            context.log.warning(vouch(problem))
        return dg.SkipReason(vouch("; ".join(problems) or "nothing is due"))

    return [look]


def failed_runs(instance: dg.DagsterInstance, use_case: NamedUseCase, link: str) -> list[Alert]:
    """Runs that failed and were not made good since: an asset of theirs was not made again, or, of a job that only
    checks, no later run of it succeeded."""
    keys = instance.get_asset_keys(prefix=[use_case.name])
    entries = [record.asset_entry for record in instance.get_asset_records(keys)] if keys else []
    ids = {
        entry.last_run_id
        for entry in entries
        if entry.last_run_id
        and not (entry.last_materialization and entry.last_materialization.run_id == entry.last_run_id)
    }
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
    for name in CHECKING_JOBS:
        newest = instance.get_runs(dg.RunsFilter(job_name=f"{use_case.name}_{name}", statuses=ended), limit=1)
        ids |= {run.run_id for run in newest}
    failed = (
        instance.get_runs(dg.RunsFilter(run_ids=sorted(ids), statuses=[dg.DagsterRunStatus.FAILURE])) if ids else []
    )
    return [_alert(instance, run, use_case.name, link) for run in sorted(failed, key=lambda run: run.run_id)]


def rolled_back(lake: Lake, use_case: NamedUseCase, link: str) -> list[Alert]:
    """Releases that lost their traffic by themselves, and that nobody has looked at since."""
    from ft_platform.lake.releases import blocked_releases

    return [
        Alert(
            use_case.name,
            f"{release} was rolled back",
            "critical",
            vouch(f"{reason}. Look at it, then: ft rollout {use_case.name} --unblock {release} --reason <why>"),
            link,
            f"rollouts/{release}",
        )
        for release, reason in blocked_releases(lake, use_case.name).items()
    ]


def short_quotas(lake: Lake, environment: Environment, use_case: NamedUseCase, link: str) -> list[Alert]:
    """Quotas of this month of which the team has used or reserved most."""
    from ft_platform.costs.quotas import WARN_AT, has_quota, standing_of

    profile = environment.profile(use_case.settings.compute.profile)
    if not has_quota(environment, use_case, profile):
        return []
    found = standing_of(lake, environment, use_case, profile)
    return [
        Alert(
            use_case.name,
            f"quota of {found.team}",
            "warning" if one.left else "critical",
            vouch(
                f"{one.used:.2f} of {one.limit:.2f} {one.unit} of {found.month} (UTC) are used, {one.reserved:.2f}"
                f" reserved. {'What needs more than is left does not start' if one.left else 'Nothing more starts'}."
                " See: ft quota"
            ),
            link,
            f"quota/{found.month}/{one.name}",
        )
        for one in found.measures
        if one.share is not None and one.share >= WARN_AT
    ]


def _alert(instance: dg.DagsterInstance, run: dg.DagsterRun, use_case: str, link: str) -> Alert:
    steps = [
        step.step_key
        for step in instance.get_run_step_stats(run.run_id)
        if step.status and step.status.name == "FAILURE"
    ]
    where = f" at {', '.join(steps)}" if steps else ""
    what = "failed run" if run.job_name.startswith("__") else f"failed run of {run.job_name}"
    text = f"Run {run.run_id[:8]} failed{where}. What went wrong stands in Dagster's event log of the run."
    return Alert(use_case, what, "critical", text, link, f"runs/{run.run_id}")
