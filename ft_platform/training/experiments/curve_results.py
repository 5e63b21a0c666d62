"""The trainings of a learning curve that are made, in a file that survives a kill at any point."""

import json
import os
from pathlib import Path
from typing import Any

STAGE = "learning_curve"
RESULTS = "trainings.jsonl"


def append(path: Path, one: dict[str, Any]) -> None:
    """Adds a line; the file is written aside and renamed, so a kill leaves the old one."""
    whole = "".join(json.dumps(line) + "\n" for line in [*read(path), one])
    aside = path.with_suffix(".new")
    with open(aside, "w", encoding="utf-8") as file:
        file.write(whole)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read(path: Path) -> list[dict[str, Any]]:
    """One result per training, as `curve.trainings_for_curve` gives them; none where there is no file yet."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
