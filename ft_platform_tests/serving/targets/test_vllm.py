"""What is particular to a vLLM with adapters."""

import threading
import time

import pytest

from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.serving.targets.vllm import Vllm
from ft_platform_tests.serving.targets import test_contract
from ft_platform_tests.serving.targets.test_contract import NEW, OLD, answers, bring
from ft_platform_tests.serving.targets.vllm_server import THERE
from ft_platform_tests.serving.targets.worlds import USE_CASE, opened


def test_it_is_told_the_path_as_its_machine_sees_it(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        assert world.other.adapters[USE_CASE] == f"{THERE}/{USE_CASE}/{OLD}"


def test_a_path_that_its_machine_does_not_see_is_an_error_that_says_so(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch, folder_there="/elsewhere") as world:
        with pytest.raises(EndpointFailed, match=r"No adapter found.*folder_there"):
            world.target().deploy(world.model(OLD))
        assert world.other.paid() == []


@pytest.mark.parametrize("mode", ["server", "request"])
def test_template_and_end_of_an_answer_come_with_each_request_or_from_the_server(mode, tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch, chat_template=mode) as world:
        bring(world, OLD)
        extra = world.target().status().endpoint.extra
        expected = {"chat_template": "{{ messages }}", "stop_token_ids": [2]}
        assert extra == (expected if mode == "request" else {})


def test_a_server_that_would_answer_with_old_states_is_not_switched(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        world.other.version = "0.31.2"
        with pytest.raises(EndpointFailed, match=r"older than 0\.32"):
            bring(world, NEW)
        assert answers(world) == OLD


def test_reloaded_the_name_was_away_for_an_instant(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch, switch_by="reload") as world:
        bring(world, OLD)
        bring(world, NEW)
        assert answers(world) == NEW
        assert [one for one in world.other.calls if "unload" in one]


def test_a_request_that_a_switch_loses_is_seen(tmp_path, monkeypatch):
    """The check of the contract fails for a switch that leaves a gap."""
    with opened("vllm", tmp_path, monkeypatch, switch_by="reload") as world:
        unload = Vllm._unload
        gap = threading.Event()
        monkeypatch.setattr(Vllm, "_unload", lambda *given: (unload(*given), gap.wait(0.5)))
        with pytest.raises(AssertionError):
            test_contract.test_a_switch_loses_no_request(world, False)


def test_a_name_that_somebody_else_uses_is_left_alone(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        world.other.adapters[USE_CASE] = "/others/adapter"
        with pytest.raises(EndpointFailed, match="belongs to a model that is not in"):
            world.target().deploy(world.model(OLD))
        assert world.other.adapters == {USE_CASE: "/others/adapter"}


def test_a_host_that_the_installation_does_not_allow_is_not_asked(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        monkeypatch.setenv("FT_ENDPOINTS_ALLOWED", "https://models.example.org")
        with pytest.raises(ConfigError, match="not on the list of allowed endpoints"):
            world.target()


def test_a_key_that_is_not_set_is_named(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        monkeypatch.delenv("VLLM_KEY")
        with pytest.raises(ConfigError, match="VLLM_KEY"):
            world.target()


def test_a_folder_that_vllm_may_read_is_never_replaced(tmp_path, monkeypatch):
    with opened("vllm", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        place = tmp_path / "shared" / USE_CASE / OLD
        before = place.stat().st_ino
        world.target().deploy(world.model(OLD))
        assert place.stat().st_ino == before


def test_a_folder_goes_some_time_after_its_name(tmp_path, monkeypatch):
    """vLLM 0.32 stopped when an adapter that was loaded in place was gone."""
    with opened("vllm", tmp_path, monkeypatch) as world:
        bring(world, OLD)
        bring(world, NEW)
        seen = []
        place = tmp_path / "shared" / USE_CASE / OLD
        monkeypatch.setattr(
            time, "sleep", lambda seconds: seen.append((seconds, place.exists(), len(world.other.adapters)))
        )
        world.target().delete(OLD)
        assert seen == [(60.0, True, 2)] and not place.exists()
