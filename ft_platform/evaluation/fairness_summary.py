"""The fairness report of a use case in the keys of `ft fairness --json`, and in lines for a terminal."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ft_platform.errors import DataError
from ft_platform.evaluation.fairness_verdict import all_fair, fairness_verdicts, nothing_compared
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase

STAGE = "fairness_report"


def newest_fairness(lake: Lake, use_case: str) -> tuple[ArtifactVersion, dict[str, Any]]:
    """The newest fairness report and its figures.

    Raises:
        DataError: there is none.
        CorruptVersion: it is not what its manifest says.
    """
    report = next(iter(lake.artifacts(use_case, STAGE)), None)
    if report is None:
        raise DataError(f"{use_case} has no fairness report", f"Run: ft run {use_case}")
    lake.verify_artifact(report)
    return report, json.loads(lake.read_file(report, "fairness.json"))


def summary(report: ArtifactVersion, found: Mapping[str, Any], use_case: NamedUseCase) -> dict[str, Any]:
    """`{"use_case", "report", "page", "within_max_gap", "verdicts": [{"name", "passed", "status", "text", "missing"}],
    "max_gap", "gap_metric", "features": {name: {"groups", "demographic_parity_difference", "equalized_odds_difference",
    "amplification", "gap", "status"}}, "swaps", "mitigation"}`. A figure that cannot be given has the value None and a
    `status`. Verdicts are those of the gate, about features and pairs of them."""
    verdicts = fairness_verdicts(found, use_case.settings)
    features = {
        name: {
            "groups": feature["groups"],
            "demographic_parity_difference": _figure(feature["demographic_parity"], feature),
            "equalized_odds_difference": _figure(feature["equalized_odds"], feature),
            "amplification": feature["amplification"],
            "gap": _figure(found["gaps"][name], feature),
            "status": verdicts[name].status,
        }
        for name, feature in found["features"].items()
    }
    told = {
        "within_max_gap": all_fair(found, use_case.settings),
        "verdicts": (
            [
                {
                    "name": one.name,
                    "passed": one.passed,
                    "status": one.status,
                    "text": one.text,
                    "missing": dict(one.missing),
                }
                for one in verdicts.values()
            ]
            or [
                {
                    "name": "fairness",
                    "passed": all_fair(found, use_case.settings),
                    "status": "nothing_compared",
                    "text": nothing_compared(use_case.settings),
                    "missing": {},
                }
            ]
        ),
        "max_gap": use_case.settings.fairness.max_gap,
        "gap_metric": found["gap_metric"],
    }
    where = {"use_case": report.use_case, "report": report.artifact_id, "page": f"{report.uri}/report.html"}
    return {**where, **told, "features": features, "swaps": found["swaps"], "mitigation": found["mitigation"]}


def _figure(figure: Mapping[str, Any] | None, feature: Mapping[str, Any]) -> dict[str, Any]:
    if figure is not None:
        return dict(figure)
    labelled = any("label_figures" in row for row in feature["groups"].values())
    reason = "not_enough_evidence" if labelled or not feature["differences"] else "needs_labels"
    return {"value": None, "low": None, "high": None, "status": reason}


def summary_lines(shown: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{shown['use_case']}, fairness report {shown['report']}"
    for verdict in shown["verdicts"]:
        yield f"  {'✓' if verdict['passed'] else '✗'} {verdict['text']}"
    for name, feature in shown["features"].items():
        yield f"\n{name}"
        for group, row in sorted(feature["groups"].items(), key=lambda item: -item[1]["rows"]):
            told = _text(row[shown["gap_metric"]]) if row["enough_evidence"] else "not enough evidence"
            yield f"  {group}: {row['rows']} test records, {shown['gap_metric']} {told}"
        for title, key in {
            f"gap in {shown['gap_metric']}": "gap",
            "demographic parity difference": "demographic_parity_difference",
            "equalized odds difference": "equalized_odds_difference",
            "added by training": "amplification",
        }.items():
            yield f"  {title}: {_text(feature[key])}"
    for name, swap in shown["swaps"].items():
        rate = swap["flip_rate"] or {"value": None, "status": swap["status"]}
        yield f"\nswapped terms, {name}: {swap['rows']} test prompts, answers that change: {_text(rate)}"
    if shown["mitigation"]:
        change = shown["mitigation"]["change"].get("gap") or {"value": None, "status": shown["mitigation"]["status"]}
        yield f"\nmitigation {shown['mitigation']['chosen']}, change of the gap: {_text(change)}"
    yield f"\n{shown['page']}"


def _text(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return str(figure["status"]).replace("_", " ")
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
