"""Every target keeps the contract, whatever its other side does. The other side is a stand-in with a state."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import EndpointFailed, ExportRefused, FtError
from ft_platform.serving.targets.contract import Model
from ft_platform_tests.serving.targets.worlds import USE_CASE, WORLDS, World, ask, opened

OLD, NEW = "release-0a11", "release-0b22"


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with opened(request.param, tmp_path, monkeypatch) as made:
        if why := made.cannot.get(request.function.__name__):
            pytest.skip(why)
        yield made


def bring(world: World, release: str) -> None:
    """What `serving.deploying` does, without parity."""
    model, target = world.model(release), world.target()
    target.deploy(model)
    assert ask(target.wait(model, world.seconds, lambda _: None)) == release
    target.switch(release)


def answers(world: World) -> str:
    endpoint = world.target().status().endpoint
    assert endpoint is not None
    return ask(endpoint)


def steps(world: World, act: Callable[[], Any]) -> int:
    """How many requests it makes when all goes well."""
    world.other.revive()
    act()
    return len(world.other.calls)


def replace(world: World) -> None:
    bring(world, NEW)
    world.target().delete(OLD)


def test_a_release_has_no_traffic_before_the_switch(world):
    bring(world, OLD)
    world.target().deploy(world.model(NEW))
    endpoint = world.target().wait(world.model(NEW), world.seconds, lambda _: None)
    status = world.target().status()
    assert (status.state, status.live, status.others) == ("ready", OLD, (NEW,))
    assert (ask(endpoint), answers(world)) == (NEW, OLD)


def test_the_address_of_clients_stays_after_a_switch(world):
    bring(world, OLD)
    before = world.target().status().endpoint
    bring(world, NEW)
    after = world.target().status().endpoint
    assert (after.url, after.model) == (before.url, before.model) and ask(before) == NEW


@pytest.mark.parametrize("switched", [False, True])
def test_deployed_twice_it_is_there_once(world, switched):
    target, model = world.target(), world.model(OLD)
    target.deploy(model)
    if switched:
        target.wait(model, world.seconds, lambda _: None)
        target.switch(OLD)
    once = world.other.paid()
    world.target().deploy(model)
    assert world.other.paid() == once
    assert ask(world.target().wait(model, world.seconds, lambda _: None)) == OLD


def test_a_roll_back_is_a_switch(world):
    bring(world, OLD)
    bring(world, NEW)
    world.target().switch(OLD)
    assert answers(world) == OLD
    assert world.target().status().live == OLD and world.target().status().others == (NEW,)


def test_a_switch_to_what_is_not_there_changes_nothing(world):
    bring(world, OLD)
    with pytest.raises(EndpointFailed, match=NEW):
        world.target().switch(NEW)
    assert answers(world) == OLD


def test_deleting_takes_away_everything(world):
    bring(world, OLD)
    bring(world, NEW)
    for release in (OLD, NEW):
        world.target().delete(release)
    assert world.other.paid() == []
    assert world.target().status().state == "absent" and world.target().status().others == ()
    left = {
        name: found
        for name, found in world.other.saved().items()
        if name not in ("objects", "tags", "put_by_others") and found
    }
    assert left == {}


def test_deleting_what_is_not_there_is_fine(world):
    world.target().delete(OLD)
    bring(world, NEW)
    world.target().delete(OLD)
    world.target().delete(OLD)
    assert answers(world) == NEW


def test_the_release_with_traffic_can_be_deleted(world):
    bring(world, OLD)
    world.target().delete(OLD)
    assert world.target().status().state == "absent" and world.other.paid() == []


def test_an_empty_target_is_absent(world):
    status = world.target().status()
    assert (status.state, status.live, status.others, status.endpoint) == ("absent", None, (), None)


def test_a_label_head_is_refused_before_anything_is_asked(world):
    model = Model(USE_CASE, OLD, "label_head", ("a", "b"), lambda form: pytest.fail("it was exported"), 512)
    with pytest.raises(ExportRefused, match="label head"):
        world.target().deploy(model)
    assert world.other.paid() == []


@pytest.mark.integration
@pytest.mark.parametrize("answered", [False, True])
def test_killed_at_any_step_it_works_when_called_again(world, answered):
    """`answered`: the last request was done, its answer never came."""
    bring(world, OLD)
    before = world.other.saved()
    most, killed = steps(world, lambda: replace(world)), 0
    expected = world.other.paid()
    for step in range(1, most + 1):
        world.other.restore(before)
        world.other.dead_from = step + answered
        world.other.faults = {step: "lost"} if answered else {}
        try:
            replace(world)
        except FtError:
            killed += 1
        else:
            assert len(world.other.calls) < world.other.dead_from, step
        world.other.revive()
        assert answers(world) in (OLD, NEW), step
        replace(world)
        assert (answers(world), world.other.paid()) == (NEW, expected), step
    assert killed >= most - 3  # a request less where something was taken away before


@pytest.mark.integration
def test_a_refusal_at_any_step_of_a_deployment_leaves_nothing_that_costs(world):
    bring(world, OLD)
    before, paid = world.other.saved(), world.other.paid()

    def deploy() -> None:
        world.target().deploy(world.model(NEW))
        world.target().wait(world.model(NEW), world.seconds, lambda _: None)

    refused, most = 0, steps(world, deploy)
    for step in range(1, most + 1):
        world.other.restore(before)
        world.other.faults = {step: "refused"}
        try:
            deploy()
        except FtError:
            refused += 1
            assert world.other.paid() == paid, step
        else:
            assert len(world.other.paid()) == len(paid) + 1, step
        assert answers(world) == OLD, step
    assert refused >= min(2, most)


@pytest.mark.integration
@pytest.mark.parametrize("fault", ["busy", "lost"])
def test_a_busy_server_or_a_lost_answer_at_any_step_changes_nothing(world, fault):
    """`lost`: time ran out after the success of a request."""
    bring(world, OLD)
    before = world.other.saved()
    most = steps(world, lambda: replace(world))
    expected = world.other.paid()
    for step in range(1, most + 1):
        world.other.restore(before)
        world.other.faults = {step: fault}
        replace(world)
        assert (answers(world), world.other.paid()) == (NEW, expected), step


@pytest.mark.integration
def test_no_secret_is_shown(world):
    bring(world, OLD)
    before = world.other.saved()
    shown = [repr(world.target()), repr(world.target().status()), repr(world.target().status().endpoint)]
    for step in range(1, steps(world, lambda: replace(world)) + 1):
        world.other.restore(before)
        world.other.said = " ".join(world.secrets)
        world.other.faults = {step: "refused"}
        try:
            replace(world)
        except FtError as error:
            shown += [str(error), repr(error), repr(error.__dict__)]
    assert len(shown) > 6
    assert not [text for text in shown for secret in world.secrets if secret in text]


def test_a_model_that_never_starts_leaves_nothing_that_costs(world):
    bring(world, OLD)
    paid = world.other.paid()
    world.other.broken = {NEW}
    with pytest.raises(EndpointFailed):
        bring(world, NEW)
    assert (world.other.paid(), answers(world)) == (paid, OLD)


def test_what_is_not_ready_in_time_leaves_nothing_that_costs(world):
    bring(world, OLD)
    if world.is_free:
        pytest.skip("a release is ready at once")
    paid, said = world.other.paid(), []
    world.other.slow = 30
    model, target = world.model(NEW), world.target()
    target.deploy(model)
    with pytest.raises(EndpointFailed, match="not ready within"):
        target.wait(model, 0.02, said.append)
    assert (world.other.paid(), answers(world)) == (paid, OLD)
    assert said or target.settings.kind == "kubernetes"


def test_a_slow_and_forgetful_server_is_waited_for(world):
    world.other.slow = world.other.lag = 3
    bring(world, OLD)
    replace(world)
    assert answers(world) == NEW


@pytest.mark.parametrize("back", [False, True])
def test_a_switch_loses_no_request(world, back):
    bring(world, OLD)
    world.other.slow = world.other.lag = 3
    world.target().deploy(world.model(NEW))
    world.target().wait(world.model(NEW), world.seconds, lambda _: None)
    if back:
        world.target().switch(NEW)
    endpoint, found, problems, done = world.target().status().endpoint, [], [], threading.Event()
    assert endpoint is not None

    def client() -> None:
        while not done.is_set():
            try:
                found.append(ask(endpoint))
            except Exception as error:
                problems.append(error)

    asking = [threading.Thread(target=client) for _ in range(2)]
    for one in asking:
        one.start()
    first, last = (NEW, OLD) if back else (OLD, NEW)
    try:
        while len(found) + len(problems) < 4:
            pass
        world.target().switch(last)
        enough = len(found) + 4
        while len(found) < enough and not problems:
            pass
    finally:
        done.set()
        for one in asking:
            one.join()
    assert not problems
    assert (found[0], found[-1]) == (first, last)


@pytest.mark.integration
def test_in_the_middle_of_a_switch_the_status_is_what_answers(world):
    """A process was killed at each step of a switch; the other side goes on."""
    bring(world, OLD)
    world.target().deploy(world.model(NEW))
    world.target().wait(world.model(NEW), world.seconds, lambda _: None)
    before = world.other.saved()
    seen = set()
    for step in range(1, steps(world, lambda: world.target().switch(NEW)) + 2):
        world.other.restore(before)
        world.other.slow, world.other.dead_from = 3, step
        with suppress(FtError):
            world.target().switch(NEW)
        world.other.revive()
        status = world.target().status()
        assert status.endpoint is not None and ask(status.endpoint) == status.live, step
        seen.add(status.live)
    assert seen == {OLD, NEW}


def test_what_was_taken_away_there_is_absent(world):
    bring(world, OLD)
    for name in world.other.STATE:
        getattr(world.other, name).clear()
    status = world.target().status()
    assert (status.state, status.live, status.others) == ("absent", None, ())


def test_costs_are_those_of_what_runs(world):
    bring(world, OLD)
    target = world.target()
    assert target.cost_per_day() == 2.0 * 24
    target.deploy(world.model(NEW))
    target.wait(world.model(NEW), world.seconds, lambda _: None)
    assert target.cost_per_day() == (2.0 * 24 if world.is_free else 2.0 * 48)


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_costs_that_nobody_named_are_unknown(name, tmp_path, monkeypatch):
    with opened(name, tmp_path, monkeypatch, cost_per_hour=None) as world:
        bring(world, OLD)
        assert world.target().cost_per_day() is None
