"""kill -9 at every point of publishing a checkpoint: what is readable is whole, and the next run publishes it."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.environment import Environment

pytestmark = pytest.mark.integration

PROGRAM = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path

    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.settings.environment import Environment

    root, point = sys.argv[1:]

    def stop_here(name):
        if name == point:
            print("here", flush=True)
            time.sleep(120)

    def stopping(name):
        real, calls = getattr(os, name), 0

        def stopped(source, target):
            nonlocal calls
            calls += 1
            stop_here(f"before {name} {calls}")
            real(source, target)
            stop_here(f"after {name} {calls}")

        setattr(os, name, stopped)

    stopping("rename")
    stopping("replace")
    lake = open_lake(Environment(home=Path(root)))
    with lake.scratch("claims", "adapter_checkpoint") as folder:
        folder.mkdir()
        with open(folder / "adapter_model.safetensors", "wb") as file:
            file.write(b"w" * 1_000_000)
            file.flush()
            stop_here("in the middle of a file")
            file.write(b"w" * 1_000_000)
        lake.publish("claims", "adapter_checkpoint", "ckpt-1", folder, parents=[], settings_hash="s", input_hash="i")
    print("published", flush=True)
    """)
FOLDER = [f"{when} rename {number}" for number in (1, 2) for when in ("before", "after")]
SIGNED = [f"{when} replace {number}" for number in range(1, 7) for when in ("before", "after")]
"""The private key, the public keys, the chain with its first entry, its head; then the chain with the entry of the
checkpoint, its head."""
POINTS = ["in the middle of a file", *FOLDER, *SIGNED]
COUNTS = SIGNED[9:]
"""From here on the checkpoint is signed."""


def start(root: Path, point: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(root), point], stdout=subprocess.PIPE, text=True)


def published(root: Path) -> ArtifactVersion | None:
    """Verified: raises if a byte is missing."""
    return open_lake(Environment(home=root)).artifact("claims", "adapter_checkpoint", "ckpt-1")


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_the_whole_checkpoint_or_none(tmp_path, point):
    with start(tmp_path, point) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (published(tmp_path) is not None) == (point in COUNTS)
    assert [a.id for a in open_lake(Environment(home=tmp_path)).artifacts("claims", "adapter_checkpoint")] == (
        ["ckpt-1"] if point in COUNTS else []
    )
    with start(tmp_path, "nowhere") as again:
        assert again.stdout is not None
        assert again.stdout.readline() == "published\n"
    found = published(tmp_path)
    assert found is not None
    assert len(open_lake(Environment(home=tmp_path)).read_file(found, "adapter_model.safetensors")) == 2_000_000
