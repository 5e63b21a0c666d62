"""Handles: small values that assets hand on instead of data. They pin one version by content hash."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TableVersion:
    """One version of a table.

    Attributes:
        use_case, name, zone: which table.
        version: Delta version, readable at any later time.
        content_hash: hash of the rows, independent of their order and of files (64 hex digits).
        rows: number of rows.
        uri: where the table lies.
    """

    use_case: str
    name: str
    zone: str
    version: int
    content_hash: str
    rows: int
    uri: str

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "table", **asdict(self)}


@dataclass(frozen=True)
class ArtifactVersion:
    """One published folder: a checkpoint or a report.

    Attributes:
        use_case, name: which asset made it.
        artifact_id: folder name; derived from the inputs, so equal inputs give the same folder.
        content_hash: hash over the sha256 of every file (64 hex digits).
        uri: where the folder lies.
    """

    use_case: str
    name: str
    artifact_id: str
    content_hash: str
    uri: str

    @property
    def id(self) -> str:
        return self.artifact_id

    def to_dict(self) -> dict[str, Any]:
        return {"type": "artifact", **asdict(self)}


Version = TableVersion | ArtifactVersion


def from_dict(value: dict[str, Any]) -> Version:
    """Inverse of `to_dict`."""
    fields = dict(value)
    kind = fields.pop("type")
    return TableVersion(**fields) if kind == "table" else ArtifactVersion(**fields)
