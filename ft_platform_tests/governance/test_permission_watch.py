"""A changed ledger or a day that passed is noticed between two runs: by a sensor, a daily schedule, and the check in
the graph."""

import dagster as dg
import pytest

from ft_platform.governance.taint import tainted_now
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.governance.house import House, rows, today

STAGES = ["permitted_records", "cleaned_records", "anonymized_records", "splits", "adapter_checkpoint"]


def definitions(house: House) -> dg.Definitions:
    write_use_case(house.environment.defs, house.name, house.attributes)
    return load_definitions(house.environment, only=house.name)


def names(found: dg.Definitions) -> tuple[set[str], set[str]]:
    repository = found.get_repository_def()
    return {schedule.name for schedule in repository.schedule_defs if "parity" not in schedule.name}, {
        sensor.name for sensor in repository.sensor_defs if "ledger" in sensor.name
    }


@pytest.mark.parametrize(
    ("ledger", "expires", "schedules", "sensors"),
    [
        (False, False, set(), set()),
        (False, True, {"tests_retention_sweep"}, set()),
        (True, False, {"tests_retention_sweep"}, {"tests_consent_ledger"}),
    ],
)
def test_only_what_can_end_a_permission_is_watched(
    environment: Environment, ledger: bool, expires: bool, schedules: set[str], sensors: set[str]
) -> None:
    house = House(environment, ledger=ledger, expires=expires)
    assert names(definitions(house)) == (schedules, sensors)


@pytest.fixture
def watched(environment: Environment) -> House:
    house = House(environment, ledger=True, expires=True)
    house.write(rows(3, expires={2: today(9)}))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    return house


def look(house: House, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    sensor = definitions(house).resolve_sensor_def("tests_consent_ledger")
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"lake": house.lake}) as context:
        result = sensor(context)
    assert isinstance(result, (dg.SensorResult, dg.SkipReason))
    return result


@pytest.mark.integration
def test_the_sensor_reports_a_changed_ledger_once_and_starts_a_sweep_where_there_is_something_to_sweep(
    watched: House,
) -> None:
    house = watched
    with dg.DagsterInstance.ephemeral() as instance:
        first = look(house, instance, None)
        assert isinstance(first, dg.SensorResult) and first.asset_events and not first.run_requests, (
            "nothing was materialized yet"
        )
        assert isinstance(look(house, instance, first.cursor), dg.SkipReason), "the ledger is unchanged"
        job = definitions(house).resolve_job_def("tests")
        keys = [dg.AssetKey(["tests", stage]) for stage in ("raw_records", "permitted_records")]
        assert job.execute_in_process(instance=instance, asset_selection=keys).success
        house.write_ledger(p0="yes", p1="withdrawn", p2="yes")
        changed = look(house, instance, first.cursor)
        assert isinstance(changed, dg.SensorResult) and changed.run_requests and len(changed.run_requests) == 1
        event = (changed.asset_events or [])[0]
        assert event.asset_key == dg.AssetKey(["tests", "consent_ledger"]) and "p1" not in str(event) + str(
            changed.run_requests
        )

        sweep = (
            definitions(house)
            .resolve_job_def("tests_retention_sweep")
            .execute_in_process(instance=instance, raise_on_error=False)
        )
        checks = {check.check_name: check.passed for check in sweep.get_asset_check_evaluations()}
        assert checks == {NOT_TAINTED: False}
        assert [one["version"] for one in tainted_now(house.lake, "tests")] == ["permitted_records@0"]
        assert not sweep.get_asset_materialization_events(), "a sweep makes no new version"


@pytest.mark.integration
def test_each_change_starts_one_sweep_also_the_one_back_to_an_earlier_ledger(watched: House) -> None:
    """Dagster starts no run for a run key that it has started one for."""
    house, keys = watched, []
    with dg.DagsterInstance.ephemeral() as instance:
        first = look(house, instance, None)
        assert isinstance(first, dg.SensorResult)
        house.permit()
        made = dg.AssetMaterialization(dg.AssetKey(["tests", "permitted_records"]))
        instance.report_runless_asset_event(made)
        cursor = first.cursor
        for status in ("withdrawn", "yes", "withdrawn", "yes"):
            house.write_ledger(p0="yes", p1=status, p2="yes")
            found = look(house, instance, cursor)
            assert isinstance(found, dg.SensorResult) and found.run_requests and len(found.run_requests) == 1, status
            again = look(house, instance, cursor)
            assert isinstance(again, dg.SensorResult) and again.run_requests, (
                "a tick whose cursor was lost asks for the same run"
            )
            assert again.run_requests[0].run_key == found.run_requests[0].run_key
            keys.append(found.run_requests[0].run_key)
            cursor = found.cursor
            assert isinstance(look(house, instance, cursor), dg.SkipReason)
    assert len(set(keys)) == 4


def test_a_ledger_that_cannot_be_read_is_told_and_keeps_the_cursor(watched: House) -> None:
    watched.ledger_file.unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = look(watched, instance, "sha256:before")
    assert isinstance(skipped, dg.SkipReason) and "does not exist" in (skipped.skip_message or "")


@pytest.mark.integration
def test_the_job_of_the_schedule_marks_all_that_a_passed_day_ends(
    watched: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = watched
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions(house).resolve_job_def("tests")
        keys = [dg.AssetKey(["tests", stage]) for stage in ("raw_records", "permitted_records")]
        assert job.execute_in_process(instance=instance, asset_selection=keys).success
        made = house.build()
        sweep = definitions(house).resolve_job_def("tests_retention_sweep")
        assert sweep.execute_in_process(instance=instance).success and tainted_now(house.lake, "tests") == []
        from ft_platform.assets import permitted_records as permitted
        from ft_platform.governance import taint
        from ft_platform_tests.governance.test_taint import later_datetime

        for module in (permitted, taint):
            monkeypatch.setattr(module, "datetime", later_datetime(10))
        result = (
            definitions(house)
            .resolve_job_def("tests_retention_sweep")
            .execute_in_process(instance=instance, raise_on_error=False)
        )
        assert [check.passed for check in result.get_asset_check_evaluations()] == [False]
    assert {one["version"]: one["reasons"] for one in tainted_now(house.lake, "tests")} == {
        made[stage].id: {"expired": 1} for stage in STAGES
    }
