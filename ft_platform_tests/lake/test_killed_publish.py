"""kill -9 at every point of publishing a checkpoint: what is readable is whole, and the next run publishes it."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ft_platform.lake import Lake
from ft_platform.lake.versions import ArtifactVersion

PROGRAM = textwrap.dedent(
    """
    import os, sys, time
    from ft_platform.lake import Lake

    root, point = sys.argv[1:]

    def stop_here(name):
        if name == point:
            print("here", flush=True)
            time.sleep(120)

    real_rename, renames = os.rename, 0

    def rename(source, target):
        global renames
        renames += 1
        stop_here(f"before rename {renames}")
        real_rename(source, target)
        stop_here(f"after rename {renames}")

    os.rename = rename
    lake = Lake(root)
    with lake.scratch("claims", "adapter_checkpoint") as folder:
        folder.mkdir()
        with open(folder / "adapter_model.safetensors", "wb") as file:
            file.write(b"w" * 1_000_000)
            file.flush()
            stop_here("in the middle of a file")
            file.write(b"w" * 1_000_000)
        lake.publish("claims", "adapter_checkpoint", "ckpt-1", folder, parents=[], settings_hash="s", input_hash="i")
    print("published", flush=True)
    """
)
POINTS = ["in the middle of a file", "before rename 1", "after rename 1", "before rename 2", "after rename 2"]


def start(root: Path, point: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(root), point], stdout=subprocess.PIPE, text=True)


def published(root: Path) -> ArtifactVersion | None:
    """Verified: raises if a byte is missing."""
    return Lake(root).artifact("claims", "adapter_checkpoint", "ckpt-1")


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_the_whole_checkpoint_or_none(tmp_path, point):
    with start(tmp_path, point) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (published(tmp_path) is not None) == (point == "after rename 2")
    assert [a.id for a in Lake(tmp_path).artifacts("claims", "adapter_checkpoint")] == (["ckpt-1"] if point == "after rename 2" else [])
    with start(tmp_path, "nowhere") as again:
        assert again.stdout is not None
        assert again.stdout.readline() == "published\n"
    found = published(tmp_path)
    assert found is not None
    assert len(Lake(tmp_path).read_file(found, "adapter_model.safetensors")) == 2_000_000
