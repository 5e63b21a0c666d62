"""What the newest attacks on a use case found, for the command line."""

import json
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.gate import problems_with
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.training.privacy_attacks.inputs import FIGURES, STAGE
from ft_platform.training.privacy_attacks.verdict import attacker_in_words, privacy_verdict
from ft_platform.use_case.named import NamedUseCase


def newest_attack(lake: Lake, use_case: NamedUseCase) -> dict[str, Any]:
    """The newest `privacy_report`, judged by the limits of today, with the exposure of the newest `canary_audit`.

    Keys of `privacy.json`, `verdict` and `attacker` in words, and `{"exposure_bits": {copies: bits} | None,
    "exposure_bits_interval": {copies: {"low", "high"}} | None, "exposure_status", "control_bits", "max_bits",
    "chance_bits", "report", "problems"}`; `problems` says why the gate refuses one of the two, e.g. because a setting
    changed since.

    Raises:
        DataError: no checkpoint of this use case was attacked.
    """
    report = next(iter(lake.artifacts(use_case.name, STAGE)), None)
    if report is None:
        raise DataError(f"no checkpoint of {use_case.name} was attacked", f"Run: ft run {use_case.name}")
    audit = next(iter(lake.artifacts(use_case.name, "canary_audit")), None)
    found = json.loads(lake.read_file(report, FIGURES))
    if "members" not in found:
        raise DataError(f"{report.id} was made by an earlier version", f"Run: ft run {use_case.name}")
    verdict = privacy_verdict(found, use_case)
    return {
        **found,
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
        "verdict": verdict.text,
        "attacker": attacker_in_words(found),
        **_exposure(lake, use_case, audit),
        "report": f"{report.uri}/report.html",
        "problems": [*_problems(lake, use_case, report), *(problems_with(lake, use_case, audit) if audit else [])],
    }


def _problems(lake: Lake, use_case: NamedUseCase, report: ArtifactVersion) -> list[str]:
    newest = next(iter(lake.artifacts(use_case.name, "adapter_checkpoint")), None)
    attacked = next(parent.id for parent in lake.manifest(report).parents if parent.name == "adapter_checkpoint")
    if newest and newest.artifact_id != attacked:
        other = [f"{report.id} is about checkpoint {attacked}; the newest is {newest.artifact_id}"]
    else:
        other = []
    return [*other, *problems_with(lake, use_case, report)]


def _exposure(lake: Lake, use_case: NamedUseCase, audit: ArtifactVersion | None) -> dict[str, Any]:
    names = ("control_bits", "max_bits", "chance_bits")
    if audit is None:
        missing = dict.fromkeys(("exposure_bits", "exposure_bits_interval", *names))
        return {**missing, "exposure_status": f"not measured. Run: ft run {use_case.name} --select canary_audit"}
    found = json.loads(lake.read_file(audit, "canaries.json"))
    figures = found["exposure_bits"].items()
    return {
        "exposure_bits": {copies: figure["value"] for copies, figure in figures},
        "exposure_bits_interval": {
            copies: {"low": figure["low"], "high": figure["high"]} for copies, figure in figures
        },
        **{name: found[name] for name in names},
        "exposure_status": "measured",
    }
