"""What each back end has shown of the contract, as its tests noted it (`contract.json`, written by
`python -m ft_platform_tests.compute.contract`)."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

PACKAGE = Path(__file__).parent.parent
FILE = Path(__file__).parent / "contract.json"
COVERS = ("compute", "lake/launches.py", "programs/lake_messages.py", "programs/reporting.py", "training/lease.py")
"""Of the package, what the outcomes are about."""

RanAgainst = Literal["real", "emulator", "stand-in", "not run"]


class Target(BaseModel):
    """One back end.

    Attributes:
        ran_against: the real system, an emulator of its vendor, a stand-in of ours, or nothing.
        date: of the run, UTC.
        content_hash: of the code it is about.
        outcomes: scenario -> `passed`, `failed`, or `not run: <why>`.
    """

    name: str
    ran_against: RanAgainst
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
            "contract": {"passed": self.passed, "of": len(self.outcomes)},
            "ran_against": self.ran_against,
            "date": self.date,
            "stale": self.content_hash != content_hash(),
            "not_passed": {name: how for name, how in self.outcomes.items() if how != "passed"},
        }


class Targets(BaseModel):
    """All of them.

    Attributes:
        scenarios: name -> what it means.
    """

    scenarios: dict[str, str]
    targets: list[Target]


def targets() -> Targets:
    """What the tests noted last."""
    return Targets.model_validate_json(FILE.read_bytes())


def content_hash() -> str:
    """Of the code that the outcomes are about: they are stale once it has changed."""
    found = hashlib.sha256()
    for place in COVERS:
        path = PACKAGE / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes())
    return found.hexdigest()
