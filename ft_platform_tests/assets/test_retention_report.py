"""What is beyond its period is deleted every day where a period is set. Persons are fictitious."""

import dagster as dg
import pytest

from ft_platform.governance.retention import reports
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.governance.house import House, rows, today

REPORT = dg.AssetKey(["tests", "retention_report"])


def definitions(house: House, **retention: object) -> dg.RepositoryDefinition:
    house.attributes["retention"] = retention
    write_use_case(house.environment.defs, house.name, house.attributes)
    return load_definitions(house.environment, only=house.name).get_repository_def()


def test_who_sets_a_period_gets_a_schedule_that_is_on_and_nobody_else(environment: Environment) -> None:
    house = House(environment, expires=True)
    without = definitions(house)
    assert not [one for one in without.schedule_defs if "retention_delete" in one.name]
    assert REPORT not in without.asset_graph.get_all_asset_keys()
    found = definitions(house, expired_days=30)
    schedule = found.get_schedule_def("tests_retention_delete")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert REPORT not in found.get_job("tests").asset_layer.selected_asset_keys, "ft run deletes nothing"


@pytest.mark.integration
def test_the_run_deletes_and_says_how_much_and_fails_where_it_would_be_too_much(environment: Environment) -> None:
    house = House(environment, expires=True)
    house.write(rows(6, expires={1: today(-1), 2: today(-1)}))
    house.permit()
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions(house, expired_days=0).get_job("tests_retention_delete")
        refused = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not refused.success and house.lake.latest("tests", "raw_records").rows == 6
        job = definitions(house, expired_days=0, max_share=0.5).get_job("tests_retention_delete")
        done = job.execute_in_process(instance=instance)
        shown = done.asset_materializations_for_node("tests__retention_report")[0].metadata
        assert shown["rows_deleted"].value == 4 and shown["records"].value == {"expired": 2}
        again = job.execute_in_process(instance=instance)
        assert again.asset_materializations_for_node("tests__retention_report")[0].metadata["rows_deleted"].value == 0
    lake = open_lake(environment)
    assert lake.latest("tests", "raw_records").rows == 4
    assert [one["id"] for one in reports(lake, house.case)] == [shown["report"].value]
