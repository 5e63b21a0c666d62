"""A use case with its name and the policy it is judged under, as the whole graph hands it around."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ft_platform.errors import VersionRefused
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.roles import OwnerRole
from ft_platform.use_case.settings.section import UseCaseName


class NamedUseCase(BaseModel):
    """A use case with its name (the folder's name), the file it was read from, and what the installation says: the
    policy that it is judged under, and the people with a role in all use cases.

    Attributes:
        overridden: what of it one run has set for itself (`training.max_steps=20`), so that it is not what its file
            says. Without what changes no result: where programs run, and which weights a training starts from, for
            the checkpoint names them.
    """

    model_config = ConfigDict(frozen=True)

    name: UseCaseName
    settings: UseCase
    path: Path | None = None
    policy: Policy = Field(default_factory=Policy)
    people: People = Field(default_factory=People)
    overridden: tuple[str, ...] = ()

    @property
    def signing_roles(self) -> list[OwnerRole]:
        """Roles that must sign a decision before it is released: of its file, then of the policy."""
        return list(dict.fromkeys([*self.settings.release.approvals, *self.policy.signatures.approvals]))

    def section(self, name: str) -> Any:
        """A section, or with a dot what one holds (`fairness.in_training`)."""
        return functools.reduce(getattr, name.split("."), self.settings)

    @contextmanager
    def having(self, other: "NamedUseCase") -> Iterator[None]:
        """While it is open, this use case has the settings of the other, everywhere in this process: a run that was
        started with settings of its own is the only one in its process, and its graph was loaded before they were
        known."""
        before = {name: vars(self)[name] for name in ("settings", "overridden")}
        vars(self).update(settings=other.settings, overridden=other.overridden)  # frozen for everybody else
        try:
            yield
        finally:
            vars(self).update(before)

    @property
    def own_settings(self) -> str:
        """What its run has set for itself, in words; empty: it is what its file says."""
        return f"this run set {', '.join(self.overridden)} for itself" if self.overridden else ""

    def require_as_filed(self) -> None:
        """
        Raises:
            VersionRefused: its run has settings of its own.
        """
        if self.overridden:
            raise VersionRefused(
                f"{self.own_settings}, and a release goes by the file of {self.name}",
                "Put lasting changes into the file, which ft run --keep does, then run it without --set",
            )
