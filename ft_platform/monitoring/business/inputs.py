"""What an ROI report depends on, and the quantities it is worked out from."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.intervals import resampled_sums
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.business.measurements import METRICS, PERIODS, WAITING, Measured, measurement_parts
from ft_platform.monitoring.business.program_costs import program_costs
from ft_platform.monitoring.business.quantities import LEAST_MEASUREMENTS, Quantity, assumed, known, measured_mean
from ft_platform.monitoring.business.requests import load_test_of, requests
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

STAGE = "roi_report"
PROMPT = "base_few_shot"
"""The system that fine-tuning is compared with where nobody says how right people are: the base model with examples in
its prompt."""
ASSUMPTIONS = {
    "volume_per_month": "cases per month",
    "adoption": "share of cases",
    "minutes_without": "minutes per case",
    "minutes_with": "minutes per case",
    "cost_per_hour": "money per hour",
    "accuracy_without": "share of cases",
    "cost_of_error": "money per case",
    "investment": "money, once",
    "api_price_per_1000": "money per 1,000 requests",
}
SHARES = ("adoption", "accuracy_without")


def roi_inputs(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> tuple[str, str]:
    """Id and hash of the ROI report of an evaluation: the files of measurements, the costs of programs and the newest
    load test of its checkpoint count too.

    Raises:
        SourceError, TransientError: a file of measurements cannot be read.
        CorruptVersion: bytes of a deployment are not what its manifest says.
    """
    deployed = load_test_of(lake, evaluation_report)
    beside = {
        "measurements": json.dumps(
            [sha256 for _, sha256 in measurement_parts(use_case.settings.business, environment)]
        ),
        "programs": json.dumps(program_costs(lake, environment, use_case, evaluation_report), sort_keys=True),
        "deployment": deployed.version.content_hash if deployed else "",
    }
    inputs = input_hash(use_case, STAGE, [evaluation_report], **beside)
    return f"roi-{inputs[:12]}", inputs


@dataclass
class Inputs:
    """Everything that is known.

    Attributes:
        known: name -> quantity; what is not known is not in it.
        one_sided: metric -> why its measurements make no comparison.
        quality: `accuracy` or `rouge_l`: the figure per record that systems are compared by.
        requests: what requests to the fine-tuned model take and cost (`monitoring.business.requests`).
    """

    use_case: NamedUseCase
    evaluation_report: ArtifactVersion
    metrics: dict[str, Any]
    programs: dict[str, Any]
    measured: list[Measured]
    quality: str
    requests: dict[str, Any]
    known: dict[str, Quantity] = field(default_factory=dict)
    one_sided: dict[str, str] = field(default_factory=dict)

    @property
    def confidence(self) -> float:
        return self.use_case.settings.evaluation.confidence

    @property
    def currency(self) -> str:
        return self.programs["currency"]

    def get(self, name: str) -> Quantity | None:
        return self.known.get(name)


def collect_inputs(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    evaluation_report: ArtifactVersion,
    measured: list[Measured],
) -> Inputs:
    """Quantities by name: the assumptions by their setting, measurements as `<metric>_<period>`, and of the evaluation
    `model_quality`, `paired_model_quality` and `paired_prompt_quality`; `request_money` is that of one request."""
    settings = use_case.settings
    quality = "accuracy" if settings.task.kind == "classification" else "rouge_l"
    programs = program_costs(lake, environment, use_case, evaluation_report)
    metrics, deployed = read_metrics(lake, evaluation_report), load_test_of(lake, evaluation_report)
    asked = requests(metrics, evaluation_report, deployed, programs["currency"])
    found = Inputs(use_case, evaluation_report, metrics, programs, measured, quality, asked)
    _add_assumptions(found)
    _add_measurements(found)
    _add_evaluation(found, lake)
    return found


def _add_assumptions(found: Inputs) -> None:
    settings, business = found.use_case.settings.evaluation, found.use_case.settings.business
    for name in ASSUMPTIONS:
        value = getattr(business, name)
        if value is not None:
            found.known[name] = assumed(
                name, value, business.uncertainty, settings.bootstrap_samples, settings.seed, share=name in SHARES
            )


def _add_measurements(found: Inputs) -> None:
    places = {
        (metric, period): number
        for number, (metric, period) in enumerate((m, p) for m in (*METRICS, WAITING) for p in PERIODS)
    }
    for measured in found.measured:
        for (metric, period), values in measured.values.items():
            if len(values) >= LEAST_MEASUREMENTS:
                found.known[f"{metric}_{period}"] = measured_mean(
                    values, measured.source, found.use_case.settings.evaluation, places[metric, period]
                )
        for metric in {metric for metric, _ in measured.values}:
            counts = {period: len(measured.values.get((metric, period), ())) for period in PERIODS}
            if min(counts.values()) < LEAST_MEASUREMENTS:
                told = " and ".join(f"{count} measurements {period}" for period, count in counts.items())
                found.one_sided[metric] = (
                    f"{told} the model was introduced; at least {LEAST_MEASUREMENTS} on each side are needed"
                )


def _add_evaluation(found: Inputs, lake: Lake) -> None:
    settings = found.use_case.settings.evaluation
    predictions = read_predictions(lake, found.evaluation_report)
    column = "correct" if found.quality == "accuracy" else "rouge_l"
    scores = [np.array(rows_of(predictions, system)[column].to_pylist(), float) for system in (FINE_TUNED, PROMPT)]
    source = found.evaluation_report.artifact_id
    # As the evaluation does it: a system by itself for its own interval, two together, record by record, to compare
    # them.
    paired = resampled_sums(np.stack(scores, axis=1), settings.bootstrap_samples, settings.seed) / len(scores[0])
    statistics = np.stack([scores[0], np.ones(len(scores[0]))], axis=1)
    alone = resampled_sums(statistics, settings.bootstrap_samples, settings.seed)
    drawn = {
        "model_quality": alone[:, 0] / alone[:, 1],
        "paired_model_quality": paired[:, 0],
        "paired_prompt_quality": paired[:, 1],
    }
    for name, draws in drawn.items():
        value = float(scores[name == "paired_prompt_quality"].mean())
        found.known[name] = known(value, draws, source, settings.confidence)
    money = found.requests["money_per_1000"]
    if money is not None:
        draws = np.full(settings.bootstrap_samples, money / 1000)
        found.known["request_money"] = known(money / 1000, draws, found.requests["money_from"], settings.confidence)
