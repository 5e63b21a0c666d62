"""What back ends run in their contract test in place of the program `train`, through the same frame as all programs.
`CONTRACT_DOES` says what it does.

Every process that it consists of, or starts, touches a file of its own ten times a second: who does not see their ids
sees whether they live."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

from ft_platform.errors import NanLoss, Preempted
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import TableVersion
from ft_platform.process.progress import Update
from ft_platform.programs.reporting import Program, prepare_process, program

FOLDER = Path(os.environ["CONTRACT_FOLDER"])
RANK = int(os.environ.get("RANK", "0"))
STEPS, TALKS = 20, 12
FAULTS = ("messages_lost", "messages_twice", "clock_skew")
BEATS = """
import pathlib, sys, time
while True:
    pathlib.Path(sys.argv[1]).write_text(str(time.time()))
    time.sleep(0.1)
"""
ARTIFACT = {
    "type": "artifact",
    "use_case": "complaints",
    "name": "adapter_checkpoint",
    "artifact_id": "a-1",
    "content_hash": "0" * 64,
    "uri": "nowhere",
}


def beat() -> None:
    while True:
        (FOLDER / f"alive-program-{RANK}").write_text(str(time.time()))
        time.sleep(0.1)


def learn(running: Program, step_seconds: float, deaf: bool = False) -> str:
    """Twenty steps, each of which changes the weights; asked to stop, it saves them and says so.

    Args:
        deaf: it saves them after each step, and goes on when it is asked to stop.
    """
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: (FOLDER / "asked").touch() if deaf else asked.append(1))
    states = TrainingStates(running.lake, TableVersion("complaints", "splits", "shared", 1, "c0", 40, ""), "ckpt-1")
    step, weights = 0, "begin"
    with states.newest(lambda *_: None) as found:
        if found:
            step, weights = found[0], (found[1] / "weights").read_text()
    running.log.info(f"goes on after step {step}")
    for number in range(step + 1, STEPS + 1):
        weights = next_weights(weights)
        time.sleep(step_seconds)
        if asked or deaf:
            with states.writing(number) as folder:
                (folder / "weights").write_text(weights)
        if asked:
            raise Preempted(f"asked to stop at step {number}", "Run the step again")
    states.remove()
    return weights


def next_weights(weights: str) -> str:
    return hashlib.sha256(weights.encode()).hexdigest()


def plant(fault: str) -> None:
    """Store and clock of this machine as they should not be."""
    if fault == "clock_skew":
        real = time.time
        time.time = lambda: real() - 315_000_000.0
    written, write = [0], LaunchFolder.write

    def faulty(folder: LaunchFolder, start: int, number: int, content: bytes) -> None:
        written[0] += 1
        if fault == "messages_lost" and written[0] % 3:
            raise OSError("503 Slow Down")
        write(folder, start, number, content)
        if fault == "messages_twice" and written[0] % 2:
            raise OSError("the answer was lost on its way")

    LaunchFolder.write = faulty


def main() -> None:
    prepare_process()
    does = os.environ["CONTRACT_DOES"]
    if does in FAULTS:
        plant(does)
        does = "talks"
    (FOLDER / f"started-{uuid.uuid4().hex}").touch()
    threading.Thread(target=beat, daemon=True).start()
    with program("train") as running:
        if does == "reports":
            running.log.info(f"a line of process {RANK}")
            for step in (1, 2):
                running.on_progress(Update("adapter_checkpoint", step, 2, "steps", {"loss": 1 / step}))
            running.finish(artifact=ARTIFACT, told=running.extras["told"])
        elif does == "talks":
            for number in range(TALKS):
                running.log.info(f"line {number} of process {RANK}")
                time.sleep(0.2)
            running.finish(artifact=ARTIFACT)
        elif does in ("learns", "learns_slowly", "learns_deaf"):
            seconds = {"learns": 0.2, "learns_slowly": 4.0, "learns_deaf": 1.5}[does]
            running.finish(artifact=ARTIFACT, weights=learn(running, seconds, deaf=does == "learns_deaf"))
        elif does == "waits":
            running.log.info(f"a line of process {RANK}")
            while not (FOLDER / "go").exists():
                time.sleep(0.1)
            running.finish(artifact=ARTIFACT)
        elif does == "needs_memory":
            kept = []
            while True:
                kept.append(os.urandom(1 << 20) * 100)
                time.sleep(0.05)
        elif does == "fails" and int(os.environ.get("WORLD_SIZE", "1")) - 1 == RANK:
            raise NanLoss("loss is NaN at step 12", "Lower training.learning_rate")
        elif does == "raises":
            raise ValueError(os.environ["CONTRACT_TOKEN"])
        elif does == "dies" and RANK == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            before = signal.SIG_IGN if does == "ignores_interrupts" else signal.default_int_handler
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what it starts ignores them
            subprocess.Popen([sys.executable, "-S", "-c", BEATS, str(FOLDER / f"alive-child-{RANK}")])
            signal.signal(signal.SIGINT, before)
            while True:
                time.sleep(0.1)


if __name__ == "__main__":
    main()
