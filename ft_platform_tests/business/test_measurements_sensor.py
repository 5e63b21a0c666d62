"""A changed file of measurements is noticed between two runs, and asks for one new `roi_report`. Real ticks on an
ephemeral instance."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from ft_platform.errors import SourceError
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.business.cases import satisfaction, write_rows
from ft_platform_tests.conftest import minimal_attributes, write_use_case

ROI = dg.AssetKey(["complaints", "roi_report"])


class Watched:
    """A use case with one file of measurements, its sensor and its conditions, each with the cursor that the tick
    before left."""

    def __init__(self, environment: Environment, file: Path, instance: dg.DagsterInstance) -> None:
        self.environment, self.file, self.instance = environment, file, instance
        business = {"measurements": [{"uri": str(file), "period": "period"}]}
        write_use_case(environment.defs, "complaints", {**minimal_attributes("records.csv"), "business": business})
        self.definitions = load_definitions(environment, only="complaints")
        self.sensor_cursor: str | None = None
        self.cursor = None
        self.skipped = ""

    def look(self, settled: bool = True) -> int:
        """Changes that the sensor reported.

        Args:
            settled: the file was written a while ago.
        """
        if settled and self.file.exists():
            os.utime(self.file, (time.time() - 60, time.time() - 60))
        sensor = self.definitions.resolve_sensor_def("complaints_measurements")
        resources = {"environment": self.environment}
        with dg.build_sensor_context(
            cursor=self.sensor_cursor, definitions=self.definitions, resources=resources
        ) as context:
            found = sensor.evaluate_tick(context)
        self.sensor_cursor, self.skipped = found.cursor, found.skip_message or ""
        for event in found.asset_events:
            self.instance.report_runless_asset_event(event)
        return len(found.asset_events)

    def asked(self) -> int:
        """Requests of `roi_report` in one tick of the conditions; each is carried out."""
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, asset_selection=dg.AssetSelection.assets(ROI), cursor=self.cursor
        )
        self.cursor = result.cursor
        requested = result.get_num_requested(ROI)
        if requested:
            self.made("roi_report")
        return requested

    def made(self, stage: str) -> None:
        tags = {"dagster/data_version": "one"}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(["complaints", stage], tags=tags))


@pytest.mark.integration
def test_a_changed_file_asks_for_one_new_report_and_an_unchanged_one_for_none(
    environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "m.csv"
    write_rows(file, satisfaction([3.0] * 8, [4.0] * 8))
    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched(environment, file, instance)
        assert watched.look() == 1
        watched.made("evaluation_report")
        assert [watched.asked() for _ in range(3)] == [1, 0, 0], "there was no report yet"
        content = file.read_bytes()
        file.write_bytes(content)
        assert watched.look() == 0 and watched.asked() == 0, "written again with the same content"
        write_rows(file, satisfaction([3.0] * 8, [4.5] * 8))
        assert watched.look(settled=False) == 0 and "written completely" in watched.skipped
        assert watched.look() == 1 and [watched.asked() for _ in range(3)] == [1, 0, 0]
        file.unlink()
        with pytest.raises(SourceError, match=r"business\.measurements\[0\]"):
            watched.look()
        file.write_bytes(content)
        assert watched.look() == 1 and watched.asked() == 1, "a file that is again what it once was is a change too"


@pytest.mark.parametrize("measured", [True, False])
def test_only_a_use_case_with_measurements_watches_any(
    environment: Environment, tmp_path: Path, measured: bool
) -> None:
    business = {"measurements": [{"uri": str(tmp_path / "m.csv"), "period": "period"}]} if measured else {}
    write_use_case(environment.defs, "complaints", {**minimal_attributes("records.csv"), "business": business})
    repository = load_definitions(environment, only="complaints").get_repository_def()
    parents = repository.asset_graph.get(ROI).parent_keys
    assert ("complaints_measurements" in {sensor.name for sensor in repository.sensor_defs}) == measured
    assert (dg.AssetKey(["complaints", "measurements"]) in parents) == measured
