"""Makes a release of an accepted decision, goes back to an earlier one, and withdraws one.

A release is refused unless its decision is accepted, unaltered, the newest about its checkpoint, and holds again today;
the checkpoint is intact and none of its records was withdrawn; and everybody has signed whom `release.approvals` names
(`sign_off`). Covered by its signature (OpenSSF): every file of the checkpoint. Its record is signed as everything in
the lake is. Not covered: that somebody with the installation's key wants what the decision says."""

import json
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ft_platform.errors import CorruptVersion, DataError, VersionRefused
from ft_platform.lake.draft import Draft
from ft_platform.lake.files import locked
from ft_platform.lake.gate import require_usable
from ft_platform.lake.manifest import now
from ft_platform.lake.releases import (
    FILE,
    SIGNATURE,
    STAGE,
    STANDS,
    Release,
    released_versions,
    releases,
    standing_releases,
)
from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.lake.signing.models import sign_model, verify_model
from ft_platform.lake.snapshot import NO_KEYS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.process.account import this_account
from ft_platform.process.reasons import SHORTEST_REASON, require_reason
from ft_platform.release.decide import FILE as DECISION_FILE
from ft_platform.release.decide import require_accepted, require_newest
from ft_platform.release.separation import COMMIT, commit_of
from ft_platform.release.sign_off import Signature, require_signed
from ft_platform.release.standing import ACCEPTED, standing_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

ASKED = ("max_prompt_tokens", "max_new_tokens", "label_answers")
"""Of `evaluation`: how the model was asked when it was evaluated, and so how it is served."""
Evidence = Callable[[ArtifactVersion], Mapping[str, Any]]
"""Checkpoint -> what the record says of its evidence pack."""
P = ParamSpec("P")
T = TypeVar("T")
Act = Callable[Concatenate[Lake, NamedUseCase, P], T]


def _one_at_a_time(act: Act[P, T]) -> Act[P, T]:
    """Of all processes of the installation: what is released and how many releases there are does not change between a
    look and the record that rests on it."""

    @wraps(act)
    def alone(lake: Lake, use_case: NamedUseCase, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if lake.signing is None:
            raise VersionRefused(NO_KEYS)
        place = f"{use_case.name}-{lake.signing.place_of(lake.folder)}"
        with locked(lake.signing.folder / "locks" / f"{STAGE}-{place}.lock"):
            return act(lake, use_case, *args, **kwargs)

    return alone


@_one_at_a_time
def release(
    lake: Lake,
    use_case: NamedUseCase,
    decision: ArtifactVersion,
    checkpoint: ArtifactVersion,
    evidence: Evidence,
    *,
    by: str | Person = "",
    reason: str = "",
    permissions: Permissions | None = None,
) -> ArtifactVersion:
    """The release of a checkpoint on this decision: that which stands, or a new one.

    Args:
        by: the person who releases, or the name that somebody typed; default the account of the operating system.
        reason: why it is released although it was withdrawn before.
        permissions: whose signatures count; default the owners of the use case.

    Raises:
        VersionRefused: the decision is not accepted, does not hold any more or is not the newest, is about another
            checkpoint, a signature is missing, the checkpoint may not be used, or it was withdrawn on this decision and
            nobody says why it is released again.
        MissingExtra: `model-signing` is not installed.
    """
    started = time.monotonic()
    said, given = require_releasable(lake, use_case, decision, checkpoint, permissions)
    stands = next(iter(standing_releases(lake, use_case.name)), None)
    if stands and (stands.checkpoint, stands.record["decision"]["id"]) == (checkpoint.artifact_id, decision.id):
        return stands.version
    earlier = (one for one in releases(lake, use_case.name) if one.record["decision"]["id"] == decision.id)
    gone = next((one.withdrawn for one in earlier if one.withdrawn), None)
    if gone and len(reason.strip()) < SHORTEST_REASON:  # Dagster's daemon has no reason
        raise VersionRefused(
            f"{checkpoint.id} was withdrawn: {gone['reason']}",
            f"To release it all the same: ft release {use_case.name} --reason <why>",
        )
    record = {
        **({"reason": reason.strip()} if reason.strip() else {}),
        **_model(lake, checkpoint),
        "asked": use_case.settings.evaluation.model_dump(mode="json", include=set(ASKED)),
        **({"claim": said["claim"]} if "claim" in said else {}),
        "decision": {"id": decision.id, "content_hash": decision.content_hash, "valid_until": said["valid_until"]},
        "policy": said["policy"],
        "evidence": dict(evidence(checkpoint)),
        "approvals": [one.to_dict() for one in given],
        "waivers": said["waivers"],
        COMMIT: commit_of(use_case),
    }
    return _publish(lake, use_case, record, [decision, checkpoint], started, by=by)


def require_releasable(
    lake: Lake,
    use_case: NamedUseCase,
    decision: ArtifactVersion,
    checkpoint: ArtifactVersion,
    permissions: Permissions | None = None,
) -> tuple[dict[str, Any], list[Signature]]:
    """What the decision says, and the signatures that count, where the checkpoint may be released on it now.

    Raises:
        VersionRefused: as `release`.
    """
    require_accepted(lake, use_case, decision)
    said = json.loads(lake.read_file(decision, DECISION_FILE))
    require_newest(lake, use_case, decision, said["checkpoint"])
    if said["checkpoint"] != checkpoint.artifact_id:
        raise VersionRefused(
            f"{decision.id} is about {said['checkpoint']}, not about {checkpoint.id}", f"Run: ft run {use_case.name}"
        )
    require_usable(lake, use_case, checkpoint)
    permissions = permissions or Permissions(use_cases={use_case.name: use_case})
    return said, require_signed(lake, use_case, decision, permissions)


@_one_at_a_time
def roll_back(
    lake: Lake, use_case: NamedUseCase, to: str | None = None, *, reason: str, by: str | Person = ""
) -> ArtifactVersion:
    """Releases again what an earlier release has: a new release, which names the one it leaves. Needs no evidence anew.

    Args:
        to: id of the release; default the newest that stands with another checkpoint than the champion.

    Raises:
        DataError: there is no such release.
        VersionRefused: it was withdrawn, its decision does not stand any more, or its checkpoint may not be used.
    """
    started = time.monotonic()
    reason = require_reason(reason)
    earlier, stands = earlier_release(lake, use_case, to), next(iter(standing_releases(lake, use_case.name)), None)
    decision, checkpoint = released_versions(lake, earlier)
    record = {
        **{name: value for name, value in earlier.record.items() if name not in MADE_ANEW},
        "reason": reason,
        "back_to": earlier.id,
        "back_from": stands.id if stands else None,
    }
    return _publish(lake, use_case, record, [decision, checkpoint], started, by=by, signed=earlier)


def earlier_release(lake: Lake, use_case: NamedUseCase, to: str | None = None) -> Release:
    """The release to go back to.

    Args:
        to: its id; default the newest that stands with another checkpoint than the champion.

    Raises:
        DataError: there is no such release.
        VersionRefused: it was withdrawn, or its decision does not stand any more.
    """
    found = releases(lake, use_case.name)
    stands = next((one for one in found if one.withdrawn is None), None)
    earlier = (
        next((one for one in found if one.id == to), None)
        if to
        else next((o for o in found if stands and o.withdrawn is None and o.checkpoint != stands.checkpoint), None)
    )
    if earlier is None:
        what = f"no release {to}" if to else "no earlier release that was not withdrawn"
        raise DataError(f"{use_case.name} has {what}", f"See: ft releases {use_case.name}")
    if earlier.withdrawn is not None:
        raise VersionRefused(f"{earlier.id} was withdrawn: {earlier.withdrawn['reason']}", "Name another one with --to")
    if stands and stands.id == earlier.id:
        raise VersionRefused(f"{earlier.id} is what is released now", f"See: ft releases {use_case.name}")
    decision, _ = released_versions(lake, earlier)
    state = standing_of(lake, decision)
    if state.state != ACCEPTED:
        raise VersionRefused(f"{decision.id} of {earlier.id}: {state.words}", "Name another one with --to")
    return earlier


@_one_at_a_time
def withdraw(lake: Lake, use_case: NamedUseCase, release_id: str, *, reason: str, by: str = "") -> Release:
    """Takes a release out of use, and every other one of the same checkpoint: a fault of a model is in all of them. The
    records stay. The newest release of another checkpoint is the champion again.

    Raises:
        DataError: there is no such release.
        ConfigError: no reason is named.
    """
    reason = require_reason(reason)
    known = releases(lake, use_case.name)
    found = next((one for one in known if one.id == release_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no release {release_id}", f"See: ft releases {use_case.name}")
    told = {"by": by.strip() or this_account(), "recorded_by": this_account(), "reason": reason}
    note(lake, use_case, "release", "withdrew a release", by, release=release_id, reason=reason)
    for one in reversed(
        known
    ):  # the oldest first: a process that is killed between leaves the champion, not its double
        if one.checkpoint == found.checkpoint and one.withdrawn is None:
            lake.add_verdict(one.version, STANDS, False, lake.manifest(one.version).settings_hash, told)
    return next(one for one in releases(lake, use_case.name) if one.id == release_id)


def signature_problem(lake: Lake, release: Release) -> str | None:
    """Why the signature does not hold for the checkpoint as it lies in the lake; None: it holds."""
    try:
        _, checkpoint = released_versions(lake, release)
        with lake.local_copy(checkpoint) as folder, lake.local_copy(release.version) as own:
            verify_model(folder, own / SIGNATURE, _keys(lake))
    except (VersionRefused, CorruptVersion) as error:
        return error.message
    return None


MADE_ANEW = ("number", "previous", "released_by", "recorded_by", "released_at", "reason", "back_to", "back_from")
"""What of a record another release does not take over."""


def _publish(
    lake: Lake,
    use_case: NamedUseCase,
    record: dict[str, Any],
    parents: list[ArtifactVersion],
    started: float,
    *,
    by: str | Person,
    signed: Release | None = None,
) -> ArtifactVersion:
    """Args: signed: an earlier release of the same checkpoint, whose signature is taken over."""
    before = releases(lake, use_case.name)
    stands = next((one for one in before if one.withdrawn is None), None)
    account = this_account()
    who = by if isinstance(by, Person) else Person(by.strip() or account)
    record |= {
        "number": len(before) + 1,
        "previous": stands.id if stands else None,
        "released_by": who.name,
        "recorded_by": account,
        "known_by": who.known_by,
        "released_at": now(),
    }
    inputs = settings_hash({**record, "use_case": use_case.name, "released_at": ""})
    draft = Draft(lake, use_case, STAGE, f"release-{inputs[:12]}", inputs, parents, started=started)
    if (existing := draft.existing()) and all(existing.id != one.id for one in before):
        return existing
    what, told = (
        "rolled back" if signed else "released",
        {"reason": record.get("reason"), "previous": record["previous"]},
    )
    note(lake, use_case, "release", what, by, release=draft.id, checkpoint=record["checkpoint"]["id"], **told)
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        if signed:
            (folder / SIGNATURE).write_bytes(lake.read_file(signed.version, SIGNATURE))
        else:
            _sign(lake, parents[1], folder / SIGNATURE)
        return draft.publish(
            folder,
            counts={"number": record["number"], "approvals": len(record["approvals"])},
            info={"checkpoint": record["checkpoint"]["id"], "decision": record["decision"]["id"]},
        )


def _sign(lake: Lake, checkpoint: ArtifactVersion, signature: Path) -> None:
    with lake.local_copy(checkpoint) as folder:
        sign_model(folder, signature, _keys(lake))
        verify_model(folder, signature, _keys(lake))


def _keys(lake: Lake) -> SigningKeys:
    if lake.signing is None or not isinstance(lake.signing.keys, SigningKeys):
        raise VersionRefused(NO_KEYS)
    return lake.signing.keys


def _model(lake: Lake, checkpoint: ArtifactVersion) -> dict[str, Any]:
    """What a record says of its model. `kind` is how the model answers."""
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    objective, labels = training["training"].get("objective"), training.get("labels") or []
    return {
        "checkpoint": {"id": checkpoint.id, "content_hash": checkpoint.content_hash},
        "base_model": training["base_model"],
        "renderer_hash": training["renderer_hash"],
        "kind": "label_head" if objective == "label_head" else "written_label" if labels else "open_answer",
        "labels": labels,
    }
