"""Messages of a program reach listeners at once and whole; failures keep their reason."""

import json
import threading
import time

import pytest

from ft_platform.compute.pipes import _follow, final_values
from ft_platform.errors import NanLoss, ProgramKilled, TrainingFailed


def test_a_line_that_is_written_in_two_pieces_is_one_message(tmp_path):
    path = tmp_path / "messages"
    path.touch()
    got: list = []
    ended = threading.Event()
    reader = threading.Thread(target=_follow, args=(path, got.append, ended))
    reader.start()
    line = json.dumps({"method": "log", "params": {"message": "x" * 20_000}})
    with open(path, "a") as file:
        file.write(line[:9000])
        file.flush()
        time.sleep(0.3)
        file.write(line[9000:] + "\n")
    ended.set()
    reader.join(10)
    assert got == [json.loads(line)]


def test_a_failure_keeps_its_type_message_and_next_step():
    with pytest.raises(NanLoss, match=r"step 12.*Lower training\.learning_rate"):
        final_values(
            [
                {
                    "failed": {
                        "type": "NanLoss",
                        "message": "loss is NaN at step 12",
                        "next_step": "Lower training.learning_rate",
                    }
                }
            ],
            "train",
            1,
        )


def test_an_unknown_failure_type_is_a_failed_training():
    with pytest.raises(TrainingFailed, match="strange"):
        final_values([{"failed": {"type": "os", "message": "strange"}}], "train", 1)


def test_a_signal_is_named():
    with pytest.raises(ProgramKilled, match="SIGKILL"):
        final_values([], "train", -9)


def test_an_end_without_a_result_is_a_failure():
    with pytest.raises(TrainingFailed, match="without a result"):
        final_values([], "train", 0)
