"""Launches and messages in the lake: what counts, in which order, and what does not."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.compute import elsewhere
from ft_platform.compute.backend import Job, Look, Unreachable
from ft_platform.compute.lake_messages import LakeMessages
from ft_platform.errors import MachineLost, OutOfMemory, Preempted, SubmissionRefused, Superseded, TrainingFailed
from ft_platform.lake.launches import LaunchFolder, launch_id
from ft_platform.lake.store import Lake
from ft_platform.programs import lake_messages
from ft_platform.programs.lake_messages import LakeChannel


@pytest.fixture
def folder(lake: Lake) -> LaunchFolder:
    return LaunchFolder(lake, "complaints", launch_id({"program": "train"}))


class Handler:
    """Where Dagster would take messages."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def handle_message(self, message: dict[str, Any]) -> None:
        self.told.append(message["params"].get("message", message["method"]))


def line(number: int) -> dict[str, Any]:
    return {"method": "log", "params": {"message": f"line {number}"}}


def write(folder: LaunchFolder, start: int, number: int, *messages: dict[str, Any]) -> None:
    folder.write(start, number, "\n".join(json.dumps(one) for one in messages).encode())


def result(value: str) -> dict[str, Any]:
    return {"method": "report_custom_message", "params": {"payload": {"artifact": value}}}


def failed(kind: str) -> dict[str, Any]:
    said = {"failed": {"type": kind, "message": "m", "next_step": "n"}}
    return {"method": "report_custom_message", "params": {"payload": said}}


def test_equal_work_has_one_name_and_other_work_another() -> None:
    assert launch_id({"a": 1, "b": [2]}) == launch_id({"b": [2], "a": 1}) != launch_id({"a": 1, "b": [3]})


def test_a_job_of_an_earlier_attempt_does_not_begin(folder: LaunchFolder) -> None:
    assert (folder.note_attempt(), folder.note_attempt(), folder.newest("attempt")) == (1, 2, 2)
    assert folder.job_name(1) != folder.job_name(2), "a scheduler remembers the first"
    with pytest.raises(Superseded, match=r"attempt 1 at ft-\w+ is not the newest \(2\)"):
        folder.begin(1)
    assert (folder.begin(2), folder.begin(2)) == (1, 2)
    folder.remove()
    with pytest.raises(Superseded, match="not the newest"):
        folder.begin(2)


def test_of_two_who_claim_a_number_at_once_one_gets_it(folder: LaunchFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.note_attempt()
    seen, newest = [0], LaunchFolder.newest

    def late(one: LaunchFolder, kind: str) -> int:
        seen[0] += 1
        return newest(one, kind) if seen[0] > 1 else 0  # as it was before the other wrote

    monkeypatch.setattr(LaunchFolder, "newest", late)
    assert folder.note_attempt() == 2


def test_messages_are_taken_in_their_order_and_once(folder: LaunchFolder) -> None:
    folder.note_attempt()
    start, handler, reader = folder.begin(1), Handler(), LakeMessages(None, folder)  # type: ignore[arg-type]
    with reader.read_messages(handler):  # type: ignore[arg-type]
        write(folder, start, 2, line(2))
        reader.read()
        assert handler.told == [] and reader.finish() == [2], "the one before is missing"
        write(folder, start, 0, line(0), line(1))
        for _ in range(2):
            reader.read()
        write(folder, start, 2, line(2))  # once more
        assert reader.finish() == []
    assert handler.told == ["line 0", "line 1", "line 2"]


def test_only_the_newest_start_says_how_it_ended(folder: LaunchFolder) -> None:
    folder.note_attempt()
    first, reader = folder.begin(1), LakeMessages(None, folder)  # type: ignore[arg-type]
    write(folder, first, 0, failed("Preempted"))
    reader.read()
    assert reader.final[0]["failed"]["type"] == "Preempted"
    second = folder.begin(1)
    write(folder, second, 0, result("a"))
    write(folder, first, 1, result("of a machine that came back"))
    assert reader.finish() == [] and reader.final == [{"artifact": "a"}]


def test_what_another_process_knows_counts_where_the_first_says_nothing(folder: LaunchFolder) -> None:
    attempt, reader = folder.note_attempt(), LakeMessages(None, folder)  # type: ignore[arg-type]
    folder.write_beside(attempt, failed("NanLoss"))
    reader.finish()
    assert reader.final[0]["failed"]["type"] == "NanLoss"


def test_a_file_that_came_through_unseen_is_written_again_as_it_was(
    folder: LaunchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_messages, "WRITE_SECONDS", 0.01)
    written, real = [], LaunchFolder.write

    def twice(one: LaunchFolder, start: int, number: int, content: bytes) -> None:
        written.append((number, content))
        real(one, start, number, content)
        if len(written) % 2:
            raise OSError("the answer was lost")

    monkeypatch.setattr(LaunchFolder, "write", twice)
    folder.note_attempt()
    channel = LakeChannel(folder, folder.begin(1))
    for number in range(20):
        channel.write_message(line(number))  # type: ignore[arg-type]
    channel.close()
    assert all(first == second for first, second in zip(written[::2], written[1::2], strict=True))
    handler, reader = Handler(), LakeMessages(None, folder)  # type: ignore[arg-type]
    with reader.read_messages(handler):  # type: ignore[arg-type]
        assert reader.finish() == []
    assert handler.told == [f"line {number}" for number in range(20)]


def test_a_store_that_takes_nothing_fails_the_program(folder: LaunchFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_messages, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(lake_messages, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(LaunchFolder, "write", lambda *_: 1 / 0)
    channel = LakeChannel(folder, 1)
    channel.write_message(line(0))  # type: ignore[arg-type]
    with pytest.raises(lake_messages.TransientError, match="does not take the last messages"):
        channel.close()


@pytest.fixture
def watch(folder: LaunchFolder) -> Any:
    compute = SimpleNamespace(timeout_minutes=90.0)
    use_case = SimpleNamespace(settings=SimpleNamespace(compute=compute))
    launch: Any = SimpleNamespace(program="train", context=None, use_case=use_case)
    return elsewhere._Watch(launch, None, folder)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "end", "again"),
    [
        ([], Look("ended", "machine_lost", 0, "NODE_FAIL"), MachineLost),
        ([], Look("unknown"), MachineLost),
        ([failed("Preempted")], Look("ended", "machine_lost"), Preempted),
        ([failed("Preempted")], Look("ended", "program", 1), Preempted),
        ([failed("Preempted")], Look("ended", "program", 1, seconds=5399), Preempted),
        ([failed("Preempted")], Look("ended", "program", 1, seconds=5400), None),  # so long it may run
        ([failed("Preempted")], Look("ended", "time_limit", 1), None),
        ([failed("Preempted")], Look("ended", "refused", 1), None),  # no machine came for its next part
        ([failed("Preempted")], Look("ended", "cancelled"), None),  # somebody wants its end
        ([failed("NanLoss")], Look("ended", "program", 1), None),
        ([failed("NanLoss")], Look("ended", "machine_lost"), None),  # it had failed before
        ([], Look("ended", "out_of_memory", 0), None),
        ([], Look("ended", "refused", 1), None),
        ([], Look("ended", "program", -9), None),
        ([result("a")], Look("ended", "machine_lost"), None),  # it had ended before
    ],
)
def test_only_what_a_lost_machine_ended_is_tried_again(
    watch: Any, said: list[Any], end: Look, again: type[Exception] | None
) -> None:
    watch.messages.final = [one["params"]["payload"] for one in said]
    found = watch.lost(end)
    assert type(found) is again if again else found is None


@pytest.mark.parametrize(
    ("end", "kind", "words"),
    [
        (Look("ended", "program", -9, seconds=5500), TrainingFailed, "longer than 90"),
        (Look("ended", "out_of_memory", 0, "OUT_OF_MEMORY"), OutOfMemory, "more memory than its job may"),
        (Look("ended", "time_limit", 0), TrainingFailed, "longer than 90"),
        (Look("ended", "refused", 1, "PartitionTimeLimit"), SubmissionRefused, "never get a machine .PartitionTime"),
        (Look("ended", "cancelled", -15), SubmissionRefused, "was cancelled at the scheduler"),
        (Look("ended", "program", 3), TrainingFailed, "exit code 3"),
    ],
)
def test_each_end_without_a_word_of_the_program_has_its_reason(
    watch: Any, end: Look, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as raised:
        watch.result(end)
    assert raised.type is kind
    if end.cause != "program" or end.seconds:  # that it was asked to end says less than who asked
        watch.messages.final = [failed("Preempted")["params"]["payload"]]
        with pytest.raises(kind, match=words):
            watch.result(end)


@pytest.mark.parametrize(
    ("before", "looks", "paid"),
    [
        (0, [(10, Look("runs")), (0, Look("ended", seconds=11))], 11),
        (0, [(10, Look("runs")), (10, Look("waits")), (10, Look("runs")), (0, Look("ended", seconds=11))], 21),
        # Three tasks, of which the first is preempted once and another ends early.
        (
            0,
            [
                (10, Look("runs", beside=2)),
                (10, Look("waits", beside=1)),
                (10, Look("runs", beside=1, beside_seconds=10)),
                (0, Look("ended", seconds=10, beside_seconds=42)),
            ],
            62,
        ),
        (0, [(10, Look("runs", beside=2)), (0, Look("unknown"))], 30),
        # Adopted after 35 seconds, of which 30 are paid.
        (30, [(10, Look("runs")), (0, Look("ended", seconds=45))], 15),
    ],
)
def test_all_tasks_of_a_job_are_paid_for_and_no_second_twice(
    watch: Any, monkeypatch: pytest.MonkeyPatch, before: float, looks: list[tuple[float, Look]], paid: float
) -> None:
    clock, told = [0.0], []
    times = [sum(seconds for seconds, _ in looks[:number]) for number in range(len(looks))]
    monkeypatch.setattr(elsewhere, "LOOK_SECONDS", 1.0)
    pause = lambda seconds: clock.__setitem__(0, clock[0] + seconds)  # noqa: E731
    monkeypatch.setattr(elsewhere, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=pause))

    def look(_job: str) -> Look:
        return [one for begins, (_, one) in zip(times, looks, strict=True) if begins <= clock[0]][-1]

    watch.scheduler = SimpleNamespace(look=look)
    watch.launch.resources = SimpleNamespace(grace_seconds=1.0, timeout_seconds=15.0)
    watch.launch.ran, watch.tell = told.append, lambda _look: None
    watch.before = watch.ran = before
    watch.watched("7")
    assert told[-1] == paid and watch.folder.seconds == before + paid


@pytest.mark.parametrize("answered", [False, True])
def test_a_job_that_was_submitted_when_its_run_was_told_to_end_is_ended(watch: Any, answered: bool) -> None:
    """The interrupt may come before the answer."""
    there: list[str] = []

    def submit(job: Job) -> str:
        there.append(job.name)
        if not answered:
            raise KeyboardInterrupt
        return "77"

    def look(_job: str) -> Look:
        raise KeyboardInterrupt

    watch.scheduler = SimpleNamespace(
        submit=submit, look=look, find=lambda _: "77" if there else None, stop=lambda *_: there.clear()
    )
    watch.launch.resources = SimpleNamespace(grace_seconds=1.0, timeout_seconds=60.0)
    watch.result_of_last = lambda: watch.watched(watch.placed(Job("ft-1-1", watch.launch, {})))
    with pytest.raises(KeyboardInterrupt):
        watch.until_end()
    assert there == []


def test_a_scheduler_that_does_not_answer_is_asked_again_and_given_up_on(
    watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "READ_SECONDS", 0.001)
    answers = [Unreachable("restarts"), OSError("503"), "here"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert watch.patiently(ask) == "here"
    monkeypatch.setattr(elsewhere, "PATIENCE_SECONDS", 0.0)
    answers[:] = [Unreachable("down")] * 3
    with pytest.raises(elsewhere._OutOfReach, match=r"the scheduler does not answer \(down\)"):
        watch.patiently(ask)
