"""What people decided about a checkpoint after its reports were made: the newest release decision, its signatures, and
every waiver.

Reports are older than the decision and are never changed, so the documents of a pack, which are made after it, carry
the waivers for all of them."""

import json
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import FILE as DECISION_FILE
from ft_platform.release.decide import STAGE as DECISION
from ft_platform.release.waivers import FILE, IN_FORCE, STORED_AS
from ft_platform.reporting.evidence.gather import Evidence

SIGNATURE, STATEMENT = "signature", "statement.json"
SIGNED = ("id", "says", "role", "person", "known_by", "at")
TOLD = ("id", "rule", "granted_by", "role", "reason", "until", "granted_at")


def decision_of(lake: Lake, evidence: Evidence) -> dict[str, Any] | None:
    """`{"id", "decision", "valid_until", "waivers"}` of the newest decision about the checkpoint, with `claim` where
    it is a smaller one, or None where nothing was decided."""
    for found in evidence.versions:
        if found.version.name == DECISION and found.role == "report" and DECISION_FILE in found.manifest.files:
            assert isinstance(found.version, ArtifactVersion)
            said = json.loads(lake.read_file(found.version, DECISION_FILE))
            if said.get("checkpoint") == evidence.checkpoint.artifact_id:
                waivers = said.get("waivers", [])
                told = {"decision": said["decision"], "valid_until": said.get("valid_until"), "waivers": waivers}
                return {"id": found.version.id, **told, **({"claim": said["claim"]} if "claim" in said else {})}
    return None


def signatures_of(lake: Lake, evidence: Evidence, decision: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Every signature and rejection of the newest decision, in the order in which they were given.

    Returns:
        rows `{"id", "says", "role", "person", "known_by", "at", "taken_back"}`.
    """
    found = []
    for one in evidence.versions:
        if decision and one.version.name == SIGNATURE and isinstance(one.version, ArtifactVersion):
            said, verdict = json.loads(lake.read_file(one.version, STATEMENT)), one.verdicts.get(IN_FORCE)
            if said["decision"] == decision["id"]:
                gone = verdict is not None and not verdict.passed
                found.append({**{key: said[key] for key in SIGNED}, "taken_back": gone})
    return sorted(found, key=lambda one: (one["at"], one["id"]))


def waivers_of(lake: Lake, evidence: Evidence, decision: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Every waiver of the checkpoint, in the order in which they were granted.

    Args:
        decision: the newest one (`decision_of`).

    Returns:
        rows `{"id", "rule", "granted_by", "role", "reason", "until", "granted_at", "decision", "revoked"}`. `decision`:
        id of the newest decision, where it rests on this waiver. One that was removed from the lake is still carried
        where the decision rests on it.
    """
    used = {waiver["id"]: waiver for waiver in decision["waivers"]} if decision else {}
    found, revoked = dict(used), set()
    for one in evidence.versions:
        if one.version.name == STORED_AS and one.role == "report":
            assert isinstance(one.version, ArtifactVersion)
            waiver = json.loads(lake.read_file(one.version, FILE))
            if waiver["checkpoint"] == evidence.checkpoint.artifact_id:
                found[waiver["id"]] = waiver
                verdict = one.verdicts.get(IN_FORCE)
                revoked |= {waiver["id"]} if verdict is not None and not verdict.passed else set()
    rows = sorted(found.values(), key=lambda waiver: (waiver["granted_at"], waiver["id"]))
    resting = dict.fromkeys(used, decision["id"]) if decision else {}
    return [
        {**{key: one[key] for key in TOLD}, "decision": resting.get(one["id"]), "revoked": one["id"] in revoked}
        for one in rows
    ]
