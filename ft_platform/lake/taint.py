"""Whether a version holds rows that may not be used any more, as `governance.taint` has found."""

from ft_platform.lake.manifest import Verdict
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.versions import Version

NOT_TAINTED = "no_withdrawn_records"
"""The verdict that a sweep leaves on a version: failed while it holds rows that may not be used any more."""


def taint_of(lake: Manifests, version: Version, *, intact_only: bool = False) -> Verdict | None:
    """The verdict that names how many rows of a version may not be used any more, or None where all may.

    Args:
        intact_only: a verdict that was altered or deleted is none, for a sweep that makes it again.
    """
    verdict = lake.verdicts(version, intact_only=intact_only).get(NOT_TAINTED)
    return verdict if verdict and not verdict.passed else None


def taint_text(version_id: str, verdict: Verdict) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in verdict.numbers["reasons"].items())
    return (
        f"{version_id} is tainted: {verdict.numbers['rows']} of its rows may no longer be used ({reasons}; found"
        f" {verdict.checked_at})"
    )
