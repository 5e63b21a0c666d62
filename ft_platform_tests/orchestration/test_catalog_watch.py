"""The sensor `unity_catalog` looks after runs, once an hour at everything, and again where the catalogue was down."""

import json
from collections.abc import Collection

import dagster as dg
import pytest

from ft_platform.errors import TransientError
from ft_platform.orchestration import catalog_watch as watched
from ft_platform.orchestration.catalog_watch import WHOLE, catalog_watch
from ft_platform.tracking.unity_tables import Shown
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.unity_catalog import UnityCatalog
from ft_platform_tests.conftest import minimal_attributes, write_use_case


class Watch:
    """
    Attributes:
        asked: names that each look got.
        down: the catalogue does not answer.
    """

    def __init__(self, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.down, self.cursor = False, None
        self.instance = dg.DagsterInstance.ephemeral()
        monkeypatch.setattr(watched, "look", self.look)
        catalogue = UnityCatalog(tables={"splits": "ml.datasets"})
        (self.sensor,) = catalog_watch(environment.model_copy(update={"unity_catalog": catalogue}))

    def look(self, _: Environment, only: Collection[str]) -> list[Shown]:
        self.asked.append(sorted(only))
        if self.down:
            raise TransientError("the catalogue does not answer", "Run again")
        return [Shown("ml.datasets.a_splits", "failed", "this name is taken")]

    def tick(self) -> list[list[str]]:
        self.asked.clear()
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            found = self.sensor.evaluate_tick(context)
        self.cursor, self.said = found.cursor, found.skip_message or ""
        return list(self.asked)


@pytest.fixture
def watch(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Watch:
    for name in ("first", "second"):
        write_use_case(environment.defs, name, minimal_attributes("x.csv"))
    monkeypatch.setattr(watched, "OVERLAP_SECONDS", 0.0)
    return Watch(environment, monkeypatch)


def ended(instance: dg.DagsterInstance, name: str, kind: dg.DagsterEventType) -> None:
    run = instance.create_run_for_job(dg.GraphDefinition(name=name).to_job())
    for one in dict.fromkeys([dg.DagsterEventType.RUN_START, kind]):
        instance.report_dagster_event(dg.DagsterEvent(one.value, run.job_name), run.run_id)


def test_everything_is_looked_at_first_and_then_what_runs_made(watch: Watch) -> None:
    assert watch.tick() == [[WHOLE, "first", "second"]]
    assert "this name is taken" in watch.said
    assert watch.tick() == []
    ended(watch.instance, "first", dg.DagsterEventType.RUN_SUCCESS)
    assert watch.tick() == [["first"]] and watch.tick() == []
    ended(watch.instance, "second", dg.DagsterEventType.RUN_FAILURE)
    assert watch.tick() == [["second"]], "a check that failed takes a table out"
    cursor = json.loads(str(watch.cursor))
    watch.cursor = json.dumps({**cursor, "whole": cursor["whole"] - watched.WHOLE_SECONDS - 1})
    assert watch.tick() == [[WHOLE, "first", "second"]]


def test_what_a_catalogue_that_is_down_was_not_told_is_told_later(watch: Watch) -> None:
    watch.tick()
    watch.down = True
    ended(watch.instance, "first", dg.DagsterEventType.RUN_SUCCESS)
    assert watch.tick() == [["first"]] and "does not answer" in watch.said
    assert watch.tick() == [["first"]]
    watch.down = False
    assert watch.tick() == [["first"]] and watch.tick() == []


def test_a_use_case_whose_run_goes_on_waits_for_its_end(watch: Watch) -> None:
    ended(watch.instance, "second", dg.DagsterEventType.RUN_START)
    assert watch.tick() == [[WHOLE, "first"]] and watch.tick() == []
    run = watch.instance.get_runs()[0]
    watch.instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
    )
    assert watch.tick() == [["second"]]


def test_without_a_catalogue_there_is_no_sensor(environment: Environment) -> None:
    assert catalog_watch(environment) == []
