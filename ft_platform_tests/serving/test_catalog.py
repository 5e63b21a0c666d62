"""Models come and go with their catalog."""

import dataclasses
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ft_platform.serving import catalog as module
from ft_platform.serving.catalog import TRUSTED_SECONDS, GivenModels, ServedModel, Shelf
from ft_platform.serving.engine.requests import Adapter
from ft_platform_tests.serving.fakes import FakeEngine, app_of, asking, served, wait_until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shelf_of(*models: ServedModel) -> tuple[Shelf, GivenModels, FakeEngine, Clock]:
    engine, given, clock = FakeEngine(), GivenModels(models), Clock()
    shelf = Shelf(given, engine, clock)
    shelf.refresh()
    shelf.load_missing()
    return shelf, given, engine, clock


def test_what_is_listed_is_loaded_and_found() -> None:
    shelf, given, engine, _ = shelf_of(served())
    assert list(engine.loaded) == [served().weights] and shelf.models() == given.models()
    assert shelf.find("support") is served() and shelf.find("other") is None
    assert given.find("support") is served() and given.find("other") is None


def test_what_leaves_the_catalog_is_unloaded_and_not_found() -> None:
    shelf, given, engine, _ = shelf_of(served())
    given.given.clear()
    shelf.refresh()
    assert engine.loaded == {} and shelf.find("support") is None and shelf.has_left("support")
    assert not shelf.has_left("other")


def test_another_checkpoint_under_the_same_name_replaces_the_old_one() -> None:
    shelf, given, engine, _ = shelf_of(served())
    given.given = [served(release="release-2")]
    shelf.refresh()
    assert engine.loaded == {} and shelf.find("support") is None, "the old one may not answer any more"
    assert not shelf.may_answer(served())
    shelf.load_missing()
    found = shelf.find("support")
    assert found and found.release == "release-2" and list(engine.loaded) == [found.weights]
    assert not shelf.has_left("support")


def test_a_switch_leaves_no_moment_without_an_answer() -> None:
    old, new = served(), served(release="release-2")
    shelf, given, engine, _ = shelf_of(old)
    given.given = [new, dataclasses.replace(old, name="support@previous")]
    shelf.refresh()
    assert shelf.find("support") == old, "until the new one is loaded"
    shelf.load_missing()
    assert shelf.find("support") == new and shelf.find("support@previous") and len(engine.loaded) == 2
    given.given = [old, dataclasses.replace(new, name="support@previous")]
    shelf.refresh()
    assert shelf.find("support") == old, "both are loaded: at once"
    given.given = [old]
    shelf.refresh()
    assert list(engine.loaded) == [old.weights] and shelf.has_left("support@previous")


def test_one_that_cannot_be_loaded_leaves_the_others_and_is_tried_again_when_it_changes() -> None:
    broken = dataclasses.replace(served("claims", "written_label"), folder=Path("/broken"))
    shelf, given, engine, _ = shelf_of(broken, served())
    assert [model.name for model in shelf.models()] == ["support"]
    tried: list[Adapter] = []
    engine.load = tried.append  # pyright: ignore[reportAttributeAccessIssue]
    shelf.load_missing()
    assert tried == []
    given.given = [dataclasses.replace(broken, checkpoint="other"), served()]
    shelf.refresh()
    shelf.load_missing()
    assert [adapter.name for adapter in tried] == ["claims/other"]


def test_nothing_is_served_while_nobody_can_say_what_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, given, _, clock = shelf_of(served())
    monkeypatch.setattr(given, "models", lambda: 1 / 0)
    clock.now = TRUSTED_SECONDS - 0.1
    with pytest.raises(ZeroDivisionError):
        shelf.refresh()
    assert shelf.find("support")
    clock.now = TRUSTED_SECONDS + 0.1
    assert shelf.find("support") is None and shelf.models() == [] and not shelf.has_left("support")


def test_a_slow_catalog_tells_what_was_so_when_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, given, _, clock = shelf_of(served())

    def slowly() -> list[ServedModel]:
        clock.now += 20
        return [served()]

    monkeypatch.setattr(given, "models", slowly)
    shelf.refresh()
    assert not shelf.is_fresh()


def test_one_that_is_still_being_loaded_is_not_there_yet() -> None:
    broken = dataclasses.replace(served(), folder=Path("/broken"))
    with TestClient(app_of(FakeEngine(), [broken]), base_url="http://127.0.0.1:8000") as client:
        wait_until(lambda: client.get("/v1/models/support").status_code == 503)
        found = client.get("/v1/models/support")
        assert found.json()["error"]["code"] == "model_not_loaded" and found.headers["retry-after"]
        assert client.get("/v1/models/other").status_code == 404


def test_one_that_is_withdrawn_while_it_is_loaded_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, given, engine, _ = shelf_of()
    given.given = [served()]
    shelf.refresh()

    def load(adapter: Adapter) -> None:
        engine.loaded[adapter.name] = adapter
        given.given.clear()
        shelf.refresh()

    monkeypatch.setattr(engine, "load", load)
    shelf.load_missing()
    assert shelf.models() == [] and engine.loaded == {}


def test_a_withdrawn_model_is_refused_by_a_running_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.05)
    given = GivenModels([served()])
    monkeypatch.setattr("ft_platform_tests.serving.fakes.GivenModels", lambda models: given)
    question = {"model": "support", "messages": [{"role": "user", "content": "?"}]}
    with asking(FakeEngine(), models=[served()]) as client:
        assert client.post("/v1/chat/completions", json=question).status_code == 200
        given.given.clear()
        wait_until(lambda: client.post("/v1/chat/completions", json=question).status_code == 404)
        found = client.post("/v1/chat/completions", json=question).json()["error"]
        assert found["code"] == "model_withdrawn"
        assert client.get("/ready").status_code == 503 and client.get("/health").status_code == 200


def test_a_catalog_that_hangs_ends_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.05)
    monkeypatch.setattr(module, "TRUSTED_SECONDS", 0.3)
    released = threading.Event()
    given = GivenModels([served()])
    monkeypatch.setattr("ft_platform_tests.serving.fakes.GivenModels", lambda models: given)
    with asking(FakeEngine(), models=[served()]) as client:
        monkeypatch.setattr(given, "models", lambda: (released.wait(10) and []) or [])
        wait_until(lambda: client.get("/ready").status_code == 503)
        found = client.post("/v1/classify", json={"model": "support", "input": "x"})
        assert found.status_code == 503 and found.json()["error"]["code"] == "catalog_unavailable"
        released.set()


def test_an_answer_that_is_being_written_ends_when_its_model_is_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.05)
    given = GivenModels([served()])
    monkeypatch.setattr("ft_platform_tests.serving.fakes.GivenModels", lambda models: given)
    engine = FakeEngine()
    engine.endless, engine.pace = True, 0.02
    question = {"model": "support", "messages": [{"role": "user", "content": "?"}], "stream": True}
    with asking(engine, models=[served()]) as client:
        threading.Timer(0.3, given.given.clear).start()
        parts = client.post("/v1/chat/completions", json=question).text.strip().split("\n\n")
    assert len(parts) > 3 and "model_withdrawn" in parts[-2] and parts[-1] == "data: [DONE]"
    assert engine.cancelled == 1


@pytest.mark.parametrize("back", [False, True])
def test_weights_that_are_withdrawn_while_a_second_name_is_given_to_them_end_nothing(
    monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    shelf, given, engine, _ = shelf_of(served())
    both = [served(), dataclasses.replace(served(), name="support@previous")]
    given.given = both
    shelf.refresh()
    monkeypatch.setattr(engine, "unload", engine.loaded.__delitem__)  # fails for what is not loaded, as the engine's

    class Withdrawn(set[str]):
        """Weights that are withdrawn, and perhaps released again, right after somebody saw that they are loaded."""

        def __contains__(self, weights: object) -> bool:
            found = super().__contains__(weights)
            shelf._loaded = set(self)
            for given.given in ([], both) if back else ([],):
                shelf.refresh()
            return found

    monkeypatch.setattr(shelf, "_is_ready", lambda model: False)
    shelf._loaded = Withdrawn(shelf._loaded)
    shelf.load_missing()
    assert all(one.weights in engine.loaded for one in shelf.models())
    monkeypatch.undo()
    shelf.refresh()
    shelf.load_missing()
    assert sorted(engine.loaded) == [served().weights] * back
    assert (shelf.find("support@previous") is not None) == back
