"""What every section of the YAML shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Owner = Annotated[str, StringConstraints(max_length=320, pattern=r"^(team:[A-Za-z0-9_\-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
Person = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
TeamName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9_\-]+$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=500)]
FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
UseCaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,60}$")]


class Section(BaseModel):
    """A part of the YAML. Unknown fields are errors, so a typing mistake cannot be ignored silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
