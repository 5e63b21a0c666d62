"""`release.mode: when_accepted`, played with ticks of the daemon: what was made is reported, no model is trained."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph


class Played(Graph):
    """Reports what runs would have made."""

    def made(self, stage: str, version: str, passed: bool = True) -> None:
        key = dg.AssetKey([self.name, stage])
        event = dg.AssetMaterialization(key, tags={"dagster/data_version": version})
        self.instance.report_runless_asset_event(event)
        graph = self.definitions().get_repository_def().asset_graph
        for check in sorted(graph.get_check_keys_for_assets({key})):
            judged = {"asset_key": key, "check_name": check.name, "passed": passed, "metadata": {}}
            event = dg.AssetCheckEvaluation(**judged, severity=dg.AssetCheckSeverity.WARN)
            self.instance.report_runless_asset_event(event)

    def decided(self, version: str, accepted: bool = True) -> None:
        self.made("release_decision", version, accepted)

    def releases(self) -> list[bool]:
        """Whether a release is requested, in each of three ticks."""
        return ["release" in self.tick() for _ in range(3)]


ONCE, NEVER = [True, False, False], [False, False, False]


def played(environment: Environment, approvals: list[str], instance: dg.DagsterInstance) -> Played:
    release = {"intended_use": "Routing of complaints.", "mode": "when_accepted", "approvals": approvals}
    write_use_case(environment.defs, "complaints", {**minimal_attributes("records.csv"), "release": release})
    found = Played(environment, "complaints", instance)
    found.tick()
    found.made("adapter_checkpoint", "ckpt-1")
    return found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def test_an_accepted_decision_is_released_once(environment: Environment, instance: dg.DagsterInstance) -> None:
    graph = played(environment, [], instance)
    graph.decided("decision-1", accepted=False)
    graph.made("sign_off", "nobody-is-asked-1")
    assert graph.releases() == NEVER
    graph.decided("decision-2")
    graph.made("sign_off", "nobody-is-asked-2")
    assert graph.releases() == ONCE


@pytest.mark.parametrize("asks", ["policy", "file"])
def test_it_waits_for_those_who_have_to_sign_and_then_goes(
    environment: Environment, instance: dg.DagsterInstance, asks: str
) -> None:
    policy = Policy(name="ours", signatures=Signatures(approvals=["compliance"] if asks == "policy" else []))
    environment = environment.model_copy(update={"policy": policy})
    graph = played(environment, ["compliance"] if asks == "file" else [], instance)
    for number in (1, 2):
        graph.decided(f"decision-{number}")
        # The decision before was signed, which says nothing of this one.
        assert graph.releases() == NEVER
        graph.made("sign_off", f"waiting-{number}", passed=False)
        assert graph.releases() == NEVER
        graph.made("sign_off", f"signed-{number}")
        assert graph.releases() == ONCE
    graph.decided("decision-3", accepted=False)
    graph.made("sign_off", "waiting-3", passed=False)
    assert graph.releases() == NEVER
