"""What a decision says first: on how many test records it rests, how often somebody tried, and which share of requests
the model answers."""

from ft_platform.evaluation.abstaining import SUGGESTION, abstaining
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.release.evidence import EVALUATION, Evidence
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.gate import SUGGESTS


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


def answers(evidence: Evidence, settings: UseCase) -> str | None:
    """Which share of requests the model answers as it would be served, and how many of those right. None: it has no
    probabilities of labels, or nothing was evaluated."""
    if settings.gate.claim == SUGGESTS:
        return SUGGESTION
    report = evidence.items[EVALUATION].figures
    if not isinstance(report, EvaluationEvidence) or FINE_TUNED not in report.calibration:
        return None
    return abstaining(
        [one.model_dump() for one in report.calibration[FINE_TUNED].selective], settings.serving.guardrails
    ).says
