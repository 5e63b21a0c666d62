"""What was forecast of a model beside what its requests and feedback show since it serves."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from ft_platform.lake.deployments import deployments
from ft_platform.lake.parents import tables_behind, version_of_parent
from ft_platform.lake.releases import releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.monitoring.day_reports import DayReport, day_reports

DAYS = 30
MONTH_DAYS = 365.25 / 12


def evaluation_of(lake: Lake, report: ArtifactVersion) -> ArtifactVersion:
    """The evaluation that a report rests on."""
    parent = next(one for one in lake.manifest(report).parents if one.name == "evaluation_report")
    evaluation = version_of_parent(lake, report.use_case, parent)
    assert isinstance(evaluation, ArtifactVersion)
    return evaluation


def realized(lake: Lake, evaluation: ArtifactVersion, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Forecast and realized, over the newest monitored days on which no other model answered; None where there is
    none.

    Args:
        evaluation: that the report rests on. Its checkpoint is the model.
        found: figures of `monitoring.business.roi`.

    Returns:
        `{"from", "to", "compared": {what: {"forecast", "realized", "about"}}}`; None for what is not known.
    """
    own = _releases_of(lake, evaluation)
    reports = [one for _, one in day_reports(lake, evaluation.use_case) if one.releases and own >= {*one.releases}]
    reports = reports[-DAYS:]
    if not reports:
        return None
    first, last = reports[0].day, reports[-1].day
    months = ((date.fromisoformat(last) - date.fromisoformat(first)).days + 1) / MONTH_DAYS
    assumed = {name: one["value"] for name, one in found["assumptions"].items()}
    figures = found["figures"]
    cases = assumed.get("volume_per_month")
    judged, wrong = (_sum(reports, "feedback", name) for name in ("judged", "overridden"))
    asked = _sum(reports, "feedback", "csat_answers")
    pleased = sum((one.figures["feedback"]["csat"] or 0) * one.figures["feedback"]["csat_answers"] for one in reports)
    compared = {
        "volume_per_month": (
            cases * assumed.get("adoption", 1.0) if cases else None,
            _sum(reports, "service", "answers") / months,
            "cases the model was to handle; answers it gave",
        ),
        "overrides": (
            1 - figures["accuracy"]["after"]["value"] if figures["accuracy"]["unit"] != "rouge_l" else None,
            wrong / judged if judged else None,
            f"share of wrong answers; of {judged:,} that people judged",
        ),
        "minutes_per_case": (
            assumed.get("minutes_with"),
            _after(figures["efficiency"]),
            "as assumed; as measured in business.measurements",
        ),
        "satisfaction": (
            _after(figures["customer_satisfaction"]),
            pleased / asked if asked else None,
            f"as in business.measurements; 1 to 5, of {asked:,} answers",
        ),
        "days_from_data_to_deployment": (None, _days_to_deployment(lake, evaluation), "from reading the source"),
    }
    names = ("forecast", "realized", "about")
    return {
        "from": first,
        "to": last,
        "compared": {what: dict(zip(names, values, strict=True)) for what, values in compared.items()},
    }


def _releases_of(lake: Lake, evaluation: ArtifactVersion) -> set[str]:
    """Ids of all releases of the checkpoint that was evaluated."""
    checkpoint = next((one.id for one in lake.manifest(evaluation).parents if one.name == "adapter_checkpoint"), None)
    return {one.id for one in releases(lake, evaluation.use_case) if one.checkpoint == checkpoint}


def _sum(reports: list[DayReport], section: str, name: str) -> int:
    return sum(one.figures[section][name] for one in reports)


def _after(figure: Mapping[str, Any]) -> float | None:
    return figure["after"]["value"] if figure["status"] == "measured" else None


def _days_to_deployment(lake: Lake, evaluation: ArtifactVersion) -> float | None:
    """From the table that was read first to the first deployment of the checkpoint; None before there is one."""
    parents = {one.name: version_of_parent(lake, evaluation.use_case, one) for one in lake.manifest(evaluation).parents}
    splits, checkpoint = parents["splits"], parents.get("adapter_checkpoint")
    at = [
        one.record["deployed_at"]
        for one in deployments(lake, evaluation.use_case)
        if checkpoint and one.record["checkpoint"]["content_hash"] == checkpoint.content_hash
    ]
    if not at:
        return None
    assert isinstance(splits, TableVersion)
    read = lake.manifest(tables_behind(lake, splits)["raw_records"]).written_at
    return (datetime.fromisoformat(min(at)) - datetime.fromisoformat(read)).total_seconds() / 86400
