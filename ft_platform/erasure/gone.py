"""Use cases whose file is gone and whose records are still in the lake.

Nobody is their owner any more, so only whoever has a role in the whole installation may ask and approve. Covered: all
that lies in the lake under their name. Not covered: targets that only their file named."""

from collections.abc import Collection, Iterator

from pydantic import ValidationError

from ft_platform.lake.store import Lake
from ft_platform.use_case.file import find_use_cases
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment

HOLDING = ("restricted", "shared", "vault")
"""Zones of the lake in which each use case has a folder."""
WITHOUT_FILE = {
    "description": "A use case whose file is gone.",
    "owners": {"accountable": "team:installation"},
    "task": {"kind": "generation", "instruction": "None."},
    "source": {"uri": "gone.csv"},
    "record": {"id": "id", "text": "text", "answer": "answer", "consent": "consent"},
    "governance": {"purpose": "none", "accepted_consent": ["yes"], "licence": "proprietary"},
    "base_model": {"uri": "example/none"},
    "training": {"recipe": "manual"},
    "release": {"intended_use": "None any more."},
}
"""The least that settings must have; an erasure reads owners, targets and the mode of retraining."""


def gone_use_cases(lake: Lake, environment: Environment) -> list[NamedUseCase]:
    """Those of the lake that have no file."""
    settings, known = UseCase.model_validate(WITHOUT_FILE), {folder.name for folder in find_use_cases(environment.defs)}
    return list(_named(sorted(_folders(lake) - known), settings, environment))


def _named(names: Collection[str], settings: UseCase, environment: Environment) -> Iterator[NamedUseCase]:
    for name in names:
        try:
            yield NamedUseCase(name=name, settings=settings, policy=environment.policy, people=environment.people)
        except ValidationError:  # somebody's folder: no use case was ever called so
            continue


def _folders(lake: Lake) -> set[str]:
    lake.fs.invalidate_cache()
    found: set[str] = set()
    for zone in HOLDING:
        folder = f"{lake.folder}/{zone}"
        if lake.fs.exists(folder):
            found |= {
                one["name"].rstrip("/").rsplit("/", 1)[-1]
                for one in lake.fs.ls(folder, detail=True)
                if one["type"] != "file"
            }
    return {name for name in found if not name.startswith(".")}
