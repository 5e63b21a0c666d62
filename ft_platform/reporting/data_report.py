"""The data report: figures about the records of a version of `splits` from manifests and verdicts, as JSON, pictures,
one page, card and Croissant."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.governance.reasons import REASONS
from ft_platform.lake.draft import Draft
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.process.hidden_names import source_place
from ft_platform.records.label_spellings import spellings
from ft_platform.reporting.data_plots import entity_counts_plot, k_anonymity_plot, split_balance_plot
from ft_platform.reporting.documents import croissant, dataset_card, statements
from ft_platform.reporting.documents.facts import Facts, facts_behind, outcome
from ft_platform.reporting.funnel import funnel_of
from ft_platform.reporting.lineage import lineage_rows
from ft_platform.reporting.plots import funnel_plot
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

STAGE = "data_report"
FIGURES = "data.json"
MOST_HASHES = 1000
"""Source files whose hash the report lists; the manifest of `raw_records` has all."""


def existing_data_report(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion | None:
    """The report on these records with these verdicts and settings, or None."""
    artifact_id = _inputs(use_case, splits, facts_behind(lake, use_case, splits))[0]
    return lake.intact_artifact(use_case.name, STAGE, artifact_id)


def publish_data_report(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion:
    """The artifact `data_report` of a version of `splits`: an existing one, or a new one.

    Raises:
        VersionRefused: a version behind it has no manifest any more.
    """
    facts = facts_behind(lake, use_case, splits)
    draft = Draft(lake, use_case, STAGE, *_inputs(use_case, splits, facts), [splits])
    if existing := draft.existing():
        return existing
    found = figures(facts)
    with draft.folder() as folder:
        (folder / FIGURES).write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
        (folder / "README.md").write_text(dataset_card.make(facts), encoding="utf-8")
        (folder / "croissant.json").write_text(croissant.make(facts), encoding="utf-8")
        _write_page(folder, draft, facts, found)
        not_passed = sum(one["status"] != "passed" for one in found["checks"])
        return draft.publish(folder, {"rows": splits.rows, "checks_not_passed": not_passed})


def _inputs(use_case: NamedUseCase, splits: TableVersion, facts: Facts) -> tuple[str, str]:
    """Id and hash of the report: the records, the settings of every stage behind them, and what checks found, which may
    come later than the rows."""
    settings = {name: manifest.settings_hash for name, manifest in facts.manifests.items()}
    verdicts = {
        stage: {check: (one.passed, one.numbers) for check, one in found.items()}
        for stage, found in facts.verdicts.items()
    }
    inputs = input_hash(use_case, STAGE, [splits], settings=settings_hash(settings), verdicts=settings_hash(verdicts))
    return f"data-{inputs[:12]}", inputs


def figures(facts: Facts) -> dict[str, Any]:
    """Everything the report shows, as JSON. What was not counted or checked is null, with a `status` that says so."""
    splits = facts.manifest("splits")
    return {
        "use_case": facts.name,
        "splits": {"id": splits.id, "content_hash": splits.content_hash, "rows": splits.rows},
        "source": _source(facts),
        "funnel": funnel_of(facts.manifests),
        "permission": _permission(facts),
        "personal_data": _personal_data(facts),
        "k_anonymity": _k_anonymity(facts),
        "duplicates": _duplicates(facts),
        "division": {
            key: splits.counts.get(key)
            for key in ("rows_per_split", "rows_per_label", "groups", "largest_group", "division")
        },
        "labels_alike": spellings({label: sum(rows.values()) for label, rows in _per_label(splits).items()}),
        "checks": _checks(facts),
    }


def _per_label(splits: Manifest) -> dict[str, dict[str, int]]:
    """Label -> side -> records; none for a task without labels."""
    return splits.counts.get("rows_per_label") or {}


def _source(facts: Facts) -> dict[str, Any]:
    raw = facts.manifest("raw_records")
    settings = facts.section("raw_records", "source")
    hashes = sorted(map(str, raw.info.get("files", {}).values()))
    place = source_place(settings.uri) if settings else None
    return {
        "place": place,
        "files": len(hashes),
        "sha256": hashes[:MOST_HASHES],
        "rows": raw.rows,
        "read_at": raw.written_at,
        "encodings": raw.info.get("encodings", []),
    }


def _permission(facts: Facts) -> dict[str, Any]:
    manifest = facts.manifest("permitted_records")
    governance = facts.section("permitted_records", "governance")
    funnel = manifest.counts.get("funnel")
    refused = (
        None
        if funnel is None
        else {
            reason: {"rows": count, "means": REASONS.get(reason, reason)} for reason, count in funnel["removed"].items()
        }
    )
    return {
        "purpose": governance.purpose if governance else None,
        "licence": governance.licence if governance else None,
        **{key: manifest.counts.get(key) for key in ("basis", "consent_from", "on_day", "permitted_until")},
        "refused": refused,
    }


def _personal_data(facts: Facts) -> dict[str, Any]:
    counts = facts.manifest("anonymized_records").counts
    residual = facts.verdict("anonymized_records", "no_residual_pii")
    recall = facts.verdict("anonymized_records", "recall_above_floor")
    numbers = recall.numbers if recall else {}
    entities = numbers.get("entities", {})
    return {
        "replaced": counts.get("entities"),
        "rows_with_any": counts.get("rows_with_any"),
        "emptied": counts.get("emptied"),
        "left": (
            None
            if residual is None
            else {key: residual.numbers.get(key) for key in ("rows", "rows_with_finding", "percent", "findings")}
        ),
        "left_status": "not_checked" if residual is None else "passed" if residual.passed else "failed",
        "recall": (
            {
                name: {
                    "value": one["recall"],
                    "low": one["low"],
                    "high": one["high"],
                    "spans": one["spans"],
                    "status": one.get("status"),
                }
                for name, one in entities.items()
            }
            or None
        ),
        "recall_status": numbers.get("status", "not_measured"),
        "recall_basis": numbers.get("basis"),
        "recall_says": numbers.get("says"),
        "left_out": numbers.get("left_out"),
    }


def _k_anonymity(facts: Facts) -> dict[str, Any]:
    """What making them coarser took, and what the check counted afterwards."""
    made = facts.manifest("anonymized_records").counts.get("k_anonymity") or {}
    verdict = facts.verdict("anonymized_records", "is_k_anonymous")
    numbers = verdict.numbers if verdict else {}
    k = numbers.get("k")
    told = {"says": numbers.get("says"), "reason": numbers.get("reason"), "not_looked_at": numbers.get("not_looked_at")}
    unmeasured = "no_columns" if numbers.get("no_columns") else "not_measured"
    status = "not_checked" if verdict is None else unmeasured if k is None else "measured"
    return {**made, "k": k, "status": status, **told}


def _duplicates(facts: Facts) -> dict[str, Any]:
    counts = facts.manifest("cleaned_records").counts
    funnel = counts.get("funnel")
    removed = (
        None
        if funnel is None
        else {kind: funnel["removed"].get(kind, 0) for kind in ("exact_duplicate", "near_duplicate", "label_conflict")}
    )
    conflicts = {name: counts.get(name) for name in ("label_conflicts", "near_label_conflicts")}
    leakage = facts.verdict("splits", "no_leakage")
    pairs_on_two_sides = leakage.numbers.get("near_duplicate_pairs") if leakage else None
    status = "not_checked" if leakage is None else "passed" if leakage.passed else "failed"
    return {"removed": removed, **conflicts, "pairs_on_two_sides": pairs_on_two_sides, "status": status}


def _checks(facts: Facts) -> list[dict[str, Any]]:
    """Every check that a version behind the records needs, also those without a verdict, and every other that was
    made."""
    found = []
    for stage, manifest in facts.manifests.items():
        verdicts = facts.verdicts.get(stage, {})
        for check in dict.fromkeys([*STAGES[stage].checks, *verdicts]):
            verdict = verdicts.get(check)
            status, says = outcome(verdict).replace(" ", "_"), verdict.numbers.get("says") if verdict else None
            checked_at = verdict.checked_at if verdict else None
            found.append(
                {
                    "stage": stage,
                    "version": manifest.id,
                    "check": check,
                    "status": status,
                    "says": says,
                    "checked_at": checked_at,
                }
            )
    return found


def _write_page(folder: Path, draft: Draft, facts: Facts, found: Mapping[str, Any]) -> None:
    """Pictures, and `report.html`."""
    division, k = found["division"], found["k_anonymity"]
    pictures = {"funnel": funnel_plot(found["funnel"])}
    if found["personal_data"]["replaced"] is not None:
        pictures["personal_data"] = entity_counts_plot(found["personal_data"]["replaced"])
    if "required_k" in k:
        counts = facts.counts("anonymized_records")["k_anonymity"]
        pictures["k_anonymity"] = k_anonymity_plot(counts, facts.counts("anonymized_records")["funnel"]["rows_in"])
    if division["rows_per_split"]:
        pictures["split_balance"] = split_balance_plot(division["rows_per_label"] or {"": division["rows_per_split"]})
    write_report_page(
        folder,
        draft,
        "data_report.html",
        title=f"Data of {facts.name}",
        found=found,
        not_passed=[one for one in found["checks"] if one["status"] != "passed"],
        source=statements.source(facts),
        permission=statements.permission(facts),
        personal_data=statements.personal_data(facts),
        division=statements.splits(facts),
        pictures=saved(folder, pictures),
        owner=facts.owner("compliance"),
        lineage=lineage_rows(dict(facts.manifests)),
    )
