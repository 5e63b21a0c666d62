"""What an installation keeps outside its lake: keys, people, caches of findings, the tracker, Dagster's instance.

Covered: every file below the home, the Dagster home and the seals, and key files elsewhere; SQLite databases as they
stand at one moment, also while they are written; Dagster's PostgreSQL by `pg_dump`. Not covered: what is made again
(base models, exports), keys in a key service or variable, an MLflow server elsewhere, and what lies in git."""

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, FtError
from ft_platform.lake.places import Places
from ft_platform.lake.verified import object_version
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.yaml_file import read_yaml

LOCAL = LocalFileSystem()
SQLITE = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")
"""Endings of files that belong to a SQLite database, and are in the copy of it."""
MADE_AGAIN = {"home": ("exports",), "seals": ("locks", "copies", "verified", "heads")}
"""Folders that are not taken; the heads of chains are taken with the chains."""
DUMP = "postgres/dagster.dump"
DATABASE = "dagster.yaml"


def roots(environment: Environment) -> dict[str, Path]:
    """Name in a backup -> folder."""
    return {"home": environment.home, "dagster": environment.dagster_home, "seals": environment.seals_path}


def key_files(environment: Environment) -> dict[str, Path]:
    """Name in a backup -> key file outside the home."""
    files = {
        "keys/pseudonym": environment.key_path,
        "keys/erasure": environment.erasure_key_path,
        "keys/vault": environment.vault_key_path,
        "keys/vault_public": environment.vault_public_key_path,
        "keys/signing": environment.signing_key_path,
    }
    return {name: path for name, path in files.items() if not path.absolute().is_relative_to(environment.home)}


def place_of(environment: Environment, name: str) -> Path:
    """Where a file of a backup belongs in this installation."""
    if name in (keys := key_files(environment)):
        return keys[name]
    root, _, path = name.partition("/")
    if root == "keys":  # it has moved into the home
        raise ConfigError(
            [f"the backup has {name}, a key file outside the home, and ft_environment.yaml names no such place"],
            "Name the file there, as in the installation that was backed up",
        )
    return roots(environment)[root] / path


def files_of(environment: Environment) -> Iterator[tuple[str, Path]]:
    """Name in a backup and path of every file outside the lake."""
    folders = {name: path.resolve() for name, path in roots(environment).items()}
    apart = {environment.cache_path.resolve(), *folders.values()}
    lake = Places(environment.lake_uri)
    if lake.is_local:
        apart.add(Path(lake.folder).resolve())
    for name, folder in folders.items():
        for parent, names, found in os.walk(folder):
            below = Path(parent)
            left_out = MADE_AGAIN.get(name, ()) if below == folder else ()
            names[:] = sorted(
                one for one in names if one not in left_out and below / one not in apart and not _is_log(name, one)
            )
            for one in sorted(found):
                path = below / one
                if path.is_file() and not path.is_symlink() and not one.endswith((".lock", ".tmp", *BESIDE)):
                    yield f"{name}/{path.relative_to(folder)}", path
    yield from ((name, path) for name, path in key_files(environment).items() if path.is_file())


def _is_log(root: str, folder: str) -> bool:
    """How the audit log stands is taken with the audit log."""
    return root == "seals" and folder.startswith("audit_log-")


def version_of(path: Path) -> str:
    """Changes when the file is written, or the journal beside it.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = Path(f"{path}-wal")
    return object_version(LOCAL, str(path)) + (object_version(LOCAL, str(beside)) if beside.exists() else "")


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file, or a copy of a SQLite database as it stands at one moment."""
    with open(path, "rb") as file:
        is_database = file.read(len(SQLITE)) == SQLITE
    if not is_database:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ft-backup-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            with (
                closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=60)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise FtError(
                f"the database {path} cannot be read ({type(error).__name__})", "Restore it, or remove it"
            ) from None
        yield copy


def postgres_of(environment: Environment) -> str | None:
    """Address of Dagster's PostgreSQL, as libpq takes it; None: the instance is in SQLite."""
    file = environment.dagster_home / DATABASE
    value: Any = read_yaml(file).value if file.is_file() else None
    section = ((value or {}).get("storage") or {}).get("postgres") if isinstance(value, dict) else None
    if not section:
        return None
    if url := _said(section.get("postgres_url")):
        return url.replace("postgresql+psycopg2://", "postgresql://")
    told = {key: _said(one) for key, one in section["postgres_db"].items()}
    user, password = quote(told["username"], safe=""), quote(told["password"], safe="")
    return f"postgresql://{user}:{password}@{told['hostname']}:{told.get('port') or 5432}/{told['db_name']}"


def _said(value: Any) -> str:
    """A value of dagster.yaml, which may name a variable."""
    return os.environ.get(str(value["env"]), "") if isinstance(value, dict) else str(value or "")


@contextmanager
def dumped(address: str) -> Iterator[Path]:
    """A dump of a PostgreSQL database, in its own format."""
    with tempfile.TemporaryDirectory(prefix="ft-backup-") as folder:
        file = Path(folder) / "dagster.dump"
        _ask("pg_dump", address, "--format=custom", "--compress=0", f"--file={file}")
        yield file


def undump(address: str, file: Path) -> None:
    """Puts a dump into an empty database."""
    _ask("pg_restore", address, "--no-owner", "--exit-on-error", "--single-transaction", str(file))


def _ask(program: str, address: str, *words: str) -> None:
    """Not on the command line, where other accounts of the machine could read the password."""
    try:
        asked = [program, "--dbname=service=ft_backup", *words]
        with tempfile.NamedTemporaryFile("w", prefix="ft-backup-") as service:
            service.write("[ft_backup]\n" + "".join(f"{key}={value}\n" for key, value in _parts(address).items()))
            service.flush()
            environment = {**os.environ, "PGSERVICEFILE": service.name}
            done = subprocess.run(asked, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise ConfigError(
            [f"{program} is not installed, and Dagster's instance is in PostgreSQL"], "Install PostgreSQL's client"
        ) from None
    if done.returncode:
        raise FtError(
            f"{program} ended with code {done.returncode}", "Check `storage` in dagster.yaml, and try it there"
        )


def _parts(address: str) -> dict[str, str]:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(address)
    told = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": parts.path.lstrip("/"),
    }
    return {key: str(value) for key, value in told.items() if value}
