"""What each back end, and each store of a lake, has shown of its contract, as its tests noted it (`contract.json` and
`stores.json`, written by `python -m ft_platform_tests.compute.contract`)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

PACKAGE = Path(__file__).parent.parent
TEST_PACKAGE = PACKAGE.parent / "ft_platform_tests"
Kind = Literal["compute", "store"]
FILES: Mapping[Kind, Path] = {
    "compute": Path(__file__).parent / "contract.json",
    "store": Path(__file__).parent / "stores.json",
}
COVERS: Mapping[Kind, tuple[str, ...]] = {
    "compute": (
        *("compute", "lake/launches.py", "programs/lake_messages.py", "programs/reporting.py"),
        "lake/lease.py",
    ),
    "store": (
        *("lake/artifacts.py", "lake/azure_blobs.py", "lake/file_systems.py", "lake/files.py", "lake/launches.py"),
        *("lake/places.py", "lake/seals.py", "lake/tables.py", "lake/training_states.py"),
        *("programs/lake_messages.py", "lake/lease.py", "erasure/old_versions.py"),
    ),
}
"""Of the package, what the outcomes are about."""
TESTS: Mapping[Kind, tuple[str, ...]] = {
    "compute": ("compute",),
    "store": ("lake/object_store", "lake/test_object_store.py"),
}
"""Of the tests, with their stand-ins, what the outcomes come from. They are not in the wheel."""

RanAgainst = Literal["real", "emulator", "stand-in", "not run"]


class Target(BaseModel):
    """One back end or store.

    Attributes:
        ran_against: the real system, an emulator by its vendor or by others, a stand-in of ours, or nothing.
        server: name of an emulator.
        date: of the run, UTC.
        content_hash: of the code it is about.
        tests_hash: of the tests and stand-ins it comes from; empty: it was not noted.
        outcomes: scenario -> `passed`, `failed`, or `not run: <why>`.
    """

    name: str
    kind: Kind = "compute"
    ran_against: RanAgainst
    server: str = ""
    date: str
    content_hash: str
    tests_hash: str = ""
    outcomes: dict[str, str]

    @property
    def passed(self) -> int:
        return sum(outcome == "passed" for outcome in self.outcomes.values())

    @property
    def is_stale(self) -> bool:
        """Whether the code, or the tests where they are there, have changed since."""
        tests = hash_of_tests(self.kind)
        return self.content_hash != content_hash(self.kind) or (tests != "" and tests != self.tests_hash)

    def to_dict(self) -> dict[str, object]:
        """As `ft targets --json` prints it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "contract": {"passed": self.passed, "of": len(self.outcomes)},
            "ran_against": self.ran_against,
            "server": self.server,
            "date": self.date,
            "stale": self.is_stale,
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
    return _hash(PACKAGE, COVERS[kind])


def hash_of_tests(kind: Kind) -> str:
    """Of the tests and stand-ins that the outcomes come from; empty where they are not installed."""
    return _hash(TEST_PACKAGE, TESTS[kind]) if TEST_PACKAGE.is_dir() else ""


def _hash(package: Path, places: Sequence[str]) -> str:
    found = hashlib.sha256()
    for place in places:
        path = package / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    return found.hexdigest()
