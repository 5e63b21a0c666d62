"""A code location with two use cases whose keys, jobs and sensors are named as the platform names them, with days and
customers to partition by. Nothing in it is computed: runs stay in the queue."""

import dagster as dg

USE_CASES = ("complaints", "letters")
STAGES = ("raw_records", "splits", "adapter_checkpoint", "evaluation_report", "release", "deployment")


def in_the_queue() -> None:
    raise AssertionError("runs stay in the queue")


def definitions(name: str) -> dg.Definitions:
    days = dg.StaticPartitionsDefinition(["monday", "tuesday"])
    customers = dg.DynamicPartitionsDefinition(name=f"{name}_customers")

    def asset(stage: str, **more) -> dg.AssetsDefinition:
        return dg.asset(name=stage, key_prefix=name, group_name=name, **more)(in_the_queue)

    @dg.asset_check(asset=dg.AssetKey([name, "splits"]), name="no_leakage")
    def no_leakage() -> dg.AssetCheckResult:
        raise AssertionError("runs stay in the queue")

    assets = [asset(stage) for stage in STAGES]
    monitoring = asset("monitoring_report", partitions_def=days)
    own = asset("own_stage", partitions_def=customers)
    reports = dg.define_asset_job(f"{name}_reports", selection=[dg.AssetKey([name, "evaluation_report"])])
    everything = dg.define_asset_job(name, selection=[one.key for one in assets])
    back = dg.define_asset_job(f"{name}_rollback", selection=[dg.AssetKey([name, one]) for one in STAGES[-2:]])
    by_day = dg.define_asset_job(f"{name}_monitoring", selection=[monitoring.key], partitions_def=days)
    checks = dg.define_asset_job(f"{name}_sweep", selection=dg.AssetSelection.checks(no_leakage.check_key))

    @dg.sensor(name=f"{name}_source", job=reports)
    def source(context: dg.SensorEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_config={"secret": f"of {name}"})

    @dg.sensor(name=f"{name}_alerts")
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        raise ValueError(f"a trace of {name}")

    return dg.Definitions(
        assets=[*assets, monitoring, own],
        asset_checks=[no_leakage],
        jobs=[everything, reports, back, by_day, checks],
        schedules=[dg.ScheduleDefinition(name=f"{name}_daily", job=reports, cron_schedule="0 2 * * *")],
        sensors=[source, alerts],
    )


automation = dg.AutomationConditionSensorDefinition("automation", target=dg.AssetSelection.all())
defs = dg.Definitions.merge(dg.Definitions(sensors=[automation]), *(definitions(name) for name in USE_CASES))
