"""The check `meets_expectations` of `cleaned_records` and `splits`: Great Expectations, and where to read what it
found."""

from typing import Any

import dagster as dg

from ft_platform.assets.stage import judged, report_link
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.stages import DATA_DOCS
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

CHECK = "meets_expectations"
DESCRIPTION = "Great Expectations: the suite of the YAML and the defaults of the stage."


def expectations_check(
    lake: Lake, environment: Environment, use_case: NamedUseCase, version: TableVersion
) -> dg.AssetCheckResult:
    """Runs the suite of a table. Failing rows appear by record_id only."""
    result = judged(lake, use_case, version, CHECK, lambda: _judge(lake, use_case, version))
    metadata = {**data_docs_link(lake, environment, version), **(result.metadata or {})}
    return result._replace(metadata=vouched_metadata(metadata))


def data_docs_link(lake: Lake, environment: Environment, version: TableVersion) -> dict[str, Any]:
    """Link and place of what Great Expectations found in a table; empty where it has not looked yet."""
    verdict = lake.verdicts(version, intact_only=True).get(CHECK)
    page = lake.intact_artifact(version.use_case, DATA_DOCS, str(verdict.numbers["data_docs"])) if verdict else None
    return report_link(environment, page, lake.manifest(page)) if page else {}


def _judge(lake: Lake, use_case: NamedUseCase, version: TableVersion) -> tuple[bool, dict[str, Any]]:
    from ft_platform.cleaning.validation.expectations import validate
    from ft_platform.cleaning.validation.quarantine import quarantined_percent
    from ft_platform.reporting.data_docs import publish_data_docs

    result = validate(use_case, version.name, lake.rows(version))  # type: ignore[arg-type]
    quarantined: dict[str, Any] = {}
    few_enough = True
    if version.name == "cleaned_records":
        found = lake.manifest(version).counts["quarantine"]
        percent, most = quarantined_percent(found), use_case.settings.validation.max_quarantined_percent
        few_enough = percent <= most
        quarantined = {"quarantined": found["rows"], "quarantined_percent": percent, "max_quarantined_percent": most}
    page = publish_data_docs(lake, use_case, version, result, quarantined)
    failed = [e["expectation"] for e in result.expectations if not e["passed"]]
    numbers = {"rows": result.rows, "expectations": len(result.expectations), **quarantined, "failed": failed}
    return result.passed and few_enough, {**numbers, "results": result.expectations, "data_docs": page.artifact_id}
