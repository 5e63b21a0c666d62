"""Who may read the private zones of a local lake: the owner of the files, or one named group, never others.

Covered: `restricted/` and `vault/` are made as folders that nobody else may enter, before anything is written below
them. A default ACL (acl(5)) gives everything that any program makes there 0600 and 0700, whatever its umask; where the
file system knows no ACL, tables and manifests get these modes after they are written, and a process that works in the
zone makes its files for itself only from then on (umask 077). The top folder says who may enter: 02770 and a group, as
`ft lake harden` sets it, means that files get 0660 and this group. Not covered: root, other programs of the same
account, backups and copies; object stores (`lake.store_access`); a file system without modes."""

import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PRIVATE_ZONES = ("restricted", "vault")

DEFAULT_ACL = "system.posix_acl_default"
ACL_VERSION = 2
USER, GROUP, OTHER, NOBODY = 0x01, 0x04, 0x20, 0xFFFFFFFF
"""Tags of ACL entries, and the id of entries that name nobody (linux/posix_acl_xattr.h)."""


@dataclass(frozen=True)
class Access:
    """Modes of a private zone.

    Attributes:
        group: id of the group that may read and write; None: the owner alone.
    """

    group: int | None = None

    @property
    def folder(self) -> int:
        return 0o700 if self.group is None else 0o2770

    @property
    def file(self) -> int:
        return 0o600 if self.group is None else 0o660

    def of(self, found: os.stat_result) -> int:
        return self.folder if stat.S_ISDIR(found.st_mode) else self.file

    def is_wide(self, found: os.stat_result) -> bool:
        """Whether somebody else may use it too."""
        return bool(found.st_mode & 0o077 & ~self.of(found)) or (
            self.group is not None and found.st_gid != self.group and bool(found.st_mode & 0o070)
        )

    def fits(self, found: os.stat_result) -> bool:
        return stat.S_IMODE(found.st_mode) == self.of(found) and self.group in (None, found.st_gid)


def access_of(top: Path) -> Access:
    """What the top folder of a zone says: a folder with mode 02770 belongs to its group, every other one to its owner
    alone."""
    found = top.stat()
    return Access(found.st_gid if stat.S_IMODE(found.st_mode) == 0o2770 else None)


def close_zone(top: Path) -> None:
    """Makes the top folder of a private zone where there is none, and closes an empty one. One that holds something
    stays as it is (`harden` mends it)."""
    if top.is_dir():
        found = top.stat()
        if (
            not found.st_mode & 0o077
            or access_of(top).group is not None
            or found.st_uid != os.geteuid()
            or any(top.iterdir())
        ):
            return
    else:
        top.parent.mkdir(parents=True, exist_ok=True)
        top.mkdir(mode=0o700, exist_ok=True)
    os.chmod(top, 0o700)
    keep_private(top)


def keep_private(folder: Path, access: Access | None = None) -> Path:
    """The folder, in which programs make files that nobody else may read from now on."""
    if not _inherit(folder, access or Access()):
        # Not undone: another thread may be writing. What this process writes elsewhere is its own as well then, which
        # harms nobody.
        os.umask(os.umask(0o077) | 0o077)
    return folder


def _inherit(folder: Path, access: Access) -> bool:
    """Gives a folder the default ACL of its zone. Returns whether its file system has such a thing."""
    entries = ((USER, 7), (GROUP, 0 if access.group is None else 7), (OTHER, 0))
    acl = struct.pack("<I", ACL_VERSION) + b"".join(
        struct.pack("<HHI", tag, permissions, NOBODY) for tag, permissions in entries
    )
    set_attribute = getattr(os, "setxattr", None)  # Linux has it
    if set_attribute is None:
        return False
    try:
        set_attribute(folder, DEFAULT_ACL, acl)
    except OSError:
        return False
    return True


def settle(path: Path, top: Path) -> None:
    """Gives a file or folder, and the folders between it and the top of its zone, the modes of the zone."""
    access = access_of(top)
    while path != top and top in path.parents:
        _narrow(path, access)
        path = path.parent


def settle_tree(folder: Path, top: Path) -> None:
    """`settle` for a folder and everything in it."""
    settle(folder, top)
    access = access_of(top)
    for path, found in _below(folder):
        if not access.fits(found):
            _narrow(path, access)


def _narrow(path: Path, access: Access) -> bool:
    """Whether the modes had to be changed. What belongs to another account is left to it; a link is never followed."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or access.fits(found):
            return False
        if access.group is not None and found.st_gid != access.group:
            os.chown(path, -1, access.group, follow_symlinks=False)
        os.chmod(path, access.of(found))
    except (FileNotFoundError, PermissionError):
        return False
    return True


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below a folder but links, with what is said of it. A folder comes after what is in it, so that it may
    be closed on the way."""
    for parent, folders, names in os.walk(folder, topdown=False):
        for name in (*names, *folders):
            path = Path(parent, name)
            with suppress(FileNotFoundError):  # removed since
                found = path.lstat()
                if not stat.S_ISLNK(found.st_mode):
                    yield path, found


@dataclass(frozen=True)
class Survey:
    """The modes of a private folder.

    Attributes:
        entries: files and folders looked at, its own among them.
        wide: of them, those whose own mode lets somebody else in.
        is_open: the folder itself is among them, so that others reach what is in it.
        unreadable: folders that this account may not look into.
    """

    entries: int
    wide: int
    is_open: bool
    unreadable: int = 0


def survey(top: Path, access: Access) -> Survey:
    """Looks at the modes of everything in a private folder, and changes nothing."""
    found = [top.stat(), *(entry for _, entry in _below(top))]
    folders = (Path(parent, name) for parent, names, _ in os.walk(top) for name in names)
    unreadable = sum(not os.access(folder, os.R_OK | os.X_OK) for folder in (top, *folders))
    return Survey(len(found), sum(access.is_wide(one) for one in found), access.is_wide(found[0]), unreadable)


@dataclass(frozen=True)
class Hardened:
    """What `harden` did.

    Attributes:
        entries: files and folders looked at.
        changed: of them, those whose mode or group was changed.
        left: of them, those that still let somebody else in: they belong to another account, or the file system has no
            modes.
    """

    entries: int
    changed: int
    left: int


def harden(top: Path, access: Access) -> Hardened:
    """Gives everything in a private folder the modes of `access`. The folder itself comes first: with it closed, nobody
    else reaches the rest.

    Raises:
        PermissionError: the folder belongs to another account, or this one is not in the group.
    """
    top = top.resolve()
    before = top.stat()
    if not access.fits(before):
        if access.group is not None and before.st_gid != access.group:
            os.chown(top, -1, access.group)
        os.chmod(top, access.folder)
    entries, changed = 1, int(not access.fits(before))
    keep_private(top, access)
    for path, found in _below(top):
        entries += 1
        changed += _narrow(path, access)
        if stat.S_ISDIR(found.st_mode):
            _inherit(path, access)
    return Hardened(entries, changed, survey(top, access).wide)


def modes_hold(folder: Path) -> bool | None:
    """Whether the file system of a folder keeps modes (FAT, some network and host mounts do not). None: nothing can be
    written there."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".modes-") as file:
            os.chmod(file.name, 0o600)
            closed = stat.S_IMODE(os.stat(file.name).st_mode) == 0o600
            os.chmod(file.name, 0o640)
            return closed and stat.S_IMODE(os.stat(file.name).st_mode) == 0o640
    except OSError:
        return None
