"""What a request takes and costs: as measured where the checkpoint is deployed, else as the evaluation measured it."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.deployments import Deployment, newest_load_test
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion


def load_test_of(lake: Lake, evaluation_report: ArtifactVersion) -> Deployment | None:
    """The newest deployment in which the evaluated checkpoint was measured (`lake.deployments.newest_load_test`)."""
    parents = lake.manifest(evaluation_report).parents
    checkpoint = next(parent for parent in parents if parent.name == "adapter_checkpoint")
    version = version_of_parent(lake, evaluation_report.use_case, checkpoint)
    assert isinstance(version, ArtifactVersion)
    return newest_load_test(lake, version)


def requests(
    metrics: Mapping[str, Any], evaluation_report: ArtifactVersion, deployed: Deployment | None, currency: str
) -> dict[str, Any]:
    """Seconds and money of requests to the fine-tuned model, and where each was measured.

    Args:
        metrics: of the evaluation, which asks in batches.
        currency: of the report; costs of a deployment in another one are not used.

    Returns:
        `{"seconds_alone", "seconds_per_1000", "seconds_from", "money_per_1000", "currency", "money_from",
        "cost_per_day", "why_not_deployed", "deployment"}`. `seconds_alone` is `{"median", "p95"}` of one request at a
        time, None where nothing was deployed; then `seconds_per_1000` is that of the evaluation, otherwise None.
        `..._from`: id of the artifact. `why_not_deployed`: why money is that of the evaluation; None: it is not.
        `deployment`: `{"id", "content_hash", "release", "target", "deployed_at"}` or None.
    """
    batch = metrics["per_1000_requests"][FINE_TUNED]
    of_evaluation = {
        "money_per_1000": batch["money"],
        "currency": batch["currency"],
        "money_from": evaluation_report.artifact_id,
        "cost_per_day": None,
    }
    if deployed is None:
        return {
            "seconds_alone": None,
            "seconds_per_1000": batch["seconds"],
            "seconds_from": evaluation_report.artifact_id,
            **of_evaluation,
            "why_not_deployed": "this checkpoint was not deployed when the report was made",
            "deployment": None,
        }
    record, version = deployed.record, deployed.version
    alone = next(one for one in record["load"] if one["concurrent"] == 1)
    why_not = _why_not(record, currency)
    of_deployment = {
        "money_per_1000": record["cost_per_1000_requests"],
        "currency": record["currency"],
        "money_from": version.artifact_id,
        "cost_per_day": record["cost_per_day"],
    }
    return {
        "seconds_alone": {"median": alone["median_seconds"], "p95": alone["p95_seconds"]},
        "seconds_per_1000": None,
        "seconds_from": version.artifact_id,
        **(of_evaluation if why_not else of_deployment),
        "why_not_deployed": why_not,
        "deployment": {
            "id": version.artifact_id,
            "content_hash": version.content_hash,
            **{name: record[name] for name in ("release", "target", "deployed_at")},
        },
    }


def _why_not(record: Mapping[str, Any], currency: str) -> str | None:
    if record["cost_per_1000_requests"] is None:
        return f"the target {record['target']} names no cost_per_hour"
    if record["currency"] != currency:
        return f"the target {record['target']} costs {record['currency']}, and this report is in {currency}"
    return None
