"""What holds for a lake on a disk holds on a real S3 server: beside other writers, killed at each write, and while the
store refuses, loses answers and is slow. `FT_TEST_ROUNDS=10` makes it ten times as much."""

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import LakeUnreachable, TrainerRunning
from ft_platform.lake import files
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.store import Lake
from ft_platform.programs import lake_messages
from ft_platform.programs.lake_messages import LakeChannel
from ft_platform.training import lease as leases
from ft_platform.training.lease import lease
from ft_platform_tests.infra.s3 import ADMIN, WEED, S3Server, s3_server
from ft_platform_tests.lake.object_store.proxy import Faults, Proxy, proxy
from ft_platform_tests.lake.object_store.work import (
    CHECKPOINT,
    CONTEXT,
    NAME,
    SCHEMA,
    TABLE,
    USE_CASE,
    Place,
    append,
    claim,
    opened,
    publish,
    publish_checkpoint,
    race_for_lease,
    rows,
    started,
)

pytestmark = pytest.mark.components(name="s3_lake")

ROUNDS = int(os.environ.get("FT_TEST_ROUNDS", "1"))
SECONDS = 120
numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not WEED.exists():
        pytest.skip("needs SeaweedFS: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER")
    with s3_server(tmp_path_factory.mktemp("s3") / "server", "000000000000", {}) as found:
        yield found


@pytest.fixture
def store(server: S3Server) -> Iterator[Proxy]:
    with proxy(server.address) as found:
        yield found


def variables(address: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": ADMIN["accessKey"],
        "AWS_SECRET_ACCESS_KEY": ADMIN["secretKey"],
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables("").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def place(store: Proxy, tmp_path: Path) -> Place:
    """A new lake behind the proxy."""
    return variables(store.address), str(tmp_path / "home"), f"s3://example-lake/{next(numbers)}"


@pytest.fixture
def lake(place: Place, server: S3Server) -> Lake:
    """The same lake, asked directly."""
    return opened((variables(server.address), *place[1:]))


def ended(*processes: Any) -> list[int | None]:
    for process in processes:
        process.join(SECONDS)
    return [process.exitcode for process in processes]


def records(lake: Lake) -> list[str]:
    """Of the newest version, which is whole."""
    version = lake.latest(USE_CASE, TABLE)
    if version is None:
        return []
    lake.verify_table(version)
    return sorted(lake.read_table(version)["record_id"].to_pylist())


def test_writers_of_one_table_lose_nothing_and_see_no_conflict(place: Place, lake: Lake) -> None:
    wanted = [[f"{writer}-{one}" for one in range(2 * ROUNDS)] for writer in range(4)]
    assert ended(*[started(append, place, *ids) for ids in wanted]) == [0] * 4
    assert records(lake) == sorted(itertools.chain(*wanted))


def killed_at(place: Place, store: Proxy, number: int, done: bool) -> bool:
    """Whether there was such a write, at which the process was killed."""
    store.faults = Faults(hold=(number, done))
    process = started(publish, place)
    deadline = time.monotonic() + SECONDS
    while process.is_alive() and not store.faults.held.wait(0.05):
        assert time.monotonic() < deadline
    held = store.faults.held.is_set()
    if held:
        process.kill()
    process.join()
    store.faults.released.set()
    assert held or process.exitcode == 0
    store.faults = Faults()
    return held


@pytest.mark.slow
def test_a_kill_at_any_write_leaves_whole_versions_and_the_next_run_goes_on(
    place: Place, store: Proxy, server: S3Server
) -> None:
    """A third of the places, where it is not asked for more rounds."""
    variables, home, root = place

    def prepared(name: str) -> Place:
        one = (variables, f"{home}-{name}", f"{root}-{name}")
        append(directly(one), "old")
        return one

    def directly(one: Place) -> Place:
        """`DeltaTable.restore` (deltalake 1.6) would not let the proxy, a thread of this process, run."""
        return ({**variables, "AWS_ENDPOINT_URL": server.address}, *one[1:])

    undisturbed = prepared("undisturbed")
    store.faults = Faults()
    publish(undisturbed)
    writes = store.faults.seen
    assert writes >= 8, "of files, commits, manifests, entries of the chain"
    places = [(number, done) for number in range(1, writes + 1) for done in (False, True)]
    for number, done in places if ROUNDS > 1 else places[::3]:
        one = prepared(f"{number}-{done}")
        assert killed_at(one, store, number, done)
        behind = opened(directly(one))
        before = records(behind)
        assert before in (["old"], ["new", "old"])
        found = behind.artifact(USE_CASE, NAME, CHECKPOINT)
        assert found is None or len(behind.read_file(found, "adapter_model.safetensors")) == 100_000
        publish(directly(one))
        assert records(behind) == sorted([*before, "new"])
        assert behind.artifact(USE_CASE, NAME, CHECKPOINT)


def test_equal_inputs_keep_the_first_checkpoint_and_what_a_kill_left_goes(lake: Lake) -> None:
    folder = lake.path_of("shared", USE_CASE, NAME, CHECKPOINT)
    files.write_bytes(lake.fs, f"{folder}/of_a_killed_upload", b"x")
    publish_checkpoint(lake, b"first")
    first = lake.artifact(USE_CASE, NAME, CHECKPOINT)
    publish_checkpoint(lake, b"second")
    assert first and lake.artifact(USE_CASE, NAME, CHECKPOINT) == first
    assert lake.read_file(first, "adapter_model.safetensors") == b"first"


def test_of_many_that_want_a_lease_at_once_one_gets_it(place: Place) -> None:
    for number in range(ROUNDS):
        begin, won, refused = CONTEXT.Event(), CONTEXT.Value("i", 0), CONTEXT.Value("i", 0)
        root = f"{place[2]}-{number}"
        racers = [started(race_for_lease, (*place[:2], root), begin, won, refused) for _ in range(5)]
        time.sleep(2)
        begin.set()
        deadline = time.monotonic() + SECONDS
        while won.value + refused.value < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        for racer in racers:
            racer.kill()
        ended(*racers)
        assert (won.value, refused.value) == (1, 4)


def test_numbers_of_a_launch_are_given_once_also_where_answers_are_lost(place: Place, store: Proxy) -> None:
    store.faults = Faults(unanswered=0.3)
    begin, given = CONTEXT.Event(), CONTEXT.Queue()
    claimers = [started(claim, place, begin, given, 4 * ROUNDS) for _ in range(4)]
    begin.set()
    assert ended(*claimers) == [0] * 4
    found = sorted(given.get(timeout=5) for _ in range(16 * ROUNDS))
    assert found == list(range(1, 16 * ROUNDS + 1)), "each once, and none was skipped"


def test_a_lease_whose_answer_was_lost_is_held(place: Place, store: Proxy) -> None:
    lake = opened(place)
    lake.fs.exists(lake.folder)
    store.faults = Faults(unanswered=0.6)
    with lease(lake, USE_CASE, CHECKPOINT) as held:
        assert held()
        with pytest.raises(TrainerRunning), lease(lake, USE_CASE, CHECKPOINT):
            pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(refused=0.3), id="503"),
        pytest.param(Faults(unanswered=0.25), id="answers_lost"),
        pytest.param(Faults(hung_up=0.1), id="hung_up"),
        pytest.param(Faults(slow_seconds=0.3), id="slow_reads"),
    ],
)
def test_a_storm_costs_time_and_nothing_else(place: Place, store: Proxy, lake: Lake, faults: Faults) -> None:
    store.faults = replace(faults)
    wanted = [[f"{writer}-{one}" for one in range(ROUNDS)] for writer in range(2)]
    assert ended(*[started(append, place, *ids) for ids in wanted]) == [0, 0]
    assert ended(started(publish, place)) == [0]
    assert records(lake) == sorted([*itertools.chain(*wanted), "new"])
    assert lake.artifact(USE_CASE, NAME, CHECKPOINT)


@pytest.mark.slow
def test_messages_come_once_and_in_order_through_a_storm(
    place: Place, store: Proxy, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_messages, "WRITE_SECONDS", 0.02)
    folder = LaunchFolder(opened(place), USE_CASE, "ft-1")
    folder.note_attempt()
    start = folder.begin(1)
    store.faults = Faults(refused=0.2, unanswered=0.2)
    channel = LakeChannel(folder, start)
    for number in range(100 * ROUNDS):
        channel.write_message({"method": "log", "params": {"message": str(number)}})  # type: ignore[typeddict-item]
        time.sleep(0.005)
    channel.close()
    read, behind = [], LaunchFolder(lake, USE_CASE, "ft-1")
    while messages := behind.read(start, len(read)):
        read += [int(one["params"]["message"]) for one in messages]
    assert read == list(range(100 * ROUNDS))


@pytest.mark.slow
def test_a_storm_that_does_not_end_is_named_and_what_was_there_is_intact(
    place: Place, store: Proxy, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append((variables(lake.storage_options["AWS_ENDPOINT_URL"]), *place[1:]), "old")
    version = lake.latest(USE_CASE, TABLE)
    assert version
    away = opened(place)
    away.fs.exists(away.folder)
    monkeypatch.setattr(away.fs, "retries", 1)
    store.faults = Faults(refused=1.0)
    for act in (
        lambda: away.verify_table(version),
        lambda: publish_checkpoint(away, b"x"),
        lambda: away.write_table(USE_CASE, TABLE, rows("new"), SCHEMA, zone="restricted"),
    ):
        began = time.monotonic()
        with pytest.raises(
            LakeUnreachable, match=r"does not answer, or asks for patience .*Run the step again"
        ) as told:
            act()
        assert time.monotonic() - began < 250 and str(told.value).count("\n") < 5
        assert not told.value.permanent
    store.faults = Faults()
    assert records(lake) == ["old"]


@pytest.mark.slow
def test_a_server_that_is_gone_is_out_of_reach_and_a_lease_lasts_as_long_as_it_was_given(
    place: Place, store: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    lake = opened(place)
    monkeypatch.setattr(lake.fs, "retries", 1)
    with lease(lake, USE_CASE, CHECKPOINT) as held:
        store.faults = Faults(hung_up=1.0)
        with pytest.raises(LakeUnreachable):
            publish_checkpoint(lake, b"x")
        assert held(), "it was renewed a moment ago"
