"""What a version was made from and what was found about it. A version without a manifest does not count as written."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ft_platform.lake.versions import TableVersion, Version


def now(precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """The present moment, as manifests write it."""
    return datetime.now(UTC).isoformat(timespec=precision)


class Parent(BaseModel):
    """A version that this one was built from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    id: str
    version: int | None = None
    content_hash: str


class Verdict(BaseModel):
    """The result of one check on one version. `numbers` are counts and scores, never a record's text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: str
    passed: bool
    settings_hash: str
    content_hash: str = Field(description="Content hash of the version that was checked.")
    numbers: dict[str, Any] = Field(default_factory=dict)
    checked_at: str


class Manifest(BaseModel):
    """Sidecar of one version, written after its data and before anyone may read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: str
    name: str
    id: str
    version: int | None = None
    content_hash: str
    rows: int = Field(default=0, ge=0, description="Rows of a table.")
    hash_state: str = Field(
        default="", description="Of a table: what the content hash goes on from when rows are appended."
    )
    input_hash: str = Field(
        description="Hash of everything the version was made from: equal inputs need not be computed again."
    )
    settings_hash: str
    code: str = Field(
        description="Version of the package that wrote it, and a hash of its files: `0.2.0+3f9c0a1b2d4e`."
    )
    parents: list[Parent]
    counts: dict[str, Any] = Field(description="Rows in, kept, removed by reason, and what else the stage counted.")
    files: dict[str, str] = Field(
        default_factory=dict, description="File -> sha256; of a table the Parquet files that hold its rows."
    )
    info: dict[str, Any] = Field(
        default_factory=dict, description="Environment, metrics, seeds: what a reader wants to know later."
    )
    seconds: float = 0.0
    written_at: str


def parent_of(version: Version) -> Parent:
    """How a manifest names a version that it was built from."""
    return Parent(
        name=version.name,
        id=version.id,
        version=version.version if isinstance(version, TableVersion) else None,
        content_hash=version.content_hash,
    )
