"""What a decision says first: that a system which is no language model is at least as good as the fine-tuned model."""

from ft_platform.evaluation.requests import taken
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES
from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.gains import known_metric
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.settings.gate import CLASSIFIERS
from ft_platform.use_case.schema import UseCase

PROBE = "linear_probe"


def simpler_systems(evidence: Evidence, settings: UseCase) -> str | None:
    """A sentence with each such system, the best first: its value of the gate's metric, and what 1,000 requests take,
    beside those of the fine-tuned model; and how to release the one that can be. None where there is none, or the
    evaluation may not be relied on.

    Values count, not intervals: a tie is reason enough to ask. Whether a system must be beaten is not asked here.
    """
    try:
        report = evidence.of("evaluation_report", EvaluationEvidence)
        main = known_metric(settings.gate.metric or report.main_metric)
    except NotProven:
        return None
    sign = 1 if main.higher_is_better else -1
    values = {name: found[main.name].value for name, found in report.systems.items() if main.name in found}
    if FINE_TUNED not in values:
        return None
    own = values[FINE_TUNED]
    others = [name for name in CLASSIFIERS if name in values and name != settings.training.method]
    found = [name for name in others if sign * values[name] >= sign * own]
    if not found:
        return None

    def told(system: str) -> str:
        one = report.per_1000_requests.get(system)
        return f"{values[system]:.3f}" + (f" and takes {taken(one.model_dump())} for 1,000 requests" if one else "")

    better = "; ".join(
        f"{TITLES[name]} reaches {main.title} {told(name)}"
        for name in sorted(found, key=lambda name: -sign * values[name])
    )
    said = f"You may not need this model: {better}; the fine-tuned model reaches {told(FINE_TUNED)}."
    how = f" To have the linear probe judged and released in its place: set training.method: {PROBE}."
    return said + (how if PROBE in found else "")
