"""Hostile archives beside what is erased: names that lead elsewhere, links, devices, passwords, bombs, damaged
directories. Those of sources are in the area `sources`; evidence packs and bundles are read as folders
(`evidence/test_verify.py`, `repository/test_verify_bundle.py`).

An attack broke through if a search crashed, said that it has seen all, or unpacked more than it may. The person is
fictitious."""

import functools
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.erasure import unpacking
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in
from ft_platform_tests.attacks.area import Area, Attack, switched_off
from ft_platform_tests.attacks.damaged_files import zip_bytes

PERSON = "Zebulon Quartermain"
PLAIN = b'{"author": "Zebulon Quartermain"}'
NAMES = (
    "../../escaped.csv",
    "/etc/cron.d/escaped",
    "C:\\escaped",
    "a/../../escaped",
    "a\0b",
    "\u202ecsv.exe",
    "x" * 3000,
)
MOST = 1 << 20
"""In place of the four gigabytes that a file may unpack to."""


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for name, make in SEALED.items():
        yield f"a search meets {name}", functools.partial(_searched, make(), False)
    for name in NAMES:
        yield (
            f"a search meets a zip file with {name[:20]!r}",
            functools.partial(_searched, zip_bytes({name: PLAIN}), True),
        )
    for number in range(size):
        kind = random.choice((zip_bytes, _tar))
        content = bytearray(kind({f"{n}.json": PLAIN * random.randint(1, 300) for n in range(random.randint(1, 9))}))
        for _ in range(random.randint(1, 20)):
            content[random.randrange(len(content))] = random.randrange(256)
        yield f"a search meets a damaged archive: {number}", functools.partial(_searched, bytes(content), None)
    for name, make in BOMBS.items():
        yield f"a search meets {name}", functools.partial(_bounded, make())


def _tar(members: dict[str, Any]) -> bytes:
    """Args: members: name -> content, or the kind of a link and where it leads."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.type, entry.linkname = content
                archive.addfile(entry)
    return made.getvalue()


def _marked(flag: int = 0, method: int | None = None) -> bytes:
    """A zip file whose member claims a password, or another way to pack."""
    content = bytearray(zip_bytes({"a.json": PLAIN}))
    directory = content.index(b"PK\x01\x02")
    for flags, packed in ((6, 8), (directory + 8, directory + 10)):
        content[flags] |= flag
        if method is not None:
            content[packed] = method
    return bytes(content)


SEALED: dict[str, Callable[[], bytes]] = {
    "a zip file with a password": lambda: _marked(flag=1),
    "a zip file that is packed in an unknown way": lambda: _marked(method=97),
    "a tar file with a link to nothing": lambda: _tar({"a": (tarfile.LNKTYPE, "gone"), "b.json": PLAIN}),
    "a tar file with links in a circle": lambda: _tar({"a": (tarfile.SYMTYPE, "b"), "b": (tarfile.SYMTYPE, "a")}),
}
"""What no search can see all of, and has to say so."""
BOMBS: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: zip_bytes({"a": bytes(8 * MOST)}),
    "a bomb of many members": lambda: zip_bytes({str(n): bytes(MOST // 2) for n in range(20)}),
    "a bomb of archives": lambda: zip_bytes(
        {str(n): zip_bytes({str(m): bytes(MOST // 4) for m in range(4)}) for n in range(9)}
    ),
}


def _searched(content: bytes, whole: bool | None) -> str | None:
    """Args: whole: whether all of it can be seen; None: either."""
    _, seen = bytes_in(content, Needles([PERSON]))
    return None if whole in (None, seen) else f"it said that {'all' if seen else 'not all'} was seen"


def _bounded(content: bytes) -> str | None:
    read: list[int] = []

    def plain(file: Any, needles: Needles) -> tuple[int, int]:
        found, count = real(file, needles)
        read.append(count)
        return found, count

    real = unpacking._plain
    with patch.object(unpacking, "MOST_UNPACKED", MOST), patch.object(unpacking, "_plain", plain):
        _, seen = bytes_in(content, Needles([PERSON]))
    if sum(read[1:]) > MOST:
        return f"it unpacked {sum(read[1:]) / MOST:.0f} times what it may"
    return "it said that all was seen" if seen else None


class Uncounted(unpacking.Packed):
    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, 0 if name == "bytes" else value)


AREA = Area(
    name="archives",
    cases=cases,
    defences={
        "archives_that_cannot_be_opened": lambda: patch.object(unpacking, "BROKEN", (OSError, ValueError)),
        "room_of_an_archive": switched_off("erasure.unpacking.Packed", by=Uncounted),
    },
)
