"""What each back end, and each store of a lake, has shown of its contract, as its tests noted it (`contract.json` and
`stores.json`, written by `python -m ft_platform_tests.compute.contract`)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

PACKAGE = Path(__file__).parent.parent
Kind = Literal["compute", "store"]
FILES: Mapping[Kind, Path] = {
    "compute": Path(__file__).parent / "contract.json",
    "store": Path(__file__).parent / "stores.json",
}
COVERS: Mapping[Kind, tuple[str, ...]] = {
    "compute": (
        *("compute", "lake/launches.py", "programs/lake_messages.py", "programs/reporting.py"),
        "training/lease.py",
    ),
    "store": (
        *("lake/artifacts.py", "lake/azure_blobs.py", "lake/file_systems.py", "lake/files.py", "lake/launches.py"),
        *("lake/places.py", "lake/seals.py", "lake/tables.py", "lake/training_states.py"),
        *("programs/lake_messages.py", "training/lease.py", "erasure/old_versions.py"),
    ),
}
"""Of the package, what the outcomes are about."""

RanAgainst = Literal["real", "emulator", "stand-in", "not run"]


class Target(BaseModel):
    """One back end or store.

    Attributes:
        ran_against: the real system, an emulator by its vendor or by others, a stand-in of ours, or nothing.
        server: name of an emulator.
        date: of the run, UTC.
        content_hash: of the code it is about.
        outcomes: scenario -> `passed`, `failed`, or `not run: <why>`.
    """

    name: str
    kind: Kind = "compute"
    ran_against: RanAgainst
    server: str = ""
    date: str
    content_hash: str
    outcomes: dict[str, str]

    @property
    def passed(self) -> int:
        return sum(outcome == "passed" for outcome in self.outcomes.values())

    def to_dict(self) -> dict[str, object]:
        """As `ft targets --json` prints it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "contract": {"passed": self.passed, "of": len(self.outcomes)},
            "ran_against": self.ran_against,
            "server": self.server,
            "date": self.date,
            "stale": self.content_hash != content_hash(self.kind),
            "not_passed": {name: how for name, how in self.outcomes.items() if how != "passed"},
        }


class Targets(BaseModel):
    """All of them.

    Attributes:
        scenarios: name -> what it means.
    """

    scenarios: dict[str, str]
    targets: list[Target]


def targets(kind: Kind = "compute") -> Targets:
    """What the tests noted last."""
    return Targets.model_validate_json(FILES[kind].read_bytes())


def content_hash(kind: Kind = "compute") -> str:
    """Of the code that the outcomes are about: they are stale once it has changed."""
    found = hashlib.sha256()
    for place in COVERS[kind]:
        path = PACKAGE / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes())
    return found.hexdigest()
