"""Which `ft_environment.yaml` is in force. It holds the installation's policy, so it must not depend on the folder that
a command is started from.

Covered: another working directory, a file that was moved or deleted since the installation was set up, a second file, a
file that another account put into a folder above. Not covered: who may set FT_ENVIRONMENT and FT_HOME, or write the
file or the home.
"""

import os
from pathlib import Path

from ft_platform.errors import ConfigError

NAME = "ft_environment.yaml"
VARIABLE = "FT_ENVIRONMENT"
NOTE = "environment_file"
"""File in the home of an installation: path of the settings that it was set up with."""
CHECKOUT = Path(__file__).absolute().parents[3]


def environment_file() -> Path | None:
    """The file that FT_ENVIRONMENT names. Without it the one of the working directory or the nearest folder above it,
    which must be that of FT_HOME (in it, beside it, or noted there when the installation was set up); where there is
    none, that of the folder that holds the package. None: there is no file.

    Raises:
        ConfigError: the file that is named or noted does not exist, two files could be meant, or another account put it
            there.
    """
    if (named := os.environ.get(VARIABLE)) is not None:
        if not named or not os.path.lexists(named):
            raise ConfigError(
                [f"{VARIABLE} names {named or 'nothing'}, which does not exist"], "Correct the variable, or unset it"
            )
        return Path(named).absolute()
    here = Path.cwd()
    above = _first([here, *here.parents], trusted=here)
    home = Path(os.environ.get("FT_HOME") or (above.parent if above else here) / ".ft").absolute()
    noted = _noted(home)
    own = _first([home, home.parent], trusted=here) or (noted if noted and os.path.lexists(noted) else None)
    if above and own and os.path.realpath(above) != os.path.realpath(own):
        raise ConfigError(
            [f"two files could be the settings of the installation in {home}: {above} and {own}"],
            f"Name the right one with {VARIABLE}",
        )
    if noted and not (above or own):
        raise ConfigError(
            [f"the installation in {home} was set up with {noted}, which does not exist"],
            f"Put it back, name another file with {VARIABLE}, or delete {home / NOTE} to use none",
        )
    return above or own or _first([CHECKOUT], trusted=here)


def beside_environment_file(name: str) -> Path | None:
    """A file in the folder of the settings in force, or None; also where another account than theirs put it there."""
    settings = environment_file()
    file = settings.with_name(name) if settings else None
    trusted = (0, os.geteuid(), settings.lstat().st_uid if settings else 0)
    return file if file and file.is_file() and file.lstat().st_uid in trusted else None


def note_environment_file(home: Path) -> None:
    """Notes in a home which file is in force, so that later commands find it from any folder."""
    found = environment_file()
    if found and _noted(home) != found:
        home.mkdir(parents=True, exist_ok=True)
        (home / NOTE).write_text(f"{found}\n", encoding="utf-8", errors="surrogateescape")


def _noted(home: Path) -> Path | None:
    try:
        return Path((home / NOTE).read_text(encoding="utf-8", errors="surrogateescape").strip())
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # who may not read the home cannot use it either
        return None


def _first(folders: list[Path], trusted: Path) -> Path | None:
    """The first of the folders that has the file.

    Args:
        trusted: folder whose file may be anybody's.

    Raises:
        ConfigError: it belongs neither to this account nor to root nor to whom the folder belongs to: in `/tmp` anybody
            could have put it there.
    """
    found = next((folder / NAME for folder in folders if os.path.lexists(folder / NAME)), None)
    if found and found.parent != trusted and found.lstat().st_uid not in (0, os.geteuid(), found.parent.stat().st_uid):
        raise ConfigError(
            [f"{found} was put there by another account"], f"If it is the right file, name it with {VARIABLE}"
        )
    return found
