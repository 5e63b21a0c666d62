"""What git says about files.

Covered: no program is started that the settings of a repository name, no password is asked for, and nobody waits for
longer than `SECONDS`. Not covered: that authors are who they say; git was told by whoever committed."""

import os
import subprocess
from pathlib import Path

SECONDS = 20.0
SAFE = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
"""Without programs that the settings of a repository may start."""


def git(folder: Path, *words: str) -> str | None:
    """What git answers; None where it is not installed, refuses or does not answer."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *SAFE, "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**variables, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def is_as_committed(folder: Path, *files: str) -> bool:
    """Whether these files of a folder are in a repository and are those that were committed last."""
    return git(folder, "status", "--porcelain", "--ignored", "--", *files) == ""


def last_change(file: Path) -> dict[str, str]:
    """Commit and author (e-mail address) of the newest change of a file that is as it was committed; empty where git
    cannot tell."""
    folder, name = file.parent, f":(literal){file.name}"
    found = git(folder, "log", "-1", "--format=%h%n%ae", "--", name) if is_as_committed(folder, name) else None
    commit, _, author = (found or "").strip().partition("\n")
    return {"commit": commit, "changed_by": author.lower()} if author else {}
