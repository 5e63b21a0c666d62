"""What a decision says first: that a system which is no language model is at least as good as the fine-tuned model; and
how much a simpler model may lose to the champion, which it may replace without being better."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.requests import taken
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import NOT_FINE_TUNED, TITLES
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.gains import CHAMPION, known_metric
from ft_platform.release.rule import Ruling
from ft_platform.release.schema import EvaluationEvidence
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.gate import CLASSIFIERS

SIMPLER = tuple(NOT_FINE_TUNED)
"""Methods of training by what a model costs to serve and to understand, the simplest first; all others fine-tune."""
MAY_LOSE = 0.05
"""How much worse than the champion a simpler kind of model may be, in units of the gate's metric, and of accuracy. As
much as `source.feedback.fresh_test.max_loss` allows by default. Without `behind`, a fine-tuned model that beats a
simpler one by a little and a simpler one after it could lose as much again, and so on without end."""


def may_lose(lake: Snapshot, checkpoint: ArtifactVersion, champion: ArtifactVersion | None) -> float:
    """How much a checkpoint may lose to the champion: a simpler kind of model, by what each was trained with, what is
    left of `MAY_LOSE`; any other, or where nobody can tell, nothing."""
    if champion is None:
        return 0.0
    own, other = (_rank(lake, one, unnamed) for one, unnamed in ((checkpoint, None), (champion, len(SIMPLER))))
    if own is None or other is None or own >= other:
        return 0.0
    return max(MAY_LOSE - behind(lake, champion), 0.0)


def behind(lake: Snapshot, champion: ArtifactVersion) -> float:
    """What simpler models have lost and later ones have not won back, by the figures of the decisions up to the one
    that the champion was released on; all of `MAY_LOSE` where nobody can tell."""
    known = standing_releases(lake, champion.use_case)
    named = next(one for one in known if one.checkpoint == champion.artifact_id).record["decision"]
    try:
        decision = lake.artifact(champion.use_case, "release_decision", named["id"])
        if decision is None or decision.content_hash != named["content_hash"]:
            return MAY_LOSE
        return float(json.loads(lake.read_file(decision, "decision.json")).get("behind", 0.0))
    except VersionRefused:
        return MAY_LOSE


def behind_now(before: float, rulings: Sequence[Ruling]) -> float:
    """As `behind`, of a checkpoint: what its champion was behind (`before`), and what it lost to it or won."""
    gain = next((one.value for one in rulings if one.rule == f"beats/{CHAMPION}" and one.passed), None)
    return before if gain is None else max(round(before - gain, 6), 0.0)


def _rank(lake: Snapshot, checkpoint: ArtifactVersion, unnamed: int | None) -> int | None:
    """Place in `SIMPLER`, behind it for what is fine-tuned; None: its settings are altered or gone.

    Args:
        unnamed: of a checkpoint that names no method.
    """
    try:
        told = json.loads(lake.read_file(checkpoint, "training.json"))
    except (FileNotFoundError, VersionRefused):
        return None
    method = told.get("training", {}).get("method")
    if method is None:
        return unnamed
    return SIMPLER.index(method) if method in SIMPLER else len(SIMPLER)


@dataclass(frozen=True)
class Simpler:
    """Systems that are no language model and at least as good as the model.

    Attributes:
        systems: a sentence with each, the best first.
        methods: of training, of the systems that can be released in the model's place, the simplest first.
    """

    systems: str
    methods: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """What is said first wherever the decision is shown."""
        offers = [
            f"To have the {NOT_FINE_TUNED[method]} judged and released in its place: set training.method: {method}."
            for method in self.methods
        ]
        return " ".join([self.systems, *offers])


def simpler_systems(evidence: Evidence, settings: UseCase) -> Simpler | None:
    """Each such system with its value of the gate's metric, and what 1,000 requests take, beside those of the model.
    None where there is none, or the evaluation may not be relied on.

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
    method = settings.training.method
    simpler = CLASSIFIERS[: CLASSIFIERS.index(method)] if method in CLASSIFIERS else CLASSIFIERS
    found = [name for name in simpler if name in values and sign * values[name] >= sign * own]
    if not found:
        return None

    def told(system: str) -> str:
        one = report.per_1000_requests.get(system)
        return f"{values[system]:.3f}" + (f" and takes {taken(one.model_dump())} for 1,000 requests" if one else "")

    better = "; ".join(
        f"{TITLES[name]} reaches {main.title} {told(name)}"
        for name in sorted(found, key=lambda name: -sign * values[name])
    )
    own_name = NOT_FINE_TUNED.get(method, "fine-tuned model")
    systems = f"You may not need this model: {better}; the {own_name} reaches {told(FINE_TUNED)}."
    return Simpler(systems, tuple(name for name in SIMPLER if name in found))
