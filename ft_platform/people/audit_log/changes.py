"""What changed in files of settings since it was last noted.

Covered: `ft_environment.yaml` and files of use cases, by their bytes, and field by field. A diff shows numbers, yes and
no, and words that the schema offers; of every other text only that it changed, because it may name a person or be a
secret. Who changed it, where git says: the author of the newest commit of the file, if it is as it was committed. Not
covered: anybody else who changed it (the entry names who first worked with it, and says so), variables, and a change
that was taken back before anybody worked with it."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion, FtError
from ft_platform.errors.vouched import few_digits
from ft_platform.lake.files import write_bytes
from ft_platform.people.noted import Noted
from ft_platform.people.person import at_this_machine
from ft_platform.process.git import last_change
from ft_platform.use_case.fields import fields
from ft_platform.use_case.settings.environment_file import NAME
from ft_platform.use_case.yaml_file import read_yaml

KEY = re.compile(r"[a-z][a-z0-9_\-]{0,60}", re.ASCII)
"""Keys of mappings that are shown; others may be labels, or addresses of persons."""
HIDDEN = "#"
"""Begins what stands for a text that is not shown."""
FIRST = "worked with the file first, as it is now"
NOBODY_KNOWS = "nobody knows: git does not say"
"""Words beside the account that an entry names, which is not who changed the file."""
MOST_FIELDS = 200
"""Of a diff; more are counted."""


class NoticedFiles:
    """Files as they were when they were last noted.

    Args:
        known: file that keeps that, outside the lake.
        files: name -> file.
    """

    def __init__(self, known: Path, files: Mapping[str, Path]) -> None:
        self._known, self._files = known, files

    @contextmanager
    def changes(self) -> Iterator[list[Noted]]:
        """Entries about what changed. They count as written when the block ends without an error. The caller holds the
        lock of the log."""
        if not self._files:
            yield []
            return
        before = self._read()
        found, after = [], dict(before)
        for name, path in self._files.items():
            digest = _digest(path)
            if digest == before.get(name, {}).get("sha256", ""):
                continue
            after[name] = {"path": str(path.absolute()), "sha256": digest, "values": _values(path) if digest else {}}
            found.append(_noted(name, before.get(name), after[name]))
            if after[name]["values"] is None:
                after[name]["values"] = before.get(name, {}).get("values", {})
        yield found
        if found:
            write_bytes(LocalFileSystem(), str(self._known), json.dumps(after).encode())

    def changed(self) -> bool:
        """Whether anything has; looks without the lock."""
        before = self._read()
        return any(_digest(path) != before.get(name, {}).get("sha256", "") for name, path in self._files.items())

    def with_all_known(self) -> "NoticedFiles":
        """The same, and every file that was ever noted: one that was removed is noticed."""
        known = {name: Path(one["path"]) for name, one in self._read().items()}
        return NoticedFiles(self._known, {**known, **self._files})

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self._known.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            problem = f"the file {self._known} cannot be read ({type(error).__name__})"
            raise CorruptVersion(problem, "Restore it from a backup, or remove it: all files are noted anew") from None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _noted(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Noted:
    what = "saw a file of settings" if before is None else "settings changed" if after["sha256"] else "settings removed"
    told = {"file": Path(after["path"]).name, "sha256": after["sha256"], "person": FIRST}
    told |= last_change(Path(after["path"])) or {"changed_by": NOBODY_KNOWS}
    if after["values"] is None:
        told["problem"] = "the file cannot be read"
    elif before and after["sha256"]:
        changed = diff(before["values"], after["values"])
        told |= dict(islice(changed.items(), MOST_FIELDS))
        told |= {"and more fields": str(len(changed) - MOST_FIELDS)} if len(changed) > MOST_FIELDS else {}
    return Noted("settings", at_this_machine(), what, "" if name == NAME else name, told)


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Field -> how it changed."""
    found = {}
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        if any(text is not None and text.startswith(HIDDEN) for text in (old, new)):
            found[field] = "added" if old is None else "removed" if new is None else "changed"
        else:
            found[field] = f"{old or 'not set'} -> {new or 'not set'}"
    return found


def _values(path: Path) -> dict[str, str] | None:
    """Field -> what is shown of its value; None where the file cannot be read."""
    try:
        file = read_yaml(path)
    except FtError:
        return None
    found: dict[str, str] = {}
    _flatten(file.value, "", found)
    return None if file.problems else found


def _flatten(value: Any, place: str, found: dict[str, str]) -> None:
    if isinstance(value, Mapping) and value:
        for number, (key, one) in enumerate(value.items()):
            name = key if isinstance(key, str) and KEY.fullmatch(key) else f"<{number + 1}>"
            _flatten(one, f"{place}.{name}".removeprefix(".").removeprefix("attributes."), found)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            _flatten(one, f"{place}[{number}]", found)
    else:
        found[place] = _shown(value, place)


def _shown(value: Any, place: str) -> str:
    if isinstance(value, bool | None) or (isinstance(value, int | float) and few_digits(value)) or not value:
        return json.dumps(value)
    field = fields().get(place)
    if isinstance(value, str) and field and field.kind.startswith("one of ") and f"`{value}`" in field.kind:
        return value
    return HIDDEN + hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()
