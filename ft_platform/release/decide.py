"""The decision about a checkpoint: accepted or refused, with every rule's sentence."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ft_platform.errors import DataError, VersionRefused
from ft_platform.evaluation.champion import champion
from ft_platform.evaluation.golden_statements import with_golden
from ft_platform.lake.draft import Draft
from ft_platform.lake.gate import problems_with
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.manifest import now
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, Version
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.release.collecting import collect, is_about, pinned_versions
from ft_platform.release.evidence import CHECKPOINT, EVALUATION, OPTIONAL, REQUIRED, Evidence
from ft_platform.release.rule import Ruling, apply, rules_of
from ft_platform.release.simpler import Simpler, behind, behind_now, may_lose, simpler_systems
from ft_platform.release.tested import answers, tested
from ft_platform.release.waivers import Waiver, in_force, last_day, without_effect
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.gate import DECIDES, SUGGESTS
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.policy import Policy

STAGE = "release_decision"
FILE = "decision.json"
ACCEPTED, REFUSED = "accepted", "refused"
WHO = "a person decides on every request"
HOW = "ft run {name} --set gate.claim=suggests --keep"


@dataclass(frozen=True)
class Decision:
    """What the rules say about a checkpoint.

    Attributes:
        waivers: rule -> waiver in force.
        evidence: what the rules were applied to.
        policy: of the installation, that the use case was judged under.
        without_effect: id of a waiver that has not ended and does not count -> why.
        overridden: what the run that decides has set for itself (`NamedUseCase.overridden`).
        simpler: systems that are no language model and at least as good (`simpler_systems`), which are named first.
        tested: on how many test records it rests, and how often somebody tried (`release.tested`).
        answers: which share of requests it answers, and how many of those right (`release.tested.answers`); and if
            only too much is claimed, what to claim.
        signs: roles that must sign before a release.
        claim: `gate.claim` that it was judged by, and that a release keeps.
        behind: what simpler models have lost up to this one (`release.simpler.behind`).
    """

    use_case: str
    evidence: Evidence
    rulings: list[Ruling]
    waivers: Mapping[str, Waiver]
    policy: Policy
    without_effect: Mapping[str, str]
    simpler: Simpler | None
    tested: str | None
    answers: str | None
    signs: Sequence[str]
    claim: str = DECIDES
    overridden: tuple[str, ...] = ()
    behind: float = 0.0

    @property
    def accepted(self) -> bool:
        return bool(self.rulings) and not self.refusing

    @property
    def refusing(self) -> list[Ruling]:
        """Rules that are broken and not waived."""
        return [
            ruling
            for ruling in self.rulings
            if not ruling.passed and not (ruling.waivable and ruling.rule in self.waivers)
        ]

    def to_dict(self) -> dict[str, Any]:
        """As `decision.json` and `ft decide --json` have it."""
        items = [item for item in self.evidence.items.values() if item.version]
        used = [waiver for ruling in self.rulings if not ruling.passed and (waiver := self.waivers.get(ruling.rule))]
        return {
            "use_case": self.use_case,
            "checkpoint": self.evidence.checkpoint.artifact_id,
            "simpler": self.simpler.says if self.simpler else None,
            **({"simpler_methods": [*self.simpler.methods]} if self.simpler and self.simpler.methods else {}),
            "tested": self.tested,
            "answers": self.answers,
            "signs": list(self.signs),
            "decision": ACCEPTED if self.accepted else REFUSED,
            **({"claim": self.claim} if self.claim != DECIDES else {}),
            **({"behind": self.behind} if self.behind else {}),
            **({"overridden": list(self.overridden)} if self.overridden else {}),
            "policy": self.policy.to_dict(),
            "rules": [
                {
                    **ruling.to_dict(),
                    "waiver": w.id if (w := self.waivers.get(ruling.rule)) and not ruling.passed else None,
                }
                for ruling in self.rulings
            ],
            "waivers": [waiver.to_dict() for waiver in used],
            "waivers_without_effect": dict(self.without_effect),
            "valid_until": min((last_day(waiver, self.policy).isoformat() for waiver in used), default=None),
            "evidence": [
                {"stage": i.stage, "id": i.version.artifact_id, "content_hash": i.version.content_hash}
                for i in items
                if i.version
            ],
        }


def decide(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    versions: Mapping[str, ArtifactVersion | None],
    today: date | None = None,
) -> Decision:
    """Applies the rules of the YAML to the evidence about a checkpoint. Writes nothing.

    Args:
        use_case: as its file says (`use_case.file.as_filed`).
        versions: stage -> its artifact (`newest_evidence`).
        today: day on which waivers must hold. Default: today, UTC.
    """
    lake = Snapshot.of(lake)
    evidence = collect(lake, use_case, checkpoint, versions)
    if own := use_case.own_settings:
        evidence = replace(evidence, problems=(f"{own}, and a release goes by the file", *evidence.problems))
    before = champion(lake, use_case.name, beside=checkpoint)
    evidence = replace(evidence, may_lose=may_lose(lake, checkpoint, before))
    rulings = apply(rules_of(with_golden(lake, use_case), before.id if before else None), evidence)
    of = (lake, use_case, checkpoint, today or datetime.now(UTC).date())
    simpler = simpler_systems(evidence, use_case.settings)
    rests_on = tested(lake, use_case.name, evidence)
    waived = (in_force(*of), use_case.policy, without_effect(*of))
    claim, answered = use_case.settings.gate.claim, answers(evidence, use_case.settings)
    lost = behind_now(behind(lake, before) if before else 0.0, rulings)
    told = (simpler, rests_on, answered, use_case.signing_roles, claim, use_case.overridden, lost)
    found = Decision(use_case.name, evidence, rulings, *waived, *told)
    if found.accepted or claim == SUGGESTS or not (smaller := as_suggestion(use_case)):
        return found
    rules = rules_of(with_golden(lake, smaller), before.id if before else None)
    if not replace(found, rulings=apply(rules, evidence)).accepted:
        return found
    offer = f"Refused as a model that decides, it would be accepted as one that suggests, where {WHO}: {HOW}"
    offer = offer.format(name=use_case.name)
    return replace(found, answers=" ".join(filter(None, (answered, offer))))


def as_suggestion(use_case: NamedUseCase) -> NamedUseCase | None:
    """A use case whose model claims only to suggest; None: it cannot."""
    said = use_case.settings.model_dump(exclude_unset=True)
    try:
        settings = UseCase.model_validate({**said, "gate": {**said.get("gate", {}), "claim": SUGGESTS}})
    except ValueError:
        return None
    return use_case.model_copy(update={"settings": settings})


def newest_evidence(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion
) -> dict[str, ArtifactVersion | None]:
    """Stage -> its newest artifact about this checkpoint that may be relied on, for the evidence that every decision
    needs and for what may stand beside it.

    Where there is none, the newest one whatever it is about, so that the decision says what is wrong with it.
    """
    lake = Snapshot.of(lake)
    try:
        pinned = pinned_versions(lake, checkpoint, None)
        evaluation = _newest(lake, use_case, pinned, EVALUATION)
        pinned = pinned_versions(lake, checkpoint, evaluation)
    except VersionRefused:  # told where the checkpoint is judged
        pinned = {CHECKPOINT: checkpoint}
    return {stage: _newest(lake, use_case, pinned, stage) for stage in (*REQUIRED, *OPTIONAL)}


def _newest(lake: Lake, use_case: NamedUseCase, pinned: Mapping[str, Version], stage: str) -> ArtifactVersion | None:
    found = lake.artifacts(use_case.name, stage)
    own = [version for version in found if is_about(lake, version, pinned)]
    reliable = (version for version in own if not problems_with(lake, use_case, version))
    return next(reliable, None) or next(iter([*own, *found]), None)


def the_checkpoint(lake: Lake, use_case: NamedUseCase, checkpoint_id: str | None = None) -> ArtifactVersion:
    """The checkpoint of that id; by default the newest that may be used, and where none may, the newest, so that the
    decision says why.

    Raises:
        DataError: there is none.
    """
    found = lake.artifacts(use_case.name, CHECKPOINT)
    if not found:
        raise DataError(f"{use_case.name} has no checkpoint to decide about", f"Run: ft run {use_case.name}")
    if checkpoint_id:
        named = next((one for one in found if one.artifact_id == checkpoint_id), None)
        if named is None:
            raise DataError(
                f"{use_case.name} has no checkpoint {checkpoint_id}; there are"
                f" {', '.join(one.artifact_id for one in found)}"
            )
        return named
    return next((one for one in found if not problems_with(lake, use_case, one)), found[0])


WritePages = Callable[[Path, Draft, Decision], None]
"""Writes the pages of a decision into the folder."""


def publish_decision(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    versions: Mapping[str, ArtifactVersion],
    write_pages: WritePages,
    by: Person | None = None,
) -> ArtifactVersion:
    """The artifact `release_decision` about a checkpoint with this evidence: the newest, where it says the same, or a
    new one. A refusal is a result as well.

    Args:
        versions: stage -> artifact, for every parent of the stage but the checkpoint.
        write_pages: writes the pages that people read about a new decision.
        by: who started it; default the account of the operating system.
    """
    started = time.monotonic()
    seen = Snapshot(lake)
    beside = {
        stage: version for stage, version in newest_evidence(seen, use_case, checkpoint).items() if stage in OPTIONAL
    }
    decision = decide(seen, use_case, checkpoint, {**beside, **versions})
    found = decision.to_dict()
    parents = [checkpoint if name == CHECKPOINT else versions[name] for name in STAGES[STAGE].parents]
    # Who signs, how often somebody tried, and when the model abstains may change later, and are no other decision.
    judged = {name: value for name, value in found.items() if name not in ("tested", "answers", "signs")}
    inputs = says = input_hash(use_case, STAGE, parents, found=settings_hash(judged))
    if newest := newest_decision(lake, use_case, found["checkpoint"]):
        manifest, intact = lake.manifest(newest), lake.intact_artifact(use_case.name, STAGE, newest.artifact_id)
        if intact and says in (manifest.input_hash, manifest.info.get("says")):
            return intact
        if lake.intact_artifact(use_case.name, STAGE, f"decision-{says[:12]}"):  # what was said before is true again
            inputs = settings_hash({"says": says, "after": newest.id})
    draft = Draft(lake, use_case, STAGE, f"decision-{inputs[:12]}", inputs, parents, started=started)
    if existing := draft.existing():
        return existing
    what = f"{found['decision']} a checkpoint"
    note(lake, use_case, "decision", what, by, decision=draft.id, checkpoint=found["checkpoint"])
    with draft.folder() as folder:
        (folder / FILE).write_text(
            json.dumps({**found, "decided_at": now()}, indent=1, ensure_ascii=False), encoding="utf-8"
        )
        write_pages(folder, draft, decision)
        return draft.publish(
            folder,
            counts={
                "rules": len(decision.rulings),
                "broken": sum(not r.passed for r in decision.rulings),
                "waived": len(found["waivers"]),
            },
            info={"decision": found["decision"], "checkpoint": found["checkpoint"], "says": says},
        )


def newest_decision(lake: Lake, use_case: NamedUseCase, checkpoint: str) -> ArtifactVersion | None:
    """The newest decision about a checkpoint."""
    decisions = lake.artifacts(use_case.name, STAGE)
    return next((one for one in decisions if lake.manifest(one).info["checkpoint"] == checkpoint), None)


def require_accepted(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion, today: date | None = None) -> None:
    """Returns if a checkpoint may be released on this decision: it says so, and the same rules say so again today.

    Raises:
        VersionRefused: it was refused, altered, or does not hold any more (evidence replaced, a waiver ended, records
            withdrawn).
    """
    lake.verify_artifact(decision)
    found = json.loads(lake.read_file(decision, FILE))
    if found.get("decision") != ACCEPTED:
        raise VersionRefused(f"{decision.id} refuses {found.get('checkpoint')}", f"See why: ft decide {use_case.name}")
    checkpoint = lake.artifact(use_case.name, CHECKPOINT, found["checkpoint"])
    if checkpoint is None:
        raise VersionRefused(
            f"{decision.id} accepts {found['checkpoint']}, which is no longer in the lake",
            f"Run: ft run {use_case.name}",
        )
    named = {
        item["stage"]: lake.artifact(use_case.name, item["stage"], item["id"], verify=False)
        for item in found["evidence"]
    }
    if (claim := found.get("claim", DECIDES)) != use_case.settings.gate.claim:
        raise VersionRefused(
            f"{decision.id} is about a model that {claim}, and gate.claim is {use_case.settings.gate.claim} now",
            f"Have it decided about anew: ft run {use_case.name} --select release_decision",
        )
    again = decide(lake, use_case, checkpoint, named, today)
    if not again.accepted:
        reasons = "; ".join(f"{ruling.rule}: {ruling.why}" for ruling in again.refusing)
        raise VersionRefused(f"{decision.id} no longer holds: {reasons}", f"Run: ft run {use_case.name}")


def require_newest(lake: Lake, use_case: NamedUseCase, decision: ArtifactVersion, checkpoint: str) -> None:
    """Returns if there is no newer decision about a checkpoint.

    Raises:
        VersionRefused: there is.
    """
    newest = newest_decision(lake, use_case, checkpoint)
    if newest and newest.id != decision.id:
        raise VersionRefused(
            f"{newest.id} is a newer decision about {checkpoint} than {decision.id}",
            f"Run: ft run {use_case.name} --select release_decision",
        )
