"""The cards of a home page: what matters to each of five readers, from the newest reports of a use case, and where they
read on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES as SYSTEMS
from ft_platform.reporting.alt_texts import listed
from ft_platform.reporting.html import number
from ft_platform.reporting.review_report import preference_sentence
from ft_platform.reporting.roi_words import conclusion, people_right
from ft_platform.reporting.verdict import best_prompt
from ft_platform.training.time_taken import training_seconds

CONFIDENCE = 0.95
"""Of the intervals where no report says it: the default of `evaluation.confidence`."""
READS = {
    "Domain expert": ("release_decision", "evaluation_report", "roi_report", "human_review"),
    "Data scientist": ("evaluation_report", "base_evaluation", "seed_variation", "learning_curve"),
    "ML engineer": ("adapter_checkpoint", "regression_report", "hyperparameter_search"),
    "Compliance officer": ("release_decision", "data_report", "fairness_report", "privacy_report", "model_card"),
    "Data engineer": ("data_report", "data_docs", "profile", "training_audit"),
}
"""Reader -> stages whose reports they open."""


@dataclass(frozen=True)
class Known:
    """What the newest reports of a use case say, each None where there is none or it is damaged.

    Attributes:
        damaged: stage -> what is wrong with its report, in a sentence.
        checkpoint: id of the newest one.
        decision: `decision.json`. evaluation: `metrics.json`. returns: `roi.json`. data: `data.json`.
        training: what the manifest of the checkpoint notes. method: it was trained with; None: nobody knows.
        regression: `regression.json`. review: `review.json`.
    """

    name: str
    damaged: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str | None = None
    decision: Mapping[str, Any] | None = None
    evaluation: Mapping[str, Any] | None = None
    training: Mapping[str, Any] | None = None
    method: str | None = None
    returns: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    regression: Mapping[str, Any] | None = None
    review: Mapping[str, Any] | None = None

    @property
    def people(self) -> float | None:
        """Share of records that people get right without the model."""
        return people_right(self.returns)

    @property
    def confidence(self) -> float:
        return self.returns["confidence"] if self.returns else CONFIDENCE


def cards(known: Known, pages: Mapping[str, str | None], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """`[{"reader", "sentences", "links": [{"href", "title"}]}]`.

    Args:
        pages: stage -> address of its newest report.
        titles: stage -> what its reports are called.
    """
    said = {
        "Domain expert": _domain_expert,
        "Data scientist": _data_scientist,
        "ML engineer": _ml_engineer,
        "Compliance officer": _compliance_officer,
        "Data engineer": _data_engineer,
    }
    return [
        {
            "reader": reader,
            "sentences": _told(known, reader, tell) or ["Nothing is known yet."],
            "links": [{"href": pages[stage], "title": titles[stage]} for stage in READS[reader] if pages.get(stage)],
        }
        for reader, tell in said.items()
    ]


def _told(known: Known, reader: str, tell: Callable[[Known], list[str]]) -> list[str]:
    """A report that is damaged is not one that was never made."""
    return [*(known.damaged[stage] for stage in READS[reader] if stage in known.damaged), *tell(known)]


def _domain_expert(known: Known) -> list[str]:
    said = []
    if known.evaluation and known.evaluation["confusion"]:
        matrix, labels = known.evaluation["confusion"][FINE_TUNED], known.evaluation["labels"]
        mixed = sorted(
            (
                (-count, labels[true], labels[given])
                for true, row in enumerate(matrix)
                for given, count in enumerate(row)
                if count and true != given
            )
        )
        if mixed:
            count, true, given = mixed[0]
            said.append(
                f"Most often it takes {true} for {given}: {-count:,} of {known.evaluation['test_rows']:,} times."
            )
    if known.review:
        said.append(preference_sentence("Experts", known.review)["text"])
    elif "human_review" not in known.damaged:
        said.append(f"No expert has compared its answers yet: ft review start {known.name}")
    if known.returns:
        said.append(
            conclusion(known.returns)[0]["text"]
            if known.returns["savings_per_month"]
            else "Its savings are unknown: the use case does not declare what a case costs (section business)."
        )
    return said


def _data_scientist(known: Known) -> list[str]:
    figures = known.evaluation
    if not figures:
        return []
    main = metric(figures["main_metric"])
    tuned = figures["systems"][FINE_TUNED][main.name]
    prompt = best_prompt(figures["systems"], main)
    found = figures["differences"][prompt][main.name]
    said = [
        f"{main.title} {number(tuned['value'])} ({number(tuned['low'])} to {number(tuned['high'])}) on"
        f" {figures['test_rows']:,} test records.",
        f"Against {SYSTEMS.get(prompt, prompt)}: {found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f}).",
    ]
    if calibration := figures["calibration"].get(FINE_TUNED):
        said.append(f"Confidence is off by {number(calibration['ece']['value'])} on average.")
    return said


def _ml_engineer(known: Known) -> list[str]:
    said = []
    if known.training:
        found = known.training["metrics"]
        said.append(
            f"Trained {found['steps']:,} steps in {training_seconds(found)} ({known.training['device']}), with at most"
            f" {found['peak_memory_gib']:.1f} GiB of memory."
        )
    if known.evaluation:
        taken = known.evaluation["per_1000_requests"][FINE_TUNED]
        said.append(f"1,000 requests take {taken['seconds']:,.0f} seconds in full batches.")
    if known.regression:
        suites = known.regression["suites"]
        lost = [name for name, one in suites.items() if not one["non_inferior"]]
        said.append(
            f"It forgot too much in: {', '.join(lost)}."
            if lost
            else known.regression.get("not_applicable")
            or f"It has kept what the base model could do, in all {len(suites)} suites."
        )
    return said


def _compliance_officer(known: Known) -> list[str]:
    said = []
    if known.decision:
        rules = known.decision["rules"]
        broken = [rule["rule"] for rule in rules if not rule["passed"] and not rule["waiver"]]
        waived = [rule["rule"] for rule in rules if rule["waiver"]]
        said.append(
            listed(f"{len(broken)} of {len(rules)} rules are broken", broken)
            if broken
            else f"All {len(rules)} rules hold{f', {len(waived)} of them by waiver' if waived else ''}."
        )
        said += [rule["why"] for rule in rules if rule["rule"] == "memorization"]
    if known.data:
        if (refused := known.data["permission"]["refused"]) is not None:
            count = sum(one["rows"] for one in refused.values())
            said.append(f"{count:,} records were removed because nothing permits their use.")
        if says := known.data["k_anonymity"]["says"]:
            said.append(says)
    return said


def _data_engineer(known: Known) -> list[str]:
    if not known.data:
        return []
    stages, checks = known.data["funnel"], known.data["checks"]
    passed = sum(check["status"] == "passed" for check in checks)
    said = [f"{stages[-1]['kept']:,} of {stages[0]['rows_in']:,} records reached the splits."] if stages else []
    removed: dict[str, int] = {}
    for one in stages:
        for reason, count in one["removed"].items():
            removed[reason] = removed.get(reason, 0) + count
    if removed:
        most = sorted(removed.items(), key=lambda item: (-item[1], item[0]))[:3]
        said.append(f"Removed most often: {', '.join(f'{reason} {count:,}' for reason, count in most)}.")
    return [*said, f"{passed} of {len(checks)} checks of the records passed."]
