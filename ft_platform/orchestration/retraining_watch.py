"""One sensor per use case that weighs all reasons for a retraining, and asks for its run."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset_check, sensor
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.orchestration.run_settings import NAME
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import CHAMPION

RETRAINING_DECISION = "retraining_decision"
"""External asset: the decision of each tick."""
CHECK = "more_data_helps"
EVERY_SECONDS = 300
ASKED_AGAIN_AFTER = timedelta(minutes=15)
"""A start without a run after so long was lost between the entry in the lake and Dagster's database."""
ENDINGS = {dg.DagsterRunStatus.SUCCESS: "succeeded", dg.DagsterRunStatus.CANCELED: "stopped"}


def retraining_watch(use_case: NamedUseCase, job: Any) -> dg.Definitions:
    """The asset of the decisions, the check that warns after losses, and the sensor, which starts the job."""
    key = dg.AssetKey([use_case.name, RETRAINING_DECISION])
    spec = dg.AssetSpec(
        key,
        description=(
            "Whether the model is trained again, at each tick: which reasons hold, what each needs, what holds it back,"
            f" what it will cost. All of it: ft retraining explain {use_case.name}"
        ),
        group_name=use_case.name,
        kinds={"sensor"},
        tags={"zone": "shared", "task": use_case.settings.task.kind, "compute": "external"},
        owners=[use_case.settings.owners.of("data_science")],
    )

    @asset_check(asset=key, name=CHECK, description="The newest candidates were not all refused.")
    def check(lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]) -> dg.AssetCheckResult:
        from ft_platform.assets.stage import typed_failures
        from ft_platform.monitoring.retraining.deciding import decision_at
        from ft_platform.redaction.metadata import vouched_metadata

        with typed_failures(CHECK):
            passed, metadata = _losses(decision_at(lake, environment, use_case, datetime.now(UTC)))
        return dg.AssetCheckResult(
            passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=vouched_metadata(metadata)
        )

    return dg.Definitions(assets=[spec], asset_checks=[check], sensors=[_sensor(use_case, job, key)])


def _sensor(use_case: NamedUseCase, job: Any, key: dg.AssetKey) -> dg.SensorDefinition:
    weighs = use_case.settings.retraining.mode == "by_reasons"

    @sensor(
        name=f"{use_case.name}_retraining",
        job=job,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if weighs else dg.DefaultSensorStatus.STOPPED,
        description=f"Weighs the reasons for training {use_case.name} again. On by default with by_reasons.",
    )
    def look(
        context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]
    ) -> dg.RunRequest | dg.SkipReason:
        from ft_platform.costs.fair_queue import run_priority
        from ft_platform.errors import FtError
        from ft_platform.monitoring.retraining.deciding import decide_and_start
        from ft_platform.redaction.metadata import vouched_metadata
        from ft_platform.training.continuing import weights_of

        now, by = datetime.now(UTC), instance_id(context.instance)
        try:
            lost = _note_ends(lake, environment, use_case, context.instance, by, now)
            decision, start = decide_and_start(
                lake, environment, use_case, now, by, partial(weights_of, lake, use_case)
            )
        except FtError as error:
            return dg.SkipReason(str(error))
        passed, told = _losses(decision)
        if not passed:
            context.log.warning(vouch(told["says"]))
        try:
            _tell(environment, use_case, passed, told)
        except FtError as error:  # of who is told; the decision stands
            context.log.warning(str(error))
        asked = start or lost
        # Here and not in the result, which the daemon would report: it knows none of the texts that are vouched for in
        # this process, and would withhold them.
        context.instance.report_runless_asset_event(
            dg.AssetObservation(key, metadata=vouched_metadata(_told(decision, asked)))
        )
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=CHECK,
                passed=passed,
                metadata=vouched_metadata(told),
                severity=dg.AssetCheckSeverity.WARN,
            )
        )
        if asked is None:
            return dg.SkipReason(f"{len(decision.holding)} reasons hold, {len(decision.blocked_by)} rules hold back")
        # The key is that of the evidence: Dagster makes one run of it, however often it is asked for.
        further = {"resources": {NAME: {"config": {"training": {"continue_from": CHAMPION}}}}}
        first = run_priority(use_case, environment.quotas, retraining=True)
        return dg.RunRequest(
            run_key=asked.id, tags={"ft/retraining": asked.id, **first}, run_config=further if asked.continues else None
        )

    return look


def _tell(environment: Environment, use_case: NamedUseCase, passed: bool, told: dict[str, Any]) -> None:
    """Raises TransientError: the outbox cannot be written."""
    from ft_platform.monitoring.alerts.alert import Alert
    from ft_platform.monitoring.alerts.delivery import alert, over
    from ft_platform.reporting.report_urls import home_url

    channels, losing = use_case.settings.monitoring.alerts, "retraining/losses"
    if passed and channels:
        over(environment, use_case.name, losing)
    elif channels:
        link = home_url(environment, use_case.name)
        what = vouch("candidates lose in a row")
        alert(environment, channels, Alert(use_case.name, what, "warning", vouch(told["says"]), link, losing))


def instance_id(instance: dg.DagsterInstance) -> str:
    """Stays the same as long as the database of runs."""
    storage: Any = instance.run_storage
    return storage.get_run_storage_id()


def _note_ends(
    lake: Lake, environment: Environment, use_case: NamedUseCase, instance: dg.DagsterInstance, by: str, now: datetime
) -> Any:
    """Notes the end of the run that this instance started. Returns its start if there is no run of it."""
    from ft_platform.monitoring.retraining.journal import alone, end, entries

    start = entries(lake, use_case.name).running
    if start is None or start.by != by:
        return None
    found = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": start.id}))
    if not found:
        return start if abs(now - start.at) > ASKED_AGAIN_AFTER else None
    if all(run.is_finished for run in found):
        with alone(environment, use_case.name):
            end(lake, use_case, start, now, ENDINGS.get(found[0].status, "failed"), found[0].run_id)
    return None


def _told(decision: Any, asked: Any) -> dict[str, Any]:
    """The decision in a few lines: the terminal shows all of it."""
    cost = decision.facts.cost
    why = [f"- {one.name}: {one.evidence}" for one in decision.holding]
    why += [f"- held back by {one.rule}: {one.why}" for one in decision.blocked_by]
    return {
        "started": asked.id if asked else "no",
        **({"trains_further": asked.continues} if asked and asked.continues else {}),
        **({"champion_not_trained_further": asked.not_continued} if asked and asked.not_continued else {}),
        "holds": ", ".join(one.name for one in decision.holding) or "no reason",
        "blocked_by": ", ".join(one.rule for one in decision.blocked_by) or "nothing",
        "why": dg.MetadataValue.md("\n".join(why) or "nothing speaks for it, nothing against it"),
        "needs": dg.MetadataValue.md(
            "\n".join(f"- {one.name}: {one.evidence}. Needs: {one.needs}" for one in decision.reasons if not one.holds)
        ),
        "estimated_cost": "unknown" if cost.money is None else f"{cost.money:.2f} {cost.currency}, {cost.basis}",
    }


def _losses(decision: Any) -> tuple[bool, dict[str, Any]]:
    """Whether the newest candidates are no losing streak, and what to say about it."""
    from ft_platform.monitoring.retraining.rules import LOSSES, losing_streak

    lost = decision.facts.losses
    says = losing_streak(decision.facts) if lost >= LOSSES else f"{lost} refused candidates in a row"
    return lost < LOSSES, {"losses_in_a_row": lost, "says": says}
