"""The private folders of an installation: whether others may read them, in sentences, and how they are closed."""

import grp
import os
from dataclasses import dataclass
from pathlib import Path

from ft_platform.errors import ConfigError
from ft_platform.lake import modes, store_access
from ft_platform.lake.places import Places
from ft_platform.use_case.settings.environment import Environment

REMEDY = "Close it with: ft lake harden"
DAGSTER, TRAFFIC = "Dagster home", "served traffic"
BY_UMASK = (DAGSTER, TRAFFIC)
"""Folders whose files Dagster and sqlite make by the umask; the folder keeps others out."""


@dataclass(frozen=True)
class PrivateFolder:
    """A folder that nobody else may enter.

    Attributes:
        name: what it is.
        access: who may.
    """

    name: str
    path: Path
    access: modes.Access


def private_folders(environment: Environment) -> list[PrivateFolder]:
    """The private folders that exist: zones and audit log of a local lake, keys, what a server notes, and the Dagster
    home.

    Raises:
        ConfigError: there is no group with the name in `restricted_group`.
    """
    lake, access = Places(environment.lake_uri, environment.storage_options()), access_wanted(environment)
    zones = (
        [PrivateFolder(zone, Path(lake.root, zone), access) for zone in modes.PRIVATE_ZONES] if lake.is_local else []
    )
    logs = [Path(lake.root, "audit_log"), *environment.seals_path.glob("audit_log-*")]  # and how each stands
    keys = PrivateFolder("keys", environment.home / "vault", modes.Access())
    traffic = PrivateFolder(TRAFFIC, environment.home / "serving" / "traffic", modes.Access())
    dagster = PrivateFolder(DAGSTER, environment.dagster_home, access)
    return [
        folder
        for folder in (*zones, *(PrivateFolder("audit log", path, access) for path in logs), keys, traffic, dagster)
        if os.path.isdir(folder.path) and (folder in zones or _holds_something(folder.path))
    ]


def _holds_something(folder: Path) -> bool:
    """Also where this account may not look."""
    return not os.access(folder, os.R_OK | os.X_OK) or any(folder.iterdir())


def access_wanted(environment: Environment) -> modes.Access:
    """What `restricted_group` asks for.

    Raises:
        ConfigError: there is no such group.
    """
    if not environment.restricted_group:
        return modes.Access()
    try:
        return modes.Access(grp.getgrnam(environment.restricted_group).gr_gid)
    except KeyError:
        raise ConfigError(
            [f"restricted_group: this machine has no group {environment.restricted_group!r}"],
            "Create it, or correct ft_environment.yaml (FT_RESTRICTED_GROUP)",
        ) from None


def problems_of(environment: Environment) -> list[str]:
    """Who else may read private folders, a sentence each. Looks only.

    Raises:
        ConfigError: there is no group with the name in `restricted_group`.
    """
    found = [sentence for folder in private_folders(environment) for sentence in _problems(folder)]
    lake = Places(environment.lake_uri, environment.storage_options())
    if not lake.is_local:
        return [*found, *store_access.problems_of(lake)]
    if Path(lake.root).is_dir() and modes.modes_hold(Path(lake.root)) is False:
        found.append(
            f"the file system of {lake.root} has no modes: whoever can reach it can read `restricted/`. Mount it for"
            " one account only, or move the lake"
        )
    return found


def _problems(folder: PrivateFolder) -> list[str]:
    found = modes.survey(folder.path, folder.access)
    who = f"group {grp_name(folder.access.group)}" if folder.access.group is not None else "its owner"
    if found.unreadable and not found.is_open:
        return [
            f"{folder.path} was not checked: {found.unreadable} folders there are closed to this account. Run ft check"
            " as the account that owns it"
        ]
    if found.is_open:
        return [
            f"{folder.path} is open to others than {who}: {found.wide} of {found.entries} files and folders. {REMEDY}"
        ]
    if found.wide and folder.name not in BY_UMASK:
        return [
            f"{found.wide} of {found.entries} files and folders in {folder.path} have wider modes than they need,"
            f" although the folder keeps others out. {REMEDY}"
        ]
    if folder.access.group is not None and modes.access_of(folder.path) != folder.access:
        return [f"{folder.path} is not open to {who}, which `restricted_group` names. Open it with: ft lake harden"]
    return []


def grp_name(number: int) -> str:
    """Name of a group, its number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
