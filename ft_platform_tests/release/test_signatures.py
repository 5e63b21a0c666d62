"""A signature is one person's word, in a role they have, for one decision, its evidence and its model."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, DataError, VersionRefused
from ft_platform.lake.draft import Draft
from ft_platform.lake.releases import Release
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.people.person import STARTED_BY, KnownBy, Person, named
from ft_platform.people.started import KNOWN_BY, signed_tags, tags_of
from ft_platform.people.statements import FILE
from ft_platform.release import sign_off as states
from ft_platform.release.delegations import delegate
from ft_platform.release.separation import CHANGED, COMMIT, TRAINED, acted, commit_of, note_start, note_trainers
from ft_platform.release.sign_off import SignOff, require_signed, sign_off
from ft_platform.release.signatures import REJECTED, signatures
from ft_platform.release.signing import sign, withdraw
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.release.evidence_case import OWNERS, RENDERER, EvidenceCase, changed, difference

ANA, TOM, MARIA, BO = (f"{name}@example.org" for name in ("ana.ruiz", "tom.okafor", "maria.lind", "bo.lund"))
"""Fictitious persons: compliance, domain expert, accountable, nobody."""
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
REASON = "Too few records of the new region"


class Case(EvidenceCase):
    """An accepted decision that asks for signatures, of a checkpoint that Dana trained."""

    trainer = "dana@example.org"
    asked: tuple[str, ...] = ("compliance", "domain_expert")

    def decided(self) -> "Case":
        release = {"intended_use": "Routing of complaints.", "approvals": list(self.asked)}
        self.attributes = {"release": release, **self.attributes}
        self.publish()
        self.noted: list[Noted] = []
        if self.trainer:
            self.trained_by(self.trainer)
        self.decision = self.published_decision()
        return self

    def started_by(self, name: str, known_by: KnownBy = "openid") -> tuple[str, dict[str, str]]:
        """Id and tags of a run that the web server made for a person."""
        assert self.lake.signing
        return "run", signed_tags("run", tags_of(Person(name, known_by=known_by)), self.lake.signing.keys)

    def note(self, noted: Noted) -> None:
        self.noted.append(noted)

    @property
    def permissions(self) -> Permissions:
        return Permissions(self.people, {"complaints": self.use_case})

    def sign(self, person: str | Person, **words: Any) -> Any:
        who = person if isinstance(person, Person) else named(person)
        at = words.pop("at", NOW)
        return sign(self.lake, self.use_case, self.decision, who, self.permissions, self.note, at=at, **words)

    def take_back(self, statement: str, person: str, reason: str = REASON) -> None:
        withdraw(self.lake, self.use_case, statement, named(person), self.permissions, self.note, reason=reason)

    def delegate(self, person: str, to: str, until: date = NOW.date(), **words: Any) -> Any:
        checkpoint = self.versions["adapter_checkpoint"]
        who = (named(person), self.permissions, self.note)
        words = {"at": NOW, **words}
        return delegate(self.lake, self.use_case, checkpoint, *who, to=to, until=until, **words)

    def state(self, at: datetime = NOW) -> SignOff:
        return sign_off(self.lake, self.use_case, self.decision, self.permissions, at)

    def of(self, role: str, at: datetime = NOW) -> tuple[str, str]:
        """State of a role, and why it is not signed."""
        return next((one.state, one.why) for one in self.state(at).roles if one.role == role)

    def place(self, statement: str) -> Path:
        kind = statement.partition("-")[0]
        return Path(self.lake.path_of("shared", "complaints", kind, statement))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: {"dana@example.org"})
    return Case(tmp_path).decided()


def test_a_release_needs_every_role_that_is_asked_for(case: Case) -> None:
    assert case.of("compliance") == ("waiting", "has not signed")
    assert case.state().lacking == [
        f"compliance has not signed ({ANA} may sign)",
        f"domain_expert has not signed ({TOM} may sign)",
    ]
    case.sign("Ana.Ruiz@example.org")
    with pytest.raises(VersionRefused, match=r"domain_expert has not signed.*ft sign complaints --by"):
        require_signed(case.lake, case.use_case, case.decision, case.permissions)
    case.sign(TOM)
    found = require_signed(case.lake, case.use_case, case.decision, case.permissions)
    assert [(one.role, one.person, one.known_by) for one in found] == [
        ("compliance", ANA, "self-declared"),
        ("domain_expert", TOM, "self-declared"),
    ]


def test_somebody_without_the_role_signs_nothing(case: Case) -> None:
    for person in (BO, MARIA):
        with pytest.raises(ConfigError, match=r"does not have the role|only the"):
            case.sign(person)
    token = Person("token:ci", known_by="token", actions=frozenset({"approve"}))
    with pytest.raises(ConfigError, match="only a person may"):
        case.sign(token)
    with pytest.raises(ConfigError, match="not of accountable"):
        case.sign(MARIA, role="accountable")
    assert [one.kind for one in case.noted] == ["denial"] * 4 and not signatures(case.lake, case.use_case)


def test_a_role_of_the_installation_or_of_a_group_signs_as_long_as_it_is_given(case: Case) -> None:
    case.people = People(roles={"compliance": ["group:officers"]})
    case.sign(Person(BO, frozenset({"officers", "staff"}), "openid"))
    ((found, _),) = signatures(case.lake, case.use_case)
    assert (found.known_by, list(found.groups)) == ("openid", ["officers"])
    assert case.of("compliance")[0] == "signed"
    case.people = People()
    assert case.of("compliance") == ("does not count", f"has signed, but {BO} does not have this role any more")


def stale(case: Case) -> None:
    """A newer evaluation finds it worse."""
    case.figures["evaluation_report"]["differences"]["base_few_shot"]["macro_f1"] = difference(-0.2)
    case.add("evaluation_report", "-2")


def erased(case: Case) -> None:
    """It learned from records that were withdrawn since."""
    numbers = {"rows": 3, "reasons": {"consent_withdrawn": 3}}
    case.lake.add_verdict(case.versions["adapter_checkpoint"], NOT_TAINTED, False, "s", numbers)


def stricter(case: Case) -> None:
    """The rules ask for more now."""
    gate = case.use_case.settings.gate.model_copy(update={"max_calibration_error": 0.01})
    settings = case.use_case.settings.model_copy(update={"gate": gate})
    case.use_case = case.use_case.model_copy(update={"settings": settings})


ENDS = [stale, erased, stricter]
"""Ends an accepted decision."""


@pytest.mark.parametrize("ends", ENDS)
def test_a_decision_that_does_not_hold_any_more_is_not_signed(case: Case, ends: Callable[[Case], None]) -> None:
    ends(case)
    with pytest.raises(VersionRefused, match="release no longer accepted: "):
        case.sign(ANA)
    assert not signatures(case.lake, case.use_case)


def test_another_model_makes_a_signature_stale(case: Case) -> None:
    case.sign(ANA)
    (Path(case.versions["adapter_checkpoint"].uri) / "weights.json").write_text("damaged")
    training = {"training.json": {"renderer_hash": RENDERER}}
    case._publish("adapter_checkpoint", {**training, "weights.json": "trained again"}, "ckpt-weights")
    assert case.of("compliance") == ("stale", "signed on 2026-11-29, and since then another model has come")


def test_other_evidence_makes_a_signature_stale_and_is_named(case: Case) -> None:
    case.sign(ANA)
    case.figures = changed(case.figures, "privacy_report", ("rows",), 101)
    case.versions["privacy_report"] = case.add("privacy_report", "-again")
    assert case.of("compliance")[1].endswith("another evidence (privacy_report) has come")


def test_another_decision_makes_a_signature_stale(case: Case) -> None:
    case.sign(ANA)
    before = case.decision
    case.figures = changed(case.figures, "privacy_report", ("rows",), 101)
    case.versions["privacy_report"] = case.add("privacy_report", "-again")
    case.decision = case.published_decision()
    assert case.of("compliance")[1].endswith("another decision, evidence (privacy_report) has come")
    case.sign(ANA)
    assert case.of("compliance") == ("signed", "")
    case.decision = before
    with pytest.raises(VersionRefused, match="is a newer decision"):
        case.sign(TOM)


def test_a_decision_that_refuses_is_not_signed(case: Case) -> None:
    case.figures = changed(case.figures, "evaluation_report", ("differences", "majority", "macro_f1", "low"), -0.1)
    case.versions["evaluation_report"] = case.add("evaluation_report", "-worse")
    case.decision = case.published_decision()
    with pytest.raises(VersionRefused, match="release refused"):
        case.sign(ANA)


def test_a_signature_ends_after_the_days_of_the_policy(case: Case) -> None:
    case.sign(ANA)
    assert case.of("compliance", NOW + timedelta(days=365))[0] == "signed"
    assert case.of("compliance", NOW + timedelta(days=366))[0] == "expired"


def test_only_persons_who_signed_in_count_where_the_policy_says_so(case: Case) -> None:
    case.people = People(roles={"compliance": [ANA]})
    case.sign(ANA)
    asking = Policy(name="tests", signatures=Signatures(signed_in=True))
    case.use_case = case.use_case.model_copy(update={"policy": asking})
    state, why = case.of("compliance")
    assert state == "does not count" and "this one is self-declared" in why
    with pytest.raises(ConfigError, match="only persons who signed in count"):
        case.sign(ANA)
    case.sign(Person(ANA, known_by="openid"))
    assert case.of("compliance")[0] == "signed"


def test_once_persons_sign_in_the_file_names_no_compliance_officer(case: Case) -> None:
    asking = Policy(name="tests", signatures=Signatures(signed_in=True))
    case.use_case = case.use_case.model_copy(update={"policy": asking})
    with pytest.raises(ConfigError, match=r"nobody is named; name persons in people\.roles\.compliance"):
        case.sign(Person(ANA, known_by="openid"), role="compliance")
    assert case.state().roles[0].persons == []


def test_the_policy_asks_every_use_case_for_signatures_of_several_persons_with_reasons(tmp_path: Path) -> None:
    """The file of the use case asks for none."""
    signatures = Signatures(approvals=["compliance", "domain_expert"], persons=2, reasons=True)
    case = Case(tmp_path, policy=Policy(name="tests", signatures=signatures))
    case.asked = ()
    case.decided()
    case.committed_by("dana@example.org")
    with pytest.raises(ConfigError, match="reason must have at least 10 characters"):
        case.sign(ANA)
    case.sign(ANA, reason=REASON)
    assert case.state().lacking == [f"domain_expert has not signed ({TOM} may sign)"]
    case.sign(TOM, reason=REASON)
    assert case.state().lacking == []
    case.use_case = case.use_case.model_copy(
        update={"policy": Policy(name="tests", signatures=signatures.model_copy(update={"persons": 3}))}
    )
    assert case.state().lacking[0].startswith("a second person has to sign, since the policy asks for 3")


def test_a_rejection_stands_until_the_role_signs_a_later_decision(case: Case) -> None:
    with pytest.raises(ConfigError, match="reason must have"):
        case.sign(ANA, says=REJECTED, reason="no")
    (no,) = case.sign(ANA, says=REJECTED, reason=REASON)
    (role,) = (one for one in case.state().roles if one.role == "compliance")
    assert (role.state, role.why, role.reason) == ("rejected", f"rejected {case.decision.id} on 2026-11-29", REASON)
    with pytest.raises(ConfigError, match=f"take-back {no.id}"):
        case.sign(ANA)
    case.figures = changed(case.figures, "privacy_report", ("rows",), 101)
    case.versions["privacy_report"] = case.add("privacy_report", "-again")
    case.decision = case.published_decision()
    assert case.of("compliance")[0] == "rejected", "another decision alone does not lift it"
    case.sign(TOM)
    assert case.of("compliance")[0] == "rejected", "nor does another role"
    case.sign(ANA, at=NOW + timedelta(minutes=1))
    assert case.state().lacking == []


def test_a_rejection_is_taken_back_with_a_reason_by_somebody_with_the_role(case: Case) -> None:
    (no,) = case.sign(ANA, says=REJECTED, reason=REASON)
    with pytest.raises(ConfigError, match="does not have the role"):
        case.take_back(no.id, TOM)
    with pytest.raises(ConfigError, match="reason must have"):
        case.take_back(no.id, ANA, "")
    with pytest.raises(DataError, match="no signature signature-0"):
        case.take_back("signature-0", ANA)
    case.take_back(no.id, ANA)
    assert case.of("compliance")[0] == "waiting"
    with pytest.raises(DataError, match="was taken back"):
        case.take_back(no.id, ANA)
    case.sign(ANA)
    assert case.of("compliance")[0] == "signed"


def test_a_signature_that_was_taken_back_does_not_count(case: Case) -> None:
    (yes,) = case.sign(ANA)
    case.take_back(yes.id, ANA)
    assert case.of("compliance") == ("waiting", "has not signed")


def test_a_delegate_signs_until_the_last_day(case: Case) -> None:
    (given,) = case.delegate(ANA, "Bo.Lund@example.org", NOW.date() + timedelta(days=10))
    (signed,) = case.sign(BO, at=NOW + timedelta(days=10))
    assert (signed.role, signed.person, signed.delegation) == ("compliance", BO, given["id"])
    assert case.of("compliance", NOW + timedelta(days=100))[0] == "signed", "what was signed before the end stays"
    with pytest.raises(ConfigError, match="only the"):
        case.sign(BO, at=NOW + timedelta(days=11))


@pytest.mark.parametrize(
    ("who", "words", "problem"),
    [
        (ANA, {"until": NOW.date() + timedelta(days=91)}, "last day must be between"),
        (ANA, {"until": NOW.date() - timedelta(days=1)}, "last day must be between"),
        (ANA, {"to": "dana@example.org"}, "dana@example.org trained the checkpoint"),
        (ANA, {"to": ANA}, "somebody else"),
        (ANA, {"to": "Bo Lund"}, "e-mail address"),
        (TOM, {"roles": ["compliance"]}, "only an own role"),
        (BO, {}, "cannot delegate"),
    ],
)
def test_what_is_no_delegation(case: Case, who: str, words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        case.delegate(who, **{"to": BO, **words})


def test_a_delegation_is_not_given_further(case: Case) -> None:
    case.delegate(ANA, BO)
    with pytest.raises(ConfigError, match="only an own role"):
        case.delegate(BO, "eva@example.org")


def test_a_delegation_ends_when_it_is_taken_back_or_its_giver_loses_the_role(case: Case) -> None:
    (given,) = case.delegate(ANA, BO, NOW.date() + timedelta(days=80), at=datetime.now(UTC))
    case.sign(BO, at=datetime.now(UTC))
    case.take_back(given["id"], ANA)
    later = datetime.now(UTC) + timedelta(days=1)
    assert case.of("compliance", later)[0] == "signed", "what was signed before stays"
    with pytest.raises(ConfigError, match="only the"):
        case.sign(BO, at=later)
    owners = case.use_case.settings.owners.model_copy(update={"compliance": "eva@example.org"})
    settings = case.use_case.settings.model_copy(update={"owners": owners})
    case.use_case = case.use_case.model_copy(update={"settings": settings})
    assert case.of("compliance", later) == ("does not count", f"has signed, but {given['id']} was not in force")


def test_whoever_trained_the_model_or_changed_the_file_does_not_sign(tmp_path: Path, monkeypatch: Any) -> None:
    case = Case(tmp_path)
    case.trainer = ANA
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    case.decided()
    with pytest.raises(ConfigError, match=f"{ANA} trained the checkpoint, so somebody else"):
        case.sign(ANA)
    case.sign(ANA, says=REJECTED, reason=REASON)  # their own work may be rejected by anybody
    assert case.state().lacking[0].endswith("(nobody who is named may sign)")
    case.sign(TOM)
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: {TOM})
    assert case.of("domain_expert")[1].startswith(f"has signed, but {TOM} changed the file of the use case")


def test_two_persons_sign_where_nobody_knows_who_trained(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    owners = {**OWNERS, "compliance": "team:officers", "teams": {**OWNERS["teams"], "officers": [ANA, BO]}}
    case = Case(tmp_path, {"owners": owners})
    case.trainer, case.asked = "", ("compliance",)
    case.decided().sign(ANA)
    (lacking,) = case.state().lacking
    assert lacking == f"a second person has to sign, since nobody knows who trained the checkpoint ({BO} may)"
    case.sign(ANA, at=NOW + timedelta(minutes=1))
    assert case.state().lacking == [lacking], "the same person twice is one person"
    case.sign(BO)
    assert case.state().lacking == [] and len(case.state().signatures) == 3


def test_an_edited_signature_counts_for_nothing(case: Case) -> None:
    (signed,) = case.sign(ANA)
    file = case.place(signed.id) / FILE
    file.write_text(file.read_text().replace(ANA, TOM))
    with pytest.raises(CorruptVersion, match="does not match its manifest"):
        case.state()


def _stored(case: Case, said: dict[str, Any], name: str) -> ArtifactVersion:
    """A statement as a program stores it that can write to the lake, and signs its manifest, but has no key for what
    the statement says."""
    draft = Draft(case.lake, case.use_case, "signature", name, "0" * 64, [case.decision], "0" * 16)
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(said))
        return draft.publish(folder)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda said: {**said, "person": TOM, "role": "domain_expert"}, id="another person"),
        pytest.param(lambda said: {**said, "digests": {**said["digests"], "model": "0" * 64}}, id="another model"),
        pytest.param(lambda said: {**said, "decision": "decision-other"}, id="another decision"),
        pytest.param(lambda said: {**said, "signature": "AAAA"}, id="no signature"),
        pytest.param(lambda said: {**said, "key": "0" * 16}, id="an unknown key"),
        pytest.param(lambda said: {"person": TOM}, id="half a record"),
        pytest.param(lambda said: [said], id="no record"),
    ],
)
def test_a_forged_signature_is_refused_although_the_lake_around_it_is_signed(case: Case, forged: Any) -> None:
    (signed,) = case.sign(ANA)
    said = json.loads((case.place(signed.id) / FILE).read_text())
    _stored(case, forged(said), "signature-forged")
    with pytest.raises(CorruptVersion, match="signature-forged of complaints is not what this installation signed"):
        case.state()


def test_a_signature_that_is_copied_under_another_name_is_refused(case: Case) -> None:
    (signed,) = case.sign(ANA)
    _stored(case, json.loads((case.place(signed.id) / FILE).read_text()), "signature-copied")
    with pytest.raises(CorruptVersion, match="signature-copied"):
        case.state()


def test_a_signature_that_is_copied_to_another_decision_stays_one_for_the_first(case: Case) -> None:
    case.sign(ANA)
    case.figures = changed(case.figures, "privacy_report", ("rows",), 101)
    case.versions["privacy_report"] = case.add("privacy_report", "-again")
    case.decision = case.published_decision()
    ((signed, _),) = signatures(case.lake, case.use_case)
    assert signed.decision != case.decision.id and case.of("compliance")[0] == "stale"


def test_what_a_stolen_key_signed_since_counts_for_nothing(case: Case) -> None:
    case.sign(ANA)
    assert case.lake.signing
    keys = case.lake.signing.keys
    keys.report_stolen(keys.newest, "2026-01-01T00:00:00+00:00", {})  # type: ignore[attr-defined]
    with pytest.raises(VersionRefused, match="stolen"):
        case.state()


def test_an_approval_of_an_earlier_version_is_stale(case: Case) -> None:
    old = {"id": "approval-1", "decision": case.decision.id, "approved_by": ANA, "roles": ["compliance"]}
    draft = Draft(case.lake, case.use_case, "approval", "approval-1", "0" * 64, [case.decision], "0" * 16)
    with draft.folder() as folder:
        (folder / states.OLD_FILE).write_text(json.dumps(old))
        draft.publish(folder)
    state, why = case.of("compliance")
    assert state == "stale" and why == "gave approval-1 when approvals did not cover evidence and model yet"


def test_everything_is_noted_before_it_happens(case: Case) -> None:
    (signed,) = case.sign(ANA)
    case.delegate(ANA, BO)
    case.take_back(signed.id, ANA)
    case.sign(TOM, says=REJECTED, reason=REASON)
    assert [one.what for one in case.noted] == [
        "approved a decision",
        "delegated signing",
        "took back a signature",
        "rejected a decision",
    ]
    assert all(REASON not in str(one) for one in case.noted)

    def broken(noted: Noted) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        sign(case.lake, case.use_case, case.decision, named(ANA), case.permissions, broken)
    assert len(signatures(case.lake, case.use_case)) == 2


def _git(folder: Path, *words: str, who: str = ANA) -> None:
    person = ["-c", f"user.email={who}", "-c", "user.name=somebody"]
    subprocess.run(["git", "-C", str(folder), *person, *words], check=True, capture_output=True)


def test_git_says_who_changed_the_file_since_the_last_release(case: Case, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.undo()
    folder = tmp_path / "repository" / "complaints"
    folder.mkdir(parents=True)
    file, checkpoint = folder / "defs.yaml", case.versions["adapter_checkpoint"]
    case.use_case = case.use_case.model_copy(update={"path": file})

    def known() -> set[str] | None:
        return acted(case.lake, case.use_case, checkpoint)[CHANGED]

    def released(commit: str | None) -> None:
        record = {"checkpoint": {"id": "ckpt-weights"}, COMMIT: commit}
        monkeypatch.setattr(
            "ft_platform.release.separation.standing_releases",
            lambda *_: [Release(case.decision, record, None)],
        )

    file.write_text("a: 1")
    assert known() is None, "no repository"
    _git(folder, "init")
    assert known() is None, "nothing was committed"
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "first", who=BO)
    assert known() == {BO}, "ever, where nothing was released"
    first = commit_of(case.use_case)
    released(first)
    assert known() == set()
    file.write_text("a: 2")
    assert known() is None and commit_of(case.use_case) is None, "not committed"
    _git(folder, "commit", "-am", "second", "--date", "2001-01-01T00:00:00", who="Eva@example.org")
    assert known() == {"eva@example.org"}, "whatever date the commit has"
    (folder / "notes.txt").write_text("not of the use case")
    assert known() == {"eva@example.org"}
    (folder / "component.py").write_text("")
    assert known() is None, "code that was not committed"
    released(None)
    assert known() is None, "the release does not say its commit"
    released("0" * 40)
    assert known() is None, "a commit that is not there"


def test_the_trainer_is_noted_only_where_the_run_says_who_started_it(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.trainer = ""
    case.decided()
    _, of_bo = case.started_by(BO)

    def noted(*runs: tuple[str, dict[str, str]]) -> set[str] | None:
        checkpoint = case.checkpoint(f"weights {len(case.lake.artifacts('complaints', 'adapter_checkpoint'))}")
        for run in runs:
            note_start(case.lake, case.use_case, checkpoint.artifact_id, *run)
        note_trainers(case.lake, case.use_case, checkpoint)
        return acted(case.lake, case.use_case, checkpoint)[TRAINED]

    for run, tags in (
        ("run", {"ft/command": "ft run"}),
        ("run", {STARTED_BY: "root"}),
        ("run", {STARTED_BY: BO}),
        ("run", {STARTED_BY: BO, KNOWN_BY: "openid"}),
        ("another run", of_bo),
        ("run", {**of_bo, STARTED_BY: ANA}),
        ("run", {**of_bo, KNOWN_BY: of_bo[KNOWN_BY].replace("openid", "password")}),
        case.started_by("token:ci", "token"),
    ):
        assert noted((run, tags)) is None
        assert noted((run, tags), ("run", of_bo)) is None, "somebody else began it, and nobody knows who"
    assert noted(("run", of_bo)) == {BO}
    assert noted() is None


def test_who_started_a_training_that_somebody_else_resumed_does_not_approve_it(tmp_path: Path) -> None:
    """Maria starts it, it is stopped, and Dana's run finishes it."""
    case = Case(tmp_path)
    case.trainer = ""
    case.asked = ("accountable",)
    case.decided()
    case.committed_by("dana@example.org")
    checkpoint = case.versions["adapter_checkpoint"]
    note_start(case.lake, case.use_case, checkpoint.artifact_id, *case.started_by(MARIA))
    case.trained_by("dana@example.org")
    assert acted(case.lake, case.use_case, checkpoint)[TRAINED] == {MARIA, "dana@example.org"}
    with pytest.raises(ConfigError, match=f"{MARIA} trained the checkpoint"):
        case.sign(MARIA)
