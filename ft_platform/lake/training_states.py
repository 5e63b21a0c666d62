"""Folders of saved training states: each becomes readable all at once, is compared with its manifest before use, and old ones go.

They lie in the lake beside the checkpoints (`shared/<use_case>/.training/<checkpoint_id>/step-<n>/`), so that another machine
can go on where one was lost.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ft_platform.lake import files
from ft_platform.lake.store import Lake

MANIFEST = "manifest.json"


class TrainingStates:
    """Saved states of one checkpoint that is being trained.

    Args:
        keep: newest states that stay; at least 2, so that a damaged one has a predecessor.
    """

    def __init__(self, lake: Lake, use_case: str, checkpoint_id: str, keep: int = 2) -> None:
        self.lake, self.use_case, self.checkpoint_id, self.keep = lake, use_case, checkpoint_id, max(keep, 2)
        self.folder = lake.path_of("shared", use_case, ".training", checkpoint_id)

    def steps(self) -> list[int]:
        """Optimizer steps after which a state was saved, newest first; one that a killed process left half made is among them."""
        fs = self.lake.fs
        fs.invalidate_cache()
        if not fs.exists(self.folder):
            return []
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(self.folder, detail=False)]
        found = [int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit()]
        return sorted(found, reverse=True)

    def _place(self, step: int) -> str:
        return f"{self.folder}/step-{step:08d}"

    @contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """A folder to fill; after the block it is the newest state, and older ones than `keep` are gone.

        Raises:
            DiskFull: the states before stay as they are.
        """
        with self.lake.scratch(self.use_case, f"state-{self.checkpoint_id}") as folder:
            folder.mkdir()
            yield folder
            (folder / MANIFEST).write_text(json.dumps({"step": step, "files": files.folder_hashes(folder)}))
            files.publish_folder(self.lake.fs, folder, self._place(step))
        for old in self.steps()[self.keep :]:
            self._remove(self._place(old))

    @contextmanager
    def newest(self, on_damaged: Callable[[int, str], None]) -> Iterator[tuple[int, Path] | None]:
        """Step and folder of the newest state whose bytes are those of its manifest, or None if there is none.

        Args:
            on_damaged: called with step and reason of every newer state that is not whole; it is set aside.
        """
        with tempfile.TemporaryDirectory(prefix="ft-state-") as temporary:
            for step in self.steps():
                place = Path(self._place(step)) if self.lake.is_local else self._download(step, Path(temporary) / str(step))
                problem = damage(place)
                if problem is None:
                    yield step, place
                    return
                on_damaged(step, problem)
                with self.lake.room_for(f"setting aside a damaged state of {self.checkpoint_id}"):
                    files.move_folder(self.lake.fs, self._place(step), f"{self.folder}/damaged-{step:08d}-{os.urandom(4).hex()}")
            yield None

    def _download(self, step: int, target: Path) -> Path:
        self.lake.fs.get(self._place(step), str(target), recursive=True)
        return target

    def remove(self) -> None:
        """Removes all states: the checkpoint is published."""
        self._remove(self.folder)

    def _remove(self, path: str) -> None:
        self.lake.fs.invalidate_cache()
        if self.lake.fs.exists(path):
            # The manifest first: a folder that is half removed is no state.
            for manifest in [p for p in self.lake.fs.find(path) if p.endswith(f"/{MANIFEST}")]:
                self.lake.fs.rm_file(manifest)
            self.lake.fs.rm(path, recursive=True)


def damage(folder: Path) -> str | None:
    """What makes a state unusable: a file that is missing or holds other bytes than its manifest says. None if it is whole."""
    try:
        expected = json.loads((folder / MANIFEST).read_text())["files"]
        for name, digest in expected.items():
            if not (folder / name).is_file():
                return f"{name} is missing"
            if files.sha256_file(folder / name) != digest:
                return f"{name} holds other bytes than were saved"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return f"{MANIFEST} cannot be read"
    return None if expected else f"{MANIFEST} names no file"
