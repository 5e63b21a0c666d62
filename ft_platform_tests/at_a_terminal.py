"""A person at a terminal."""

import os
import pty
import subprocess
import sys


def at_a_terminal(command: list[str], answers: list[str]) -> str:
    """What `ft` shows a person who types these lines at a terminal."""
    theirs, ours = pty.openpty()
    script = "import sys; from ft_platform.cli import run_and_exit; run_and_exit()"
    process = subprocess.Popen([sys.executable, "-c", script, *command], stdin=ours, stdout=ours, stderr=ours)
    os.close(ours)
    os.write(theirs, "".join(f"{line}\n" for line in answers).encode())
    shown = b""
    while True:
        try:
            part = os.read(theirs, 4096)
        except OSError:  # Linux says so once the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(theirs)
    assert process.wait(60) == 0, shown.decode()
    return shown.decode()
