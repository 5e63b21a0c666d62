"""What back ends run in their contract test in place of the program `train`, through the same frame as all programs.
`CONTRACT_DOES` says what it does.

Every process that it consists of, or starts, touches a file of its own ten times a second: who does not see their ids
sees whether they live."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from ft_platform.errors import NanLoss
from ft_platform.process.progress import Update
from ft_platform.programs.reporting import prepare_process, program

FOLDER = Path(os.environ["CONTRACT_FOLDER"])
RANK = int(os.environ.get("RANK", "0"))
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


def main() -> None:
    prepare_process()
    does = os.environ["CONTRACT_DOES"]
    threading.Thread(target=beat, daemon=True).start()
    with program("train") as running:
        if does == "reports":
            running.log.info(f"a line of process {RANK}")
            for step in (1, 2):
                running.on_progress(Update("adapter_checkpoint", step, 2, "steps", {"loss": 1 / step}))
            running.finish(artifact=ARTIFACT, told=running.extras["told"])
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
