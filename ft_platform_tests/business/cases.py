"""An evaluated tiny use case with business figures, and files of measurements. All figures and persons are
fictitious."""

import csv
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.business.inputs import collect_inputs
from ft_platform.monitoring.business.measurements import read_measurements
from ft_platform.monitoring.business.roi import roi
from ft_platform.reporting.publishing.roi import publish_roi
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.business import Business
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.tiny_case import TinyCase

PLAN = {
    "volume_per_month": 4000,
    "adoption": 0.7,
    "minutes_without": 6,
    "minutes_with": 2,
    "cost_per_hour": 45,
    "investment": 30000,
}
"""Everything that savings and payback need."""


def with_business(use_case: NamedUseCase, **business: Any) -> NamedUseCase:
    update = {"business": Business.model_validate(business)}
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update=update)})


def priced(environment: Environment, price_per_hour: float = 36.0, currency: str = "CHF") -> Environment:
    local = ComputeProfile(price_per_hour=price_per_hour, currency=currency)
    return environment.model_copy(update={"profiles": {"local": local}})


def published(
    case: TinyCase, environment: Environment | None = None, **business: Any
) -> tuple[ArtifactVersion, dict[str, Any]]:
    """The report of a case with these business figures, and what is in its `roi.json`."""
    use_case = with_business(case.use_case, **business)
    report = publish_roi(case.lake, environment or case.environment, use_case, case.report)
    return report, json.loads(case.lake.read_file(report, "roi.json"))


def found(case: TinyCase, environment: Environment | None = None, **business: Any) -> dict[str, Any]:
    """What would be in `roi.json`, without pictures and page."""
    environment, use_case = environment or case.environment, with_business(case.use_case, **business)
    with tempfile.TemporaryDirectory() as folder:
        measured = read_measurements(use_case.settings.business, environment, Path(folder))
    inputs = collect_inputs(case.lake, environment, use_case, case.report, measured)
    return json.loads(json.dumps(roi(inputs), allow_nan=False))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    rows = list(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def satisfaction(
    before: list[float], after: list[float], metric: str = "customer_satisfaction"
) -> list[dict[str, Any]]:
    """One row a day, from 1 January 2026 and from 1 March 2026."""
    rows = [
        {"date": f"2026-01-{day:02d}", "metric": metric, "value": value, "period": "before"}
        for day, value in enumerate(before, 1)
    ]
    return rows + [
        {"date": f"2026-03-{day:02d}", "metric": metric, "value": value, "period": "after"}
        for day, value in enumerate(after, 1)
    ]
