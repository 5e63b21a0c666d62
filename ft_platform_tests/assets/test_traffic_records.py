"""The assets traffic_records and labelled_traffic in the graph, on a small real lake."""

from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.traffic_records import traffic_records
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.traffic.served import Served, text
from ft_platform_tests.tables import use_case


@pytest.mark.integration
def test_they_are_made_in_one_step_and_say_how_many_and_why_others_are_missing(
    environment: Environment, quick_stages: None
) -> None:
    served = Served(environment)
    served.ask(1, text(1))
    served.ask(2, text(2), label=None)
    served.ask(3, text(3), consent="no")
    resources: Any = {"lake": served.lake, "environment": environment}
    made = dg.materialize(traffic_records(served.case), resources=resources, instance=dg.DagsterInstance.ephemeral())
    found = {
        one.asset_key.path[-1]: one.metadata for one in made.asset_materializations_for_node("tests_traffic_records")
    }
    rows = {name: of["dagster/row_count"].value for name, of in found.items()}
    assert rows == {"traffic_records": 2, "labelled_traffic": 1}
    removed: Any = found["traffic_records"]["removed"].value
    assert removed["permitted"] == {"consent_not_accepted": 1}


def test_they_are_there_where_texts_are_kept_and_follow_traffic_and_ledger() -> None:
    assert traffic_records(use_case()) == []
    kept = {"capture": {"share": 0.1, "purpose": "complaint routing"}}
    case = use_case(
        monitoring=kept, governance={"consent_ledger": "ledger.csv"}, record={"subject": "person", "text": "text"}
    )
    (made,) = traffic_records(case)
    behind = {key.path[-1]: {one.path[-1] for one in made.asset_deps[key]} for key in made.keys}
    assert behind == {
        "traffic_records": {"served_traffic", "consent_ledger"},
        "labelled_traffic": {"traffic_records"},
    }
