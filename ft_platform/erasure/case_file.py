"""What an erasure must know while it lasts: whom, what was found, which steps are done. It lies in the restricted zone
and is removed at the end, so that nothing is left of the person."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ft_platform.erasure.old_versions import remove_versions_of
from ft_platform.erasure.rewriting import Change
from ft_platform.errors import CorruptVersion
from ft_platform.lake.files import read_bytes, write_bytes
from ft_platform.lake.places import Places
from ft_platform.release.erasures import FOLDER

DELETION = "retention-"
"""How the id of a deletion by the retention of a use case begins (`retention`)."""


@dataclass
class CaseFile:
    """One request.

    Attributes:
        asked_subjects, asked_pseudonyms: whom the request names.
        texts: names and the like, to be taken out of records of others too.
        subjects: ids of these persons as the source writes them; `pseudonyms` by every key there was.
        records: ids of their records.
        tokens: pseudonyms in texts of these records that stand in no other record; only where there is a vault.
        originals: what the vault knows of these records and of no other; folded, as `Vault.originals_where` has it.
        steps: that are done.
        changes: zone and name of a table -> files that were written anew.
        told: what the certificate will say, by step.
    """

    use_case: str
    request: str
    asked_subjects: list[str]
    texts: list[str] = field(default_factory=list)
    asked_pseudonyms: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    pseudonyms: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    originals: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> list[str]:
        """As the request named them."""
        return [*self.asked_subjects, *self.asked_pseudonyms]

    def changes_of(self, table: str) -> list[Change]:
        return [Change(**one) for one in self.changes.get(table, [])]

    def set_changes(self, table: str, changes: Sequence[Change]) -> None:
        self.changes[table] = [one.to_dict() for one in changes]


def path_of(lake: Places, use_case: str, request: str) -> str:
    return lake.path_of("restricted", use_case, FOLDER, f"{request}.json")


def save(lake: Places, case: CaseFile) -> None:
    path = path_of(lake, case.use_case, case.request)
    lake.close_zone("restricted")
    write_bytes(lake.fs, path, json.dumps(asdict(case), ensure_ascii=False).encode())
    lake.settle(path)


def go_on(lake: Places, case: CaseFile, steps: Sequence[str], doer: object, tell: Callable[[str], None]) -> None:
    """Does the steps that are not done yet, and notes each.

    Args:
        doer: has a method for each, with `_` before the name.
    """
    for step in steps:
        if step not in case.steps:
            tell(step)
            getattr(doer, f"_{step}")()
            case.steps.append(step)
            save(lake, case)


def load(lake: Places, use_case: str, request: str) -> CaseFile | None:
    """What is known of a request; None: it is closed.

    Raises:
        CorruptVersion: it cannot be read.
    """
    try:
        return CaseFile(**json.loads(read_bytes(lake.fs, path_of(lake, use_case, request))))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        problem = f"what belongs to {request} of {use_case} cannot be read"
        raise CorruptVersion(problem, "Refuse the request, and make it again: ft erase refuse") from None


def started(lake: Places, use_case: str, request: str, short_of: Sequence[str] = ()) -> bool:
    """Whether anything was erased yet.

    Args:
        short_of: steps, of which one at least must be left to do.
    """
    case = load(lake, use_case, request)
    return bool(case and case.steps) and not (case and short_of and {*short_of} <= {*case.steps})


def open_cases(lake: Places, use_case: str) -> list[str]:
    """Ids of the requests of a use case that are not closed, and of the deletions by its retention."""
    folder = lake.path_of("restricted", use_case, FOLDER)
    lake.fs.invalidate_cache()
    names = [path.rsplit("/", 1)[-1] for path in lake.fs.find(folder)] if lake.fs.exists(folder) else []
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json") and not name.startswith("."))


def remove(lake: Places, use_case: str, request: str) -> None:
    """Nothing is left of it then, nor of what a killed process was writing."""
    remove_unfinished(lake, use_case, request)
    path = path_of(lake, use_case, request)
    if lake.fs.exists(path):
        lake.fs.rm_file(path)
    remove_versions_of(lake, path)


def remove_unfinished(lake: Places, use_case: str, request: str) -> None:
    """Removes copies that a killed process has not put in their place. The caller is alone with the request."""
    folder = lake.path_of("restricted", use_case, FOLDER)
    lake.fs.invalidate_cache()
    for path in lake.fs.find(folder) if lake.fs.exists(folder) else []:
        if path.rsplit("/", 1)[-1].startswith(f".{request}.json."):
            lake.fs.rm_file(path)
