"""What a decision rests on, in its first line: how many test records, and how often somebody tried."""

from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.release.evidence import EVALUATION, Evidence
from ft_platform.release.schema import EvaluationEvidence


def tested(lake: Lake, name: str, evidence: Evidence) -> str | None:
    """How many of the test records were evaluated, and how many evaluations there were since the release that stands:
    whoever trains or divides often enough, with other seeds or settings, has luck once. None: nothing was evaluated."""
    report = evidence.items[EVALUATION].figures
    if not isinstance(report, EvaluationEvidence):
        return None
    stands = next(iter(standing_releases(lake, name)), None)
    since = lake.manifest(stands.version).written_at if stands else ""
    tries = sum(lake.manifest(one).written_at > since for one in lake.artifacts(name, EVALUATION))
    words = f"This rests on {report.test_rows:,} of {report.with_answer:,} test records"
    if tries < 2:
        return f"{words}."
    return f"{words}, and is one of {tries:,} evaluations {'since the last release' if stands else 'so far'}."
