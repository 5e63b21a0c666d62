"""The section `backup` of the installation: where `ft backup` writes, and where the keys of the blocks lie."""

from pydantic import Field

from ft_platform.use_case.settings.audit_log import Place
from ft_platform.use_case.settings.section import Section


class BackupSettings(Section):
    """One place for backups. Copies of it may lie anywhere: without the keys they are noise."""

    to: Place = Field(description="A path on another disk or mount, or `s3://bucket/prefix`.")
    keys: str = Field(
        pattern=r"^/[^\s]+$",
        max_length=2000,
        description=(
            "Folder of the keys, on a disk that outlives this machine and is part of no backup: an erasure reaches"
            " backups by destroying keys here."
        ),
    )
    keep: int = Field(default=30, ge=1, le=10_000, description="How many of the newest backups stay. Default: 30.")
