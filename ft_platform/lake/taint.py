"""Whether a version holds rows that may not be used any more, as `governance.taint` has found, or has learned from rows
that were erased."""

from collections.abc import Sequence

from ft_platform.lake.manifest import Verdict
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.versions import Version

NOT_TAINTED = "no_withdrawn_records"
"""The verdict that a sweep leaves on a version: failed while it holds rows that may not be used any more."""


SAW_NO_ERASED = "saw_no_erased_records"
"""The verdict that an erasure leaves on a checkpoint that was trained on the erased rows: failed, for good."""


def taint_of(
    lake: Manifests,
    version: Version,
    *,
    intact_only: bool = False,
    checks: Sequence[str] = (SAW_NO_ERASED, NOT_TAINTED),
) -> Verdict | None:
    """The verdict that names how many rows of a version may not be used any more, or None where all may.

    Args:
        intact_only: a verdict that was altered or deleted is none, for a sweep that makes it again.
        checks: which verdicts count.
    """
    verdicts = lake.verdicts(version, intact_only=intact_only)
    return next((found for one in checks if (found := verdicts.get(one)) and not found.passed), None)


def taint_text(version_id: str, verdict: Verdict) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in verdict.numbers["reasons"].items())
    return (
        f"{version_id} is tainted: {verdict.numbers['rows']} of its rows may no longer be used ({reasons}; found"
        f" {verdict.checked_at})"
    )
