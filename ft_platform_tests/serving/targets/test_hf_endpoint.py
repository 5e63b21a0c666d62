"""What is particular to Inference Endpoints."""

import pytest
from huggingface_hub import constants
from pydantic import TypeAdapter

from ft_platform.errors import EndpointFailed, EndpointUnavailable
from ft_platform.use_case.settings.serving_targets import ServingTarget
from ft_platform_tests.serving.targets.test_contract import NEW, OLD, answers, bring
from ft_platform_tests.serving.targets.worlds import USE_CASE, opened

LIVE = "ft-complaint-routing"


@pytest.fixture
def world(tmp_path, monkeypatch):
    with opened("hf_endpoint", tmp_path, monkeypatch) as made:
        yield made


def test_weights_are_private_and_the_endpoint_is_pinned_to_their_commit(world):
    bring(world, OLD)
    (name,) = world.other.repositories
    asked = world.other.endpoints[LIVE]["asked"]
    assert asked["model"]["repository"] == name
    assert asked["model"]["revision"] == world.other.repositories[name]["commits"][-1]
    assert asked["type"] == "authenticated"
    assert asked["model"]["image"]["custom"]["url"] == "vllm/vllm-openai:v0.32.0"
    assert asked["model"]["args"][:4] == ["--model", "/repository", "--max-model-len", "512"]


def test_weights_that_are_there_are_not_sent_again(world):
    bring(world, OLD)
    bring(world, NEW)
    world.other.revive()
    bring(world, OLD)
    assert not [one for one in world.other.calls if "/lfs/" in one or "commit" in one]


@pytest.mark.parametrize("state", ["paused", "scaledToZero"])
def test_one_that_was_stopped_costs_nothing_and_is_started_by_a_switch(world, state):
    bring(world, OLD)
    world.other.endpoints[LIVE].update(state=state, serving=None)
    world.other.revive()
    status = world.target().status()
    assert (status.state, status.live, status.replicas) == ("paused", OLD, 0)
    assert world.target().cost_per_day() == 0
    assert world.other.endpoints[LIVE]["state"] == state, "looking woke it up"
    world.target().switch(OLD)
    assert answers(world) == OLD


def test_an_update_that_fails_is_taken_back(world):
    bring(world, OLD)
    world.target().deploy(world.model(NEW))
    world.target().wait(world.model(NEW), 30, lambda _: None)
    world.other.broken = {NEW}
    with pytest.raises(EndpointFailed, match=f"{LIVE} failed"):
        world.target().switch(NEW)
    assert world.other.endpoints[LIVE]["asked"]["model"]["env"]["FT_RELEASE"] == OLD
    assert answers(world) == OLD


def test_a_first_switch_that_fails_leaves_no_endpoint_for_clients(world):
    world.target().deploy(world.model(OLD))
    world.target().wait(world.model(OLD), 30, lambda _: None)
    world.other.broken = {OLD}
    with pytest.raises(EndpointFailed):
        world.target().switch(OLD)
    assert LIVE not in world.other.endpoints


def test_a_foreign_endpoint_of_the_same_name_is_left_alone(world):
    bring(world, OLD)
    world.other.endpoints[LIVE]["asked"]["model"]["env"] = {}
    for act in (lambda: world.target().delete(OLD), lambda: world.target().switch(OLD), world.target().status):
        with pytest.raises(EndpointFailed, match="was not made by the platform"):
            act()
    assert LIVE in world.other.endpoints


def test_what_could_not_be_taken_away_is_said(world):
    """The network is gone right after the endpoint was made."""
    world.other.slow = 10**6
    world.target().deploy(world.model(OLD))
    made = world.other.paid()
    world.other.revive()
    world.other.dead_from = 3
    with pytest.raises(EndpointFailed, match="may cost money"):
        world.target().wait(world.model(OLD), 30, lambda _: None)
    assert world.other.paid() == made


def test_a_server_that_is_too_busy_is_worth_another_try(world):
    world.other.faults = dict.fromkeys(range(1, 100), "busy")
    with pytest.raises(EndpointUnavailable, match="429"):
        world.target().status()


def test_offline_it_says_so(world, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EndpointFailed, match="HF_HUB_OFFLINE"):
        world.target().status()


def test_names_fit_and_stay_two(world):
    target = world.target()
    one, other = (target._trial(f"release-{'a' * 40}{end}") for end in "xy")
    assert len(one) <= 32 and one != other


def test_scaling_to_zero_is_asked_for(tmp_path, monkeypatch):
    with opened("hf_endpoint", tmp_path, monkeypatch, min_replicas=0, idle_minutes=30) as world:
        bring(world, OLD)
        scaling = world.other.endpoints[LIVE]["asked"]["compute"]["scaling"]
        assert scaling == {"minReplica": 0, "maxReplica": 1, "scaleToZeroTimeout": 30}


def test_settings_are_told_apart_by_kind():
    said = {"kind": "hf_endpoint", "namespace": "acme", "region": "eu-west-1", "instance_type": "nvidia-l4"}
    made = TypeAdapter(ServingTarget).validate_python(
        {**said, "instance_size": "x1", "image": "vllm/vllm-openai:v0.32.0"}
    )
    assert made.token_env == "HF_TOKEN" and USE_CASE
