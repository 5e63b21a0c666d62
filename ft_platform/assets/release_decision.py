"""release_decision: whether the checkpoint may be released, by the rules of the YAML, on evidence that is whole and
current."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.order import Order
from ft_platform.assets.report import shown
from ft_platform.assets.stage import key, stage, train_rows, with_typed_failures
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "release_decision"))
    @with_typed_failures
    def release_decision(
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        order: dg.ResourceParam[Order],
        adapter_checkpoint: ArtifactVersion,
        evaluation_report: ArtifactVersion,
        fairness_report: ArtifactVersion,
        privacy_report: ArtifactVersion,
        regression_report: ArtifactVersion,
        roi_report: ArtifactVersion,
        data_report: ArtifactVersion,
        model_card: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Accepted or refused by what the file says, with a sentence for every rule, and a page for the people who
        sign. Of a run with settings of its own it is refused.

        A refusal is a result, not a failure: the check `accepted` shows it.
        """
        from ft_platform.release.decide import publish_decision
        from ft_platform.reporting.decision_brief import write_decision
        from ft_platform.use_case.file import as_filed

        handed = (
            evaluation_report,
            fairness_report,
            privacy_report,
            regression_report,
            roi_report,
            data_report,
            model_card,
        )
        reports = {report.name: report for report in handed}
        before = {version.id for version in lake.artifacts(use_case.name, "release_decision")}
        filed = as_filed(use_case, environment)
        decision = publish_decision(lake, filed, adapter_checkpoint, reports, write_decision, order.by)
        found = json.loads(lake.read_file(decision, "decision.json"))
        return shown(
            lake,
            environment,
            use_case,
            decision,
            reused=decision.id in before,
            rows=train_rows(lake, adapter_checkpoint),
            **({"simpler_systems": found["simpler"]} if found.get("simpler") else {}),
            decision=found["decision"],
            broken_rules=sum(not rule["passed"] and not rule["waiver"] for rule in found["rules"]),
            rules=dg.MetadataValue.md(_rules_table(found)),
            page="decision_brief.html",
        )

    @asset_check(
        asset=key(use_case, "release_decision"),
        blocking=False,
        description="Every rule of the gate holds or is waived by a person.",
    )
    @with_typed_failures
    def accepted(lake: dg.ResourceParam[Lake], release_decision: ArtifactVersion) -> dg.AssetCheckResult:
        found = json.loads(lake.read_file(release_decision, "decision.json"))
        refusing = [ruling for ruling in found["rules"] if not ruling["passed"] and not ruling["waiver"]]
        broken = "; ".join(f"{ruling['rule']}: {ruling['why']}" for ruling in refusing)
        return dg.AssetCheckResult(
            passed=found["decision"] == "accepted",
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"broken_rules": len(refusing), "waivers": len(found["waivers"])},
            description=vouch(" ".join(filter(None, [found.get("simpler"), broken]))) or None,
        )

    return [release_decision, accepted]


def _rules_table(found: dict) -> str:
    rows = [
        f"| {'✓' if rule['passed'] else 'waived' if rule['waiver'] else '✗'} | {rule['rule']} | {_cell(rule['why'])} |"
        for rule in found["rules"]
    ]
    return "\n".join(["| | rule | why |", "| --- | --- | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
