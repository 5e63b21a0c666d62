"""What holds for a lake on a disk holds on servers of object stores: beside other writers, killed at each write, and
while the store refuses, loses answers and is slow. `FT_TEST_ROUNDS=10` makes it ten times as much. Each test shows a
scenario of the contract of stores (`compute/contract/scenarios.py`)."""

import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.old_versions import OldVersions, erase_old_versions, remove_versions_of
from ft_platform.errors import CorruptVersion, LakeUnreachable, NotWritable, TrainerRunning
from ft_platform.lake import files
from ft_platform.lake import lease as leases
from ft_platform.lake.inspection import inspect
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.lease import lease
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates, remove_states, unfinished_trainings
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.programs import lake_messages
from ft_platform.programs.lake_messages import LakeChannel
from ft_platform_tests.compute.contract.scenarios import shows
from ft_platform_tests.lake.object_store.proxy import Faults, Proxy, proxy
from ft_platform_tests.lake.object_store.stores import BUCKET, STORES, Store
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

ROUNDS = int(os.environ.get("FT_TEST_ROUNDS", "1"))
SECONDS = 300
numbers = itertools.count()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("s3", marks=pytest.mark.components(name="s3_lake")),
        # `test_store_stand_ins.py` has a little of it for every run.
        pytest.param("azure", marks=[pytest.mark.slow, pytest.mark.components(name="azure_lake")]),
        pytest.param("gcs", marks=[pytest.mark.slow, pytest.mark.components(name="gcs_lake")]),
    ],
)
def kept(request: pytest.FixtureRequest) -> Store:
    return STORES[request.param]


@pytest.fixture(scope="module")
def server(kept: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kept.started(tmp_path_factory.mktemp(kept.name)) as address:
        yield address


@pytest.fixture
def store(server: str) -> Iterator[Proxy]:
    with proxy(server) as found:
        yield found


@pytest.fixture(autouse=True)
def credentials(kept: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in kept.variables(server).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def place(kept: Store, store: Proxy, tmp_path: Path) -> Place:
    """A new lake behind the proxy."""
    return kept.variables(store.address), str(tmp_path / "home"), f"{kept.root}/{next(numbers)}"


@pytest.fixture
def direct(kept: Store, place: Place, server: str) -> Place:
    """The same lake, asked directly."""
    return kept.variables(server), *place[1:]


@pytest.fixture
def lake(direct: Place) -> Lake:
    return opened(direct)


def ended(*processes: Any, store: Proxy | None = None) -> list[int | None]:
    """Exit codes. However slow the machine is, who still asks the store does not hang."""
    for process in processes:
        before = -1
        while process.is_alive() and before != (before := store.faults.asked if store else 0):
            process.join(SECONDS)
    return [process.exitcode for process in processes]


def records(lake: Lake) -> list[str]:
    """Of the newest version, which is whole."""
    version = lake.latest(USE_CASE, TABLE)
    if version is None:
        return []
    lake.verify_table(version)
    return sorted(lake.read_table(version)["record_id"].to_pylist())


@shows("delta_commits")
def test_writers_of_one_table_lose_nothing_and_see_no_conflict(place: Place, lake: Lake) -> None:
    wanted = [[f"{writer}-{one}" for one in range(2 * ROUNDS)] for writer in range(6)]
    assert ended(*[started(append, place, *ids) for ids in wanted]) == [0] * 6
    assert records(lake) == sorted(itertools.chain(*wanted))


@shows("reader_beside_writer")
def test_who_reads_a_version_finds_it_whole_while_others_write(place: Place, lake: Lake) -> None:
    append(place, "0")
    writer, seen = started(append, place, *(str(number) for number in range(1, 6 * ROUNDS))), set()
    while writer.is_alive():
        seen.add(len(records(lake)))
    assert ended(writer) == [0]
    assert len(records(lake)) == 6 * ROUNDS and len(seen) > 1


def killed_at(place: Place, store: Proxy, number: int, done: bool, table: bool = True) -> bool:
    """Whether there was such a write, at which the process was killed."""
    store.faults = Faults(hold=(number, done))
    process = started(publish, place, table)
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
@shows("killed")
def test_a_kill_at_any_write_leaves_whole_versions_and_the_next_run_goes_on(
    kept: Store, place: Place, store: Proxy, server: str
) -> None:
    """A third of the places, where it is not asked for more rounds."""
    variables, home, root = place

    def directly(one: Place) -> Place:
        """`DeltaTable.restore` (deltalake 1.6) would not let the proxy, a thread of this process, run."""
        return kept.variables(server), *one[1:]

    def prepared(name: str) -> Place:
        one = (variables, f"{home}-{name}", f"{root}-{name}")
        append(directly(one), "old")
        return one

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


@shows("upload_killed")
def test_an_upload_killed_half_way_does_not_count_and_the_next_one_is_whole(
    place: Place, store: Proxy, direct: Place, lake: Lake
) -> None:
    assert killed_at(place, store, 2, False, table=False)
    assert lake.artifact(USE_CASE, NAME, CHECKPOINT) is None and lake.artifacts(USE_CASE, NAME) == []
    assert ended(started(publish, direct, False)) == [0]
    found = lake.artifact(USE_CASE, NAME, CHECKPOINT)
    assert found and len(lake.read_file(found, "adapter_model.safetensors")) == 100_000


@shows("published_twice")
def test_equal_inputs_keep_the_first_checkpoint_and_what_a_kill_left_goes(lake: Lake) -> None:
    folder = lake.path_of("shared", USE_CASE, NAME, CHECKPOINT)
    files.write_bytes(lake.fs, f"{folder}/of_a_killed_upload", b"x")
    publish_checkpoint(lake, b"first")
    first = lake.artifact(USE_CASE, NAME, CHECKPOINT)
    publish_checkpoint(lake, b"second")
    assert first and lake.artifact(USE_CASE, NAME, CHECKPOINT) == first
    assert lake.read_file(first, "adapter_model.safetensors") == b"first"


@shows("lease")
def test_a_lease_of_a_killed_process_is_followed_once_it_has_ended(
    place: Place, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, won, refused = CONTEXT.Event(), CONTEXT.Value("i", 0), CONTEXT.Value("i", 0)
    begin.set()
    holder = started(race_for_lease, place, begin, won, refused)
    deadline = time.monotonic() + SECONDS
    while not won.value and time.monotonic() < deadline:
        time.sleep(0.05)
    holder.kill()
    ended(holder)
    with pytest.raises(TrainerRunning, match=f"process {holder.pid}"), lease(lake, USE_CASE, CHECKPOINT):
        pass
    later = time.time() + leases.LEASE_SECONDS
    monkeypatch.setattr(leases.time, "time", lambda: later)
    with lease(lake, USE_CASE, CHECKPOINT) as held:
        assert held()


@shows("lease")
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


@shows("created_once")
def test_numbers_of_a_launch_are_given_once_also_where_answers_are_lost(place: Place, store: Proxy) -> None:
    store.faults = Faults(unanswered=0.3)
    begin, given = CONTEXT.Event(), CONTEXT.Queue()
    claimers = [started(claim, place, begin, given, 2 * ROUNDS) for _ in range(8)]
    begin.set()
    assert ended(*claimers) == [0] * 8
    found = sorted(given.get(timeout=5) for _ in range(16 * ROUNDS))
    assert found == list(range(1, 16 * ROUNDS + 1)), "each once, and none was skipped"


@shows("lease")
def test_a_lease_whose_answer_was_lost_is_held(place: Place, store: Proxy) -> None:
    lake = opened(place)
    lake.fs.exists(lake.folder)
    store.faults = Faults(unanswered=0.6)
    with lease(lake, USE_CASE, CHECKPOINT) as held:
        assert held()
        with pytest.raises(TrainerRunning), lease(lake, USE_CASE, CHECKPOINT):
            pass


def through(faults: Faults, place: Place, store: Proxy, lake: Lake) -> None:
    """Writers beside each other, and a checkpoint, while the store behaves like this."""
    store.faults = replace(faults)
    wanted = [[f"{writer}-{one}" for one in range(ROUNDS)] for writer in range(2)]
    assert ended(*[started(append, place, *ids) for ids in wanted], store=store) == [0] * len(wanted)
    assert ended(started(publish, place), store=store) == [0]
    assert records(lake) == sorted([*itertools.chain(*wanted), "new"])
    assert lake.artifact(USE_CASE, NAME, CHECKPOINT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(refused=0.3), id="503", marks=shows("storm")),
        pytest.param(Faults(unanswered=0.25), id="answers_lost", marks=shows("storm")),
        pytest.param(Faults(hung_up=0.1), id="hung_up", marks=shows("storm")),
        pytest.param(Faults(slow_seconds=0.3), id="slow_reads", marks=shows("slow_reads")),
    ],
)
def test_a_storm_costs_time_and_nothing_else(
    kept: Store, place: Place, store: Proxy, lake: Lake, faults: Faults
) -> None:
    through(faults, place, store, lake)


@pytest.mark.slow
@shows("throttled")
def test_a_store_that_asks_for_patience_in_its_own_words_is_asked_again(
    kept: Store, place: Place, store: Proxy, lake: Lake
) -> None:
    through(Faults(refused=0.3, answer=kept.busy), place, store, lake)


@pytest.mark.slow
@shows("messages")
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


def impatient(place: Place, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose client soon gives up, as far as it can be told."""
    if place[2].startswith("abfss"):
        monkeypatch.setattr("ft_platform.lake.azure_blobs.RETRIES", 1)
    lake = opened(place)
    lake.fs.exists(lake.folder)
    monkeypatch.setattr(lake.fs, "retries", 1, raising=False)
    return lake


@pytest.mark.slow
@shows("throttled")
def test_a_storm_that_does_not_end_is_named_and_what_was_there_is_intact(
    kept: Store, place: Place, store: Proxy, direct: Place, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(direct)
    away = impatient(place, monkeypatch)
    found = lake.artifact(USE_CASE, NAME, CHECKPOINT)
    assert found
    version = lake.latest(USE_CASE, TABLE)
    assert version
    acts: list[Any] = [
        lambda: publish_checkpoint(away, b"x"),
        lambda: away.verify_table(version),
        lambda: away.write_table(USE_CASE, TABLE, rows("more"), SCHEMA, zone="restricted"),
    ]
    store.faults = Faults(refused=1.0, answer=kept.busy)
    for act in acts:
        began = time.monotonic()
        with pytest.raises(
            LakeUnreachable, match=r"does not answer, or asks for patience .*Run the step again"
        ) as told:
            act()
        assert time.monotonic() - began < 250 and str(told.value).count("\n") < 5
        assert not told.value.permanent
    store.faults = Faults()
    assert lake.artifact(USE_CASE, NAME, CHECKPOINT) == found
    assert records(lake) == ["new"]


@shows("credentials_expired")
def test_credentials_that_are_refused_are_named_and_what_was_there_is_intact(
    kept: Store, place: Place, store: Proxy, direct: Place, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(direct)
    away = impatient(place, monkeypatch)
    version = lake.latest(USE_CASE, TABLE)
    assert version
    acts: list[Any] = [
        lambda: publish_checkpoint(away, b"x"),
        lambda: away.verify_table(version),
        lambda: away.write_table(USE_CASE, TABLE, rows("more"), SCHEMA, zone="restricted"),
    ]
    store.faults = Faults(refused=1.0, answer=kept.unknown)
    for act in acts:
        with pytest.raises(NotWritable, match=r"refuses these credentials .*Renew them") as told:
            act()
        assert str(told.value).count("\n") < 5
    store.faults = Faults()
    assert lake.artifact(USE_CASE, NAME, CHECKPOINT) and inspect(lake, USE_CASE).problems == []


@pytest.mark.slow
def test_a_server_that_is_gone_is_out_of_reach_and_a_lease_lasts_as_long_as_it_was_given(
    place: Place, store: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    lake = impatient(place, monkeypatch)
    with lease(lake, USE_CASE, CHECKPOINT) as held:
        store.faults = Faults(hung_up=1.0)
        with pytest.raises(LakeUnreachable):
            publish_checkpoint(lake, b"x")
        assert held(), "it was renewed a moment ago"


@shows("state_resumed")
def test_a_training_goes_on_from_the_newest_whole_state_and_a_sweep_leaves_none(place: Place, lake: Lake) -> None:
    splits = ArtifactVersion(USE_CASE, "splits", "splits@0", "c", "")
    states = TrainingStates(opened(place), splits, CHECKPOINT)
    for step in (1, 2, 3):
        with states.writing(step) as folder:
            (folder / "weights.safetensors").write_bytes(f"after {step}".encode() * 1000)
    behind = TrainingStates(lake, splits, CHECKPOINT)
    assert behind.steps() == [3, 2]
    lake.fs.pipe_file(f"{behind.folder}/step-00000003/weights.safetensors", b"half")
    damaged: list[int] = []
    with behind.newest(lambda step, _: damaged.append(step)) as found:
        assert found and found[0] == 2
        assert (found[1] / "weights.safetensors").read_bytes() == b"after 2" * 1000
    assert damaged == [3] and behind.steps() == [2]
    assert [one.splits for one in unfinished_trainings(lake, USE_CASE)] == ["splits@0"]
    remove_states(lake, USE_CASE, CHECKPOINT)
    assert behind.steps() == [] and unfinished_trainings(lake, USE_CASE) == []


@shows("evidence")
def test_what_was_altered_behind_the_platforms_back_is_named(kept: Store, place: Place, lake: Lake) -> None:
    publish(place)
    folder = lake.path_of("shared", USE_CASE, NAME, CHECKPOINT)
    assert inspect(lake, USE_CASE).problems == []
    whole = files.read_bytes(lake.fs, f"{folder}/manifest.json")
    lake.fs.pipe_file(f"{folder}/manifest.json", json.dumps({**json.loads(whole), "input_hash": "other"}).encode())
    with pytest.raises(CorruptVersion, match="was altered since it was signed"):
        lake.artifact(USE_CASE, NAME, CHECKPOINT)
    lake.fs.pipe_file(f"{folder}/manifest.json", whole)
    lake.fs.pipe_file(f"{folder}/adapter_model.safetensors", b"of somebody else")
    with pytest.raises(CorruptVersion, match="does not match its manifest"):
        lake.artifact(USE_CASE, NAME, CHECKPOINT)
    assert inspect(lake, USE_CASE).problems != []


@shows("erasure")
def test_earlier_versions_that_hold_a_person_are_deleted_and_no_others(kept: Store, direct: Place, server: str) -> None:
    bucket = f"versions-{next(numbers)}"
    with kept.with_versions(server, bucket) as address:
        root = f"{kept.root.replace(BUCKET, bucket)}/lake"
        _erases_versions(opened((kept.variables(address), direct[1], root)))


def _erases_versions(lake: Lake) -> None:
    notes, other = (f"{lake.folder}/shared/{USE_CASE}/{name}.txt" for name in ("notes", "other"))
    for path, before in ((notes, b"of Zebulon Fictitious"), (other, b"of somebody else")):
        lake.fs.pipe_file(path, before)
        lake.fs.pipe_file(path, b"later")
    found = erase_old_versions(lake, Needles(("Zebulon",)))
    assert found == OldVersions(deleted=1)
    assert erase_old_versions(lake, Needles(("Zebulon",))) == OldVersions()
    assert erase_old_versions(lake, Needles(("somebody",))) == OldVersions(deleted=1), "it was still there"
    assert files.read_bytes(lake.fs, notes) == files.read_bytes(lake.fs, other) == b"later"
    lake.fs.pipe_file(notes, b"of Zebulon Fictitious again")
    lake.fs.rm_file(notes)
    remove_versions_of(lake, notes)
    left = erase_old_versions(lake, Needles(("Zebulon",)))  # some stores do not say whether they keep versions
    assert not lake.fs.exists(notes) and left in (OldVersions(), None)
