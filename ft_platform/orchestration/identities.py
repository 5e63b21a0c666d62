"""Use cases that run under an operating-system account of their own, so that their code cannot read another's
restricted zone or keys.

`identities: {legal: ft_legal}` in `ft_environment.yaml` gives the use case `legal` a home of its own,
`<home>/identities/legal`, which nobody but `ft_legal` and root can open. It is an installation below the installation:
lake, keys, cache and Dagster instance lie there. Commands about `legal` that root starts, `ft ui legal` among them,
become `ft_legal` before they load any of its code; code servers, runs and programs are their children. Nothing that
runs as root opens a file that such an account can write.

Covered: files and memory, as the operating system keeps accounts apart.
Not covered: programs of this machine that use a UI, which has no logins; credentials in environment variables other
than the platform's keys; the shared zone of the installation, which all may read; use cases that share an account or
have none.

python -m ft_platform.orchestration.identities <use case> <words for python ...>
"""

import os
import pwd
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ft_platform.errors import ConfigError, FtError
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.environment_file import VARIABLE, environment_file

IDENTITY = "FT_IDENTITY"
"""Variable with the use case whose account a process has."""

KEYS = ("FT_PSEUDONYM_KEY", "FT_VAULT_KEY", "FT_SIGNING_KEY")
OWN_FILES = ("key_file", "vault_key_file", "vault_public_key_file", "cache", "signing_key_file", "seals_folder")
"""Settings that lead into the home by default; those of the installation would lead an account to the files of all."""
OWN_PROVIDERS = ("key_provider", "vault_key_provider", "signing_key_provider")
NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS, prctl(2)


@dataclass(frozen=True)
class Identity:
    """An account of the operating system."""

    user: str
    uid: int
    gid: int


def identity_of(environment: Environment, use_case: str) -> Identity | None:
    """The account that a use case runs under, or None: that of whoever runs it.

    Raises:
        ConfigError: there is no such account, or it is root.
    """
    user = environment.identities.get(use_case)
    return None if user is None or os.environ.get(IDENTITY) == use_case else _account(user)


def _account(user: str) -> Identity:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        problem = f"`identities` names the account {user!r}, which this machine does not have"
        raise ConfigError([problem], f"Make it: useradd --system {user}") from None
    if entry.pw_uid == 0:
        problem = "`identities` names the account of root, which may read everything"
        raise ConfigError([problem], f"Make another one: useradd --system ft_{user}")
    return Identity(user, entry.pw_uid, entry.pw_gid)


def is_served_here(environment: Environment, use_case: str) -> bool:
    """Whether this process may load the code of a use case: one with an account of its own is loaded under that account
    only."""
    mine = os.environ.get(IDENTITY)
    return use_case == mine if mine else use_case not in environment.identities


def own_home(environment: Environment, use_case: str) -> Path:
    return environment.home / "identities" / use_case


def own_environment(environment: Environment, use_case: str) -> Environment:
    """The installation as a use case with its own account sees it.

    Raises:
        ConfigError: the lake is in an object store, where accounts of this machine keep nothing apart.
    """
    if "://" in environment.lake_uri:
        raise ConfigError(
            [
                "`identities` keeps use cases apart on a local lake only, this one is"
                f" {environment.lake_uri.split('://')[0]}://..."
            ],
            "Give each use case an installation with credentials and a prefix of its own",
        )
    own = {**dict.fromkeys(OWN_FILES), **dict.fromkeys(OWN_PROVIDERS, "file")}
    tracking = (
        environment.tracking_uri
        if "://" in environment.tracking_uri and not environment.tracking_uri.startswith("sqlite")
        else ""
    )
    none = environment.tracking_uri == "none"
    home = own_home(environment, use_case)
    update = {**own, "home": home, "lake_root": "", "lake_keys": {}, "tracking_uri": "none" if none else tracking}
    return environment.model_copy(update=update)


def prepare(environment: Environment, use_case: str, identity: Identity) -> None:
    """Makes the home of a use case for its account, and closes what is the installation's. For root.

    Raises:
        ConfigError: the home belongs to another account.
    """
    home = own_home(environment, use_case)
    home.parent.mkdir(parents=True, exist_ok=True)
    for folder in (environment.home, home.parent):
        _change(folder, add=0o011)
    restricted = Path(environment.lake_uri) / "restricted"
    restricted.mkdir(parents=True, exist_ok=True)
    for folder in (restricted, environment.home / "dagster", environment.home / "vault"):
        if folder.is_dir():
            _change(folder, remove=0o007)
    if not home.is_symlink() and not home.exists():
        home.mkdir(mode=0o700)
        os.chown(home, identity.uid, identity.gid)
    if home.is_symlink() or home.stat().st_uid != identity.uid:
        raise ConfigError(
            [f"{home} does not belong to {identity.user}"], f"Move it away, or: chown -R {identity.user} {home}"
        )
    home.chmod(0o700)


def _change(path: Path, add: int = 0, remove: int = 0) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != (wanted := (mode | add) & ~remove):
        path.chmod(wanted)


def variables(environment: Environment, use_case: str, identity: Identity) -> dict[str, str]:
    """Environment variables of a process of this use case: of the installation's keys it gets none."""
    kept = {name: value for name, value in os.environ.items() if name not in KEYS}
    own = own_environment(environment, use_case)
    account = {
        "HOME": str(own.home),
        "USER": identity.user,
        "LOGNAME": identity.user,
        IDENTITY: use_case,
        "DAGSTER_HOME": str(own.home / "dagster"),
    }
    # Not one that the account puts into its home.
    settings = {VARIABLE: str(found)} if (found := environment_file()) else {}
    return {
        **kept,
        **settings,
        **own.to_variables(),
        "FT_VAULT_KEY_PROVIDER": "file",
        "FT_VAULT_KEY_FILE": str(own.vault_key_path),
        **account,
    }


def become(environment: Environment, use_case: str) -> None:
    """Makes this process one of the account of a use case, if it has one. There is no way back.

    Raises:
        ConfigError: this process has neither that account nor is it root.
    """
    identity = identity_of(environment, use_case)
    if identity is None:
        return
    if os.geteuid() not in (0, identity.uid):
        problem = f"{use_case} runs under the account {identity.user}, and this is another one"
        raise ConfigError([problem], f"Use sudo, or: sudo -u {identity.user} ft ...")
    made = variables(environment, use_case, identity)
    if os.geteuid() == 0:
        prepare(environment, use_case, identity)
        _drop(identity)
    needed = {own_home(environment, use_case): os.W_OK | os.X_OK, environment.defs: os.R_OK | os.X_OK}
    needed |= {Path(made[VARIABLE]): os.R_OK} if VARIABLE in made else {}
    needed |= {Path(sys.executable): os.X_OK, Path(__file__): os.R_OK}
    if out_of_reach := [str(path) for path, right in needed.items() if not os.access(path, right)]:
        problem = f"the account {identity.user} cannot use {', '.join(out_of_reach)}"
        raise ConfigError([problem], "Let it pass the folders above: chmod o+x")
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(made)


def _drop(identity: Identity) -> None:
    import ctypes

    os.initgroups(identity.user, identity.gid)
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    # No program that it starts gets more rights again: `sudo`, set-user-id files.
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def main(words: Sequence[str]) -> int:
    """Becomes the account of a use case and goes on as another Python program."""
    use_case, *rest = words
    try:
        become(load_environment(), use_case)
    except FtError as error:
        print(f"ft: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return os.execv(sys.executable, [sys.executable, *rest])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
