"""What `ft run` says before it begins: which stages it will make and why, which it will use again."""

from pathlib import Path

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.plan import Plan, Planned, plan
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, records, write_csv

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


def planned(environment: Environment, **overrides: object) -> Plan:
    case = load_use_case(environment.defs / "complaints", overrides, environment)
    return plan(open_lake(environment), environment, case, [*DATA, "adapter_checkpoint"])


@pytest.fixture
def graph(environment: Environment, tmp_path: Path, quick_stages: None, without_audit: None) -> Graph:
    source_uri = str(write_csv(tmp_path / "complaints.csv", records()))
    write_use_case(environment.defs, "complaints", minimal_attributes(source_uri))
    return Graph(environment, "complaints", dg.DagsterInstance.ephemeral())


def test_the_plan_says_what_a_training_may_be_expected_to_reach() -> None:
    training, splits = Planned("adapter_checkpoint", "first time", None), Planned("splits", "first time", None)
    assert "  Expected: macro-F1 0.31 to 0.45" in Plan([training], 1.0, "macro-F1 0.31 to 0.45").lines()
    assert Plan([training], 1.0, few_steps="96 steps are few").lines()[2] == "  96 steps are few"
    assert Plan([splits], 1.0, few_steps="96 steps are few").lines()[2:] == []
    assert not any("Expected" in line for line in Plan([splits], 1.0, "macro-F1 0.31 to 0.45").lines())


def test_the_plan_follows_what_was_made_and_what_was_changed(graph: Graph, environment: Environment) -> None:
    first = planned(environment)
    assert {one.why for one in first.stages} == {"first time"} and first.lines()[1:] == ["  6 with no time known yet"]
    assert graph.run(*DATA).success

    again = planned(environment)
    assert [one.why for one in again.stages] == ["", "", "", "", "", "first time"]
    assert again.lines()[-1] == f"Used again: {', '.join(DATA)}"
    assert "adapter_checkpoint (first time)" in again.lines()[0]

    changed = planned(environment, **{"cleaning.min_characters": 3})
    expected = [*("", "", "settings changed", "after cleaned_records", "after anonymized_records"), "first time"]
    assert [one.why for one in changed.stages] == expected
    assert "minutes by the last run, 1 with no time known yet" in changed.lines()[1]

    lake = open_lake(environment)
    Path(lake._manifest_path(lake.latest("complaints", "splits"))).write_text("{}")
    assert next(one.why for one in planned(environment).stages if one.stage == "splits") == "not readable"
