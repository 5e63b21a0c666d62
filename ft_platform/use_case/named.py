"""A use case with its name and the policy it is judged under, as the whole graph hands it around."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ft_platform.settings.policy import Policy
from ft_platform.settings.section import UseCaseName
from ft_platform.use_case.schema import UseCase


class NamedUseCase(BaseModel):
    """A use case with its name (the folder's name), the file it was read from, and the policy of the installation that
    it is judged under."""

    model_config = ConfigDict(frozen=True)

    name: UseCaseName
    settings: UseCase
    path: Path | None = None
    policy: Policy = Field(default_factory=Policy)

    def section(self, name: str) -> Any:
        """A section, or with a dot what one holds (`fairness.in_training`)."""
        return functools.reduce(getattr, name.split("."), self.settings)

    @contextmanager
    def having(self, settings: UseCase) -> Iterator[None]:
        """While it is open, this use case has other settings, everywhere in this process: a run that was started with
        settings of its own is the only one in its process, and its graph was loaded before they were known."""
        before = self.settings
        vars(self)["settings"] = settings  # frozen for everybody else
        try:
            yield
        finally:
            vars(self)["settings"] = before
