"""A machine of the stand-in `by_lake`: runs one job to its end, whoever watches. `python -S supervisor.py <folder>
<command...>`: waits while there is no room, runs the command, begins anew when it was preempted, and notes how it
ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    output = open(os.devnull, "w")  # noqa: SIM115
    while True:
        while (folder.parent / "full").exists():
            if (folder / "cancelled").exists():
                note(folder, "ended cancelled 1")
                return
            time.sleep(0.05)
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        note(folder, f"runs {process.pid}")
        while process.poll() is None:
            if (folder / "preempt").exists():
                process.send_signal(signal.SIGTERM)
                process.wait()
                break
            time.sleep(0.05)
        if not (folder / "preempt").exists():
            break
        (folder / "preempt").unlink()
        note(folder, "waits preempted")
        time.sleep(0.5)
    cause = next((one for one in ("lost", "cancelled") if (folder / one).exists()), "program")
    note(folder, f"ended {cause} {process.returncode}")


def note(folder: Path, words: str) -> None:
    (folder / "new").write_text(words)
    (folder / "new").rename(folder / "state")


if __name__ == "__main__":
    main()
