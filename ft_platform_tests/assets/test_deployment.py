"""The assets `deployment/<target>`, their check, and what watches them: jobs, schedule and sensor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.deployment import build
from ft_platform.assets.order import Order
from ft_platform.errors import EndpointFailed, EndpointUnavailable, FtError
from ft_platform.lake import deployments as records
from ft_platform.lake.deployments import deployments
from ft_platform.orchestration.loading import load_definitions
from ft_platform.people.person import Person
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving import parity, upkeep
from ft_platform.serving.parity import in_words
from ft_platform.serving.targets.contract import Status
from ft_platform.serving.trial import served
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.serving.installations import Installation

NAME = "complaints"
ANA = Person("ana.ruiz@example.org", known_by="openid")
RELEASE = dg.AssetKey([NAME, "release"])
DEPLOYMENT = dg.AssetKey([NAME, "deployment", "local"])


class Deployed:
    """An installation with a server, and its asset and check called before and after a deployment.

    Attributes:
        too_early: the check before anything was deployed.
        result: of the asset.
        check: the check afterwards.
    """

    def __init__(self, made: Installation, url: str) -> None:
        serving = {"targets": {"local": {"kind": "local", "url": url, "cost_per_hour": 0.5}}, "parity_records": 10}
        use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate({**made.attributes, "serving": serving}))
        self.made = made
        self.asset, self.ask, *_ = build(use_case)
        self.too_early = self.checked()
        self.result = self.materialized()
        self.check = self.checked()

    def materialized(self, release: str = "") -> Any:
        given = {"lake": self.made.lake, "environment": self.made.environment, "release": self.made.release}
        return self.asset(order=Order(release, by=ANA), **given)

    def checked(self) -> Any:
        return self.ask(lake=self.made.lake, environment=self.made.environment)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    made = Installation(tmp_path_factory.mktemp("deployed"), "label_head")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "REFRESH_SECONDS", 0.1)
        with served(made.environment, [NAME]) as url:
            yield Deployed(made, url)


@pytest.mark.integration
def test_the_asset_shows_endpoint_release_parity_and_cost(deployed: Deployed) -> None:
    result, (newest,) = deployed.result, deployments(deployed.made.lake, NAME, "local")
    assert result.value == newest.version
    shown = {name: getattr(value, "value", value) for name, value in result.metadata.items()}
    assert shown["endpoint"] == newest.record["endpoint"] and shown["endpoint"].startswith("http://127.0.0.1:")
    assert (str(shown["release"]), str(shown["served_as"])) == (deployed.made.release.artifact_id, NAME)
    assert str(shown["parity"]).startswith("100.0% of 10 test records get the decision of the evaluation")
    assert float(shown["cost_per_day"]) == 12.0
    assert (newest.record["deployed_by"], newest.record["known_by"]) == (ANA.name, "openid")
    assert float(shown["cost_per_1000_requests"]) == newest.record["cost_per_1000_requests"] > 0


@pytest.mark.integration
def test_the_check_says_what_it_found(deployed: Deployed) -> None:
    early, later = deployed.too_early, deployed.check
    assert not early.passed and early.description == "nothing was deployed to this target"
    assert later.passed and "get the decision of the evaluation" in later.description
    assert 0 < later.metadata["asked"].value <= 50
    assert later.metadata["decisions_equal"].value["value"] == 1.0


@pytest.mark.integration
def test_a_release_that_there_is_not_is_a_failure_that_says_so(deployed: Deployed) -> None:
    with pytest.raises(dg.Failure, match="no release release-99 that stands"):
        deployed.materialized("release-99")


@pytest.mark.integration
def test_a_refused_release_is_a_failure_that_is_not_tried_again(deployed: Deployed, monkeypatch) -> None:
    monkeypatch.setattr(parity, "compare", lambda *_: {"ok": False, **FIGURES})
    with pytest.raises(dg.Failure, match=r"does not answer as .* Likely cause: adapter: it is not applied") as raised:
        deployed.materialized()
    assert raised.value.allow_retries is False


FIGURES = {
    "decisions_equal": {"value": 0.4, "low": 0.2, "high": 0.6}, "prompts_compared": "ids", "prompts_equal": True,
    "asked": 10, "ties": 0, "causes": ["adapter: it is not applied"], "nothing": {},
}  # fmt: skip


def test_a_red_check_says_why_and_shows_the_figures(monkeypatch, use_case) -> None:
    told = in_words(FIGURES)
    monkeypatch.setattr(upkeep, "check_live", lambda *_: (False, FIGURES, told))
    found = build(use_case)[1](lake=None, environment=None)
    assert isinstance(found, dg.AssetCheckResult) and not found.passed
    assert found.description == told and "40.0% of 10" in told and "adapter: it is not applied" in told
    assert found.metadata["causes"].value == FIGURES["causes"] and "nothing" not in found.metadata


def named(**serving: Any) -> NamedUseCase:
    attributes = {**minimal_attributes("records.csv"), "serving": serving}
    return NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))


@pytest.fixture
def use_case() -> NamedUseCase:
    return named(
        targets={
            "local": {"kind": "local"},
            "far": {"kind": "openai_endpoint", "url": "http://127.0.0.1:9", "model": "m"},
        }
    )


def repository(environment: Environment, **serving: Any) -> dg.RepositoryDefinition:
    write_use_case(environment.defs, NAME, {**minimal_attributes("records.csv"), "serving": serving})
    return load_definitions(environment, only=NAME).get_repository_def()


@pytest.mark.parametrize(("mode", "by_itself"), [("on_release", True), ("on_demand", False)])
def test_a_release_is_deployed_by_itself_only_where_the_use_case_says_so(environment, mode, by_itself) -> None:
    graph = repository(environment, mode=mode).asset_graph
    assert (graph.get(DEPLOYMENT).automation_condition is not None) == by_itself


def test_each_target_has_a_check_that_says_when_it_asks_and_blocks_nothing(environment) -> None:
    targets = {"local": {"kind": "local"}, "far": {"kind": "vllm", "url": "http://127.0.0.1:9", "folder": "/shared"}}
    graph = repository(environment, targets=targets).asset_graph
    for target in targets:
        (check,) = graph.get_check_keys_for_assets({dg.AssetKey([NAME, "deployment", target])})
        assert check.name == "serves_what_was_evaluated"
        spec = graph.get_check_spec(check)
        assert not spec.blocking and "once the schedule complaints_parity is switched on" in (spec.description or "")


def test_jobs_and_a_daily_comparison_stand_beside_the_assets(environment) -> None:
    made = repository(environment)
    parity = made.get_job(f"{NAME}_parity")
    assert parity.asset_layer.executable_asset_keys == set()
    assert {check.asset_key for check in parity.asset_layer.asset_graph.asset_check_keys} == {DEPLOYMENT}
    back = made.get_job(f"{NAME}_rollback")
    assert set(back.asset_layer.executable_asset_keys) == {RELEASE, DEPLOYMENT}
    assert not back.run_config, "no setting of another run goes back"
    schedule = made.get_schedule_def(f"{NAME}_parity")
    assert schedule.job_name == f"{NAME}_parity" and schedule.cron_schedule == "41 3 * * *"
    assert made.get_sensor_def(f"{NAME}_deployments").job_name == f"{NAME}_parity"


def test_without_targets_nothing_is_built() -> None:
    assert build(named(targets={})) == []


@dataclass
class Sight:
    """What a sensor sees: state of each target, and what was withdrawn there."""

    states: dict[str, Status | FtError] = field(default_factory=dict)
    withdrawn: dict[str, str | None] | FtError = field(default_factory=dict)
    cursor: str | None = None

    def status(self, name: str) -> Status:
        found = self.states[name]
        if isinstance(found, FtError):
            raise found
        return found


@pytest.fixture
def sight(monkeypatch: pytest.MonkeyPatch) -> Sight:
    made = Sight({"local": Status("ready", "release-1", started="1"), "far": Status("ready", "release-1")})

    def take_away(*_: Any) -> dict[str, str | None]:
        if isinstance(made.withdrawn, FtError):
            raise made.withdrawn
        made.states |= {name: Status("ready", live) for name, live in made.withdrawn.items()}
        return made.withdrawn

    monkeypatch.setattr(records, "deployments", lambda lake, use_case, name: ["one"] * (name in made.states))
    monkeypatch.setattr(upkeep, "take_away_withdrawn", take_away)
    monkeypatch.setattr(
        "ft_platform.serving.targets.opening.open_target",
        lambda environment, use_case, name: SimpleNamespace(status=lambda: made.status(name)),
    )
    return made


@pytest.fixture
def look(sight: Sight, use_case: NamedUseCase) -> Callable[[], dg.RunRequest | dg.SkipReason]:
    """What the sensor asks for now."""
    (sensor,) = (one for one in build(use_case) if getattr(one, "name", "") == f"{NAME}_deployments")

    def look() -> Any:
        given: dict[str, Any] = {"lake": None, "environment": None}
        with dg.build_sensor_context(cursor=sight.cursor, resources=given) as context:
            found = sensor(context)
            sight.cursor = context.cursor
        return found

    return look


def test_what_was_started_again_is_compared_once(sight, look) -> None:
    assert look().skip_message == "2 target(s), nothing changed", "the deployment has compared it"
    assert isinstance(look(), dg.SkipReason)
    sight.states["local"] = Status("ready", "release-1", started="2")
    assert isinstance(look(), dg.RunRequest)
    assert isinstance(look(), dg.SkipReason)


def test_a_fault_that_comes_again_is_compared_again(sight, look) -> None:
    """Dagster starts no second run with the key of an earlier one."""
    look()
    for state in ("failed", "ready", "failed"):
        sight.states["far"] = Status(state, None if state == "failed" else "release-1")
        found = look()
        assert isinstance(found, dg.RunRequest) and found.run_key is None


def test_several_changes_at_once_are_one_run(sight, look) -> None:
    look()
    sight.states = {"local": Status("failed"), "far": Status("failed")}
    assert isinstance(look(), dg.RunRequest)


def test_what_was_withdrawn_is_taken_away_and_what_serves_then_is_compared(sight, look) -> None:
    look()
    sight.withdrawn = {"local": "release-0"}
    assert isinstance(look(), dg.RunRequest)
    assert sight.status("local").live == "release-0"


def test_a_target_that_fails_is_told_and_hides_no_other(sight, look) -> None:
    look()
    sight.states["local"] = EndpointUnavailable("its server gives no answer")
    found = look()
    assert isinstance(found, dg.SkipReason) and "local: its server gives no answer" in str(found.skip_message)
    sight.withdrawn = EndpointFailed("it cannot be taken away")
    sight.states["far"] = Status("failed")
    assert isinstance(look(), dg.RunRequest)
    sight.states["local"] = Status("ready", "release-1", started="1")
    found = look()
    assert isinstance(found, dg.SkipReason) and "it cannot be taken away" in str(found.skip_message)


def test_a_target_without_a_deployment_is_not_asked(sight, look) -> None:
    sight.states = {}
    assert look().skip_message == "0 target(s), nothing changed"
