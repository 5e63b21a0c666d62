"""What people and programs do is in the audit log before it is done, and is not done where it cannot be noted. Persons
are fictitious."""

import json
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from ft_platform.definitions import defs
from ft_platform.errors import CorruptVersion
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import releases
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.traffic.shipping import forget_subject
from ft_platform.orchestration.audit_log import note_files
from ft_platform.people.audit_log import changes
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.may import Permissions
from ft_platform.people.person import STARTED_BY, Person, at_this_machine, named
from ft_platform.people.started import KNOWN_BY, NOT_SHOWN, signed_tags, tags_of
from ft_platform.privacy.vault import Vault, VaultKeys
from ft_platform.redaction.instance import guard
from ft_platform.redaction.run_notes import note_runs
from ft_platform.release import waivers
from ft_platform.release.releasing import release, roll_back, withdraw
from ft_platform.release.signatures import signatures
from ft_platform.release.signing import sign
from ft_platform.release.signing import withdraw as take_back
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.privacy.test_vault import RING, sealed
from ft_platform_tests.release.evidence_case import RENDERER, EvidenceCase, changed, gap, good_figures

ANA = "ana.ruiz@example.org"
TODAY = date(2026, 3, 1)
REASON = "Few records of this region; watched every month."
TRAINING = {
    "renderer_hash": RENDERER,
    "labels": ["card", "loan"],
    "base_model": {"uri": "base", "sha256": "0" * 64},
    "training": {"objective": "label_head"},
}


class Case(EvidenceCase):
    """Evidence about a checkpoint that can be released."""

    def checkpoint(self, content: str = "weights") -> ArtifactVersion:
        files = {"training.json": TRAINING, "weights.json": content}
        return self._publish("adapter_checkpoint", files, f"ckpt-{content}")

    @property
    def log(self) -> AuditLog:
        return AuditLog(self.lake)

    def said(self) -> list[tuple[str, str, str | None]]:
        return [(one.kind, one.what, one.person) for one in self.log.entries(1)]

    def breaks_its_log(self) -> None:
        """As somebody who cuts off the newest entry."""
        note(self.lake, "complaints", "login", "signed in")
        log = self.log
        file = Path(log.files.segment(log.files.segments()[-1]))
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    made = Case(tmp_path, figures=figures)
    made.publish()
    return made


def granted(case: Case) -> Any:
    rulings = {one.rule: one for one in case.decide(today=TODAY).rulings}
    words = {"granted_by": ANA, "reason": REASON, "until": TODAY + timedelta(days=30), "today": TODAY}
    return waivers.grant(
        case.lake, case.use_case, case.versions["adapter_checkpoint"], rulings["fairness/region"], **words
    )


def released(case: Case) -> ArtifactVersion:
    evidence = {"sha256": "e" * 64, "files": {}, "missing": []}
    decision, checkpoint = case.published_decision(), case.versions["adapter_checkpoint"]
    return release(case.lake, case.use_case, decision, checkpoint, lambda _: evidence, by=ANA)


def test_a_waiver_and_its_end_are_noted_with_who_and_why(case):
    waiver = granted(case)
    waivers.revoke(case.lake, case.use_case, waiver.id, revoked_by=ANA, reason="The gap has grown.")
    assert case.said() == [("waiver", "granted a waiver", ANA), ("waiver", "revoked a waiver", ANA)]
    first, second = case.log.entries(1)
    assert first.use_case == "complaints" and first.details == {
        "waiver": waiver.id,
        "rule": "fairness/region",
        "checkpoint": "ckpt-weights",
        "until": "2026-03-31",
        "reason": REASON,
    }
    assert second.details == {"waiver": waiver.id, "reason": "The gap has grown."}


TOM = "tom.okafor@example.org"
ASKING = {"release": {"intended_use": "Routing of complaints.", "approvals": ["compliance", "domain_expert"]}}


def signed(case: Case, by: str) -> Any:
    permissions = Permissions(use_cases={"complaints": case.use_case})
    return sign(case.lake, case.use_case, case.published_decision(), named(by), permissions, case.log)


def test_decision_signatures_release_and_withdrawal_are_noted_once_each(tmp_path):
    pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
    case = Case(tmp_path, attributes=ASKING)
    case.publish()
    (first,) = signed(case, ANA)
    permissions, reason = Permissions(use_cases={"complaints": case.use_case}), "The gap has grown."
    take_back(case.lake, case.use_case, first.id, named(ANA), permissions, case.log, reason=reason)
    signed(case, ANA)
    signed(case, TOM)
    made = released(case)
    assert released(case) == made, "nothing new happened"
    withdraw(case.lake, case.use_case, made.artifact_id, reason="Wrong answers since Monday", by="Bo@example.org")
    machine = at_this_machine().name
    assert case.said() == [
        ("decision", "accepted a checkpoint", machine),
        ("signature", "approved a decision", ANA),
        ("signature", "took back a signature", ANA),
        ("signature", "approved a decision", ANA),
        ("signature", "approved a decision", TOM),
        ("release", "released", ANA),
        ("release", "withdrew a release", "bo@example.org"),
    ]
    assert verify(case.log).ok


def test_a_rollback_is_noted_as_one(tmp_path):
    pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
    case = Case(tmp_path)
    case.publish()
    released(case)
    case.versions["adapter_checkpoint"] = case.checkpoint("next")
    from ft_platform.evaluation.champion import champion

    best = champion(case.lake, "complaints", beside=case.versions["adapter_checkpoint"])
    named = {"checkpoint": best.artifact_id if best else None}
    case.figures = changed(case.figures, "evaluation_report", ("info",), {"champion": named})
    case.figures = changed(case.figures, "regression_report", ("champion",), named)
    for stage in list(case.versions):
        if stage not in ("splits", "adapter_checkpoint"):
            case.versions[stage] = case.add(stage, "-next")
    released(case)
    roll_back(case.lake, case.use_case, reason="Wrong answers since Monday", by=ANA)
    assert case.said()[-1] == ("release", "rolled back", ANA)


def looked_up(case: Case) -> object:
    sealed(case.lake, case.home / "work", [("<PERSON_aaaaaaaa>", "Mirela Okonjo")])
    return Vault(case.lake, "complaints").read("<PERSON_aaaaaaaa>", VaultKeys(RING), "case 4711")


def test_a_look_into_the_vault_is_noted_without_what_it_showed(case):
    assert looked_up(case) == ["Mirela Okonjo"]
    (entry,) = case.log.entries(1)
    assert (entry.kind, entry.use_case) == ("look_up", "complaints")
    assert entry.details == {"pseudonym": "<PERSON_aaaaaaaa>", "reason": "case 4711", "outcome": "1 found"}


def test_requests_of_a_person_are_noted_before_they_are_deleted(case):
    forget_subject(case.lake, case.home / "spool.sqlite", "complaints", "subject_k3f9q2ab")
    assert case.said() == [("erasure", "deleted the requests of a person", at_this_machine().name)]
    assert "subject_k3f9q2ab" not in "".join(
        path.read_text() for path in Path(case.log.files.folder, "entries").iterdir()
    )


REFUSED: dict[str, tuple[Callable[[Case], object], Callable[[Case], object]]] = {
    "decision": (Case.published_decision, lambda case: case.lake.artifacts("complaints", "release_decision")),
    "waiver": (granted, lambda case: waivers.waivers(case.lake, case.use_case)),
    "look_up": (looked_up, lambda case: Vault(case.lake, "complaints").notes()),
    "erasure": (
        lambda case: forget_subject(case.lake, case.home / "spool.sqlite", "complaints", "subject_k3f9q2ab"),
        lambda case: [],
    ),
}
"""What is tried -> what there would be of it."""


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_noted_does_not_happen(case, what):
    act, left = REFUSED[what]
    case.breaks_its_log()
    with pytest.raises(CorruptVersion, match="nothing that has to be noted happens"):
        act(case)
    assert not left(case)


def withdrawn(case: Case) -> object:
    made = releases(case.lake, "complaints")[0]
    return withdraw(case.lake, case.use_case, made.id, reason="Wrong answers since Monday")


@pytest.mark.parametrize("act", [lambda case: signed(case, ANA), released, withdrawn])
def test_nothing_is_signed_released_or_withdrawn_that_cannot_be_noted(tmp_path, act):
    pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
    case = Case(tmp_path, attributes=ASKING if act not in (released, withdrawn) else {})
    case.publish().published_decision()
    before = [released(case)] if act == withdrawn else []
    case.breaks_its_log()
    with pytest.raises(CorruptVersion, match="nothing that has to be noted happens"):
        act(case)
    assert signatures(case.lake, case.use_case) == []
    assert [(one.version, one.withdrawn) for one in releases(case.lake, "complaints")] == [
        (one, None) for one in before
    ]


# Runs


MADE: list[str] = []


@dg.asset(key=["complaints", "raw_records"])
def raw_records() -> None:
    MADE.append("raw_records")


JOB = dg.Definitions(assets=[raw_records]).resolve_implicit_global_asset_job_def()


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Environment(home=tmp_path / "home", defs=tmp_path / "defs")
    write_use_case(made.defs, "complaints", minimal_attributes("x.csv"))
    made.dagster_home.mkdir(parents=True)
    return made


def entries(environment: Environment) -> list[Any]:
    return list(AuditLog(open_lake(environment)).entries(1))


def test_a_run_is_noted_before_its_first_step_with_who_started_it(installation):
    with dg.DagsterInstance.local_temp(str(installation.dagster_home)) as instance:
        note_runs(guard(instance), lambda: installation)
        run = JOB.execute_in_process(instance=instance, asset_selection=[raw_records.key], tags={STARTED_BY: ANA})
        assert JOB.execute_in_process(instance=instance).success
        file, first, second = entries(installation)
    assert (file.what, file.use_case) == ("saw a file of settings", "complaints")
    assert (first.kind, first.what, first.person, first.use_case) == ("run", "started a run", ANA, "complaints")
    about = {"run": run.run_id, "job": "__ASSET_JOB", "assets": "complaints/raw_records", "person": NOT_SHOWN}
    assert first.details == about
    assert second.person == at_this_machine().name


@pytest.mark.parametrize(
    ("change", "known_by"),
    [
        ({}, "openid"),
        ({STARTED_BY: "tom.okafor@example.org"}, "self-declared"),
        ({KNOWN_BY: "openid"}, "self-declared"),
        ({KNOWN_BY: "openid AAAA"}, "self-declared"),
        ({KNOWN_BY: "openid not base64"}, "self-declared"),
    ],
    ids=["as it was made", "another name", "no signature", "another signature", "none at all"],
)
def test_a_name_that_somebody_typed_is_noted_as_that(installation, change, known_by):
    keys, run_id = signing_keys_of(installation), make_new_run_id()
    tags = signed_tags(run_id, tags_of(Person(ANA, known_by="openid")), keys) | change
    with dg.DagsterInstance.local_temp(str(installation.dagster_home)) as instance:
        note_runs(guard(instance), lambda: installation)
        JOB.execute_in_process(instance=instance, tags=tags, run_id=run_id)
        JOB.execute_in_process(instance=instance, tags=tags)
        first, copied = entries(installation)
    assert (first.person, first.known_by) == (tags[STARTED_BY], known_by)
    assert first.details.get("person") == (None if known_by == "openid" else NOT_SHOWN)
    assert (copied.known_by, copied.details["person"]) == ("self-declared", NOT_SHOWN), "of another run"


def test_a_run_that_cannot_be_noted_makes_nothing(installation):
    with dg.DagsterInstance.local_temp(str(installation.dagster_home)) as instance:
        note_runs(guard(instance), lambda: installation)
        JOB.execute_in_process(instance=instance)
        (AuditLog(open_lake(installation)).home / "head.json").unlink()
        MADE.clear()
        with pytest.raises(CorruptVersion, match="folder of seals"):
            JOB.execute_in_process(instance=instance)
        assert MADE == []
        assert [run.is_success for run in instance.get_runs()] == [False, True]


def test_runs_of_another_instance_are_none_of_this_installation(installation, tmp_path):
    (tmp_path / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "other")) as instance:
        note_runs(guard(instance), lambda: installation)
        JOB.execute_in_process(instance=instance)
    assert entries(installation) == []


# Files of settings


def test_a_changed_use_case_is_noted_with_a_diff_that_names_no_person(installation):
    note_files(installation)
    (first,) = entries(installation)
    assert (first.what, set(first.details)) == (
        "saw a file of settings",
        {"file", "sha256", "person", "changed_by"},
    )
    note_files(installation)
    assert len(entries(installation)) == 1
    attributes = minimal_attributes("x.csv")
    attributes["training"] = {"recipe": "auto", "epochs": 3}
    attributes["owners"] = {"accountable": "team:complaints", "compliance": ANA}
    attributes["task"]["instruction"] = "Ask Mirela Okonjo. One of: {labels}."
    attributes["source"] = {"uri": "s3://key:not-a-real-secret@bucket/x.csv"}
    file = write_use_case(installation.defs, "complaints", attributes)
    note_files(installation)
    second = entries(installation)[1]
    assert (second.kind, second.what, second.use_case) == ("settings", "settings changed", "complaints")
    told = dict(second.details)
    assert told.pop("sha256") != first.details["sha256"] and told == {
        "file": "defs.yaml",
        "person": "worked with the file first, as it is now",
        "changed_by": "nobody knows: git does not say",
        "training.recipe": "manual -> auto",
        "training.epochs": "not set -> 3",
        "owners.compliance": "added",
        "task.instruction": "changed",
        "source.uri": "changed",
    }
    known = (AuditLog(open_lake(installation)).home / "files.json").read_text()
    for secret in (ANA, "Mirela", "not-a-real-secret"):
        assert secret not in json.dumps(second.to_dict()) + known
    file.unlink()
    note_files(installation)
    assert [one.what for one in entries(installation)] == [
        "saw a file of settings",
        "settings changed",
        "settings removed",
    ]
    note_files(installation)
    assert len(entries(installation)) == 3


def test_git_names_who_changed_a_file_that_is_as_it_was_committed(installation):
    file = write_use_case(installation.defs, "complaints", minimal_attributes("y.csv"))

    def git(*words: str, who: str = "eva@example.org") -> None:
        person = ["-c", f"user.email={who}", "-c", "user.name=x"]
        subprocess.run(["git", "-C", str(file.parent), *person, *words], check=True, capture_output=True)

    def noted_now() -> dict[str, str]:
        note_files(installation)
        return {
            name: text for name, text in entries(installation)[-1].details.items() if name in ("changed_by", "commit")
        }

    git("init")
    assert noted_now() == {"changed_by": changes.NOBODY_KNOWS}, "it is not committed"
    file.write_text(f"{file.read_text()}\n")
    git("add", ".")
    git("commit", "-m", "first", who="Eva@Example.org")
    told = noted_now()
    assert told["changed_by"] == "eva@example.org" and len(told["commit"]) >= 7
    file.write_text(f"{file.read_text()}\n")
    assert noted_now() == {"changed_by": changes.NOBODY_KNOWS}, "it is not what was committed"
    git("commit", "-am", "second", who="tom.okafor@example.org")
    file.write_text(f"{file.read_text()}\n")
    git("commit", "-am", "third", who=ANA)
    assert noted_now()["changed_by"] == ANA


def test_where_a_changed_file_cannot_be_noted_the_location_loads_and_every_run_is_refused(
    installation, monkeypatch, capsys
):
    for name, value in installation.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FT_TRACKING_URI", "none")
    note_files(installation)
    (AuditLog(open_lake(installation)).home / "head.json").unlink()
    write_use_case(installation.defs, "complaints", minimal_attributes("y.csv"))
    loaded = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    assert "complaints/raw_records" in loaded
    said = loaded["audit_log/cannot_be_written"].description
    assert said and "every run is refused" in said and "ft audit-log verify" in said
    with dg.DagsterInstance.local_temp(str(installation.dagster_home)) as instance:
        note_runs(guard(instance), lambda: installation)
        MADE.clear()
        with pytest.raises(CorruptVersion, match="nothing that has to be noted happens"):
            JOB.execute_in_process(instance=instance)
    assert MADE == []


def test_rules_that_were_changed_for_a_moment_leave_a_trace_with_what_was_done_under_them(case, tmp_path):
    """Nothing loads the graph in between."""
    file = write_use_case(tmp_path / "defs", "complaints", minimal_attributes("x.csv"))
    case.use_case = case.use_case.model_copy(update={"path": file})
    before = file.read_text()
    note(case.lake, case.use_case, "login", "signed in")
    file.write_text(before.replace("min_characters: 5", "min_characters: 1"))
    granted(case)
    file.write_text(before)
    note(case.lake, case.use_case, "login", "signed in")
    assert [what for _, what, _ in case.said()] == [
        "saw a file of settings",
        "signed in",
        "settings changed",
        "granted a waiver",
        "settings changed",
        "signed in",
    ]
    assert next(iter(case.log.entries(3))).details["cleaning.min_characters"] == "5 -> 1"


def test_settings_of_the_installation_are_noted_without_their_texts(installation, monkeypatch, tmp_path):
    file = tmp_path / "ft_environment.yaml"
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    file.write_text("budgets: {per_month: 100.0}\npeople: {roles: {auditor: [otto@example.org]}}\n")
    note_files(installation)
    file.write_text("budgets: {per_month: 900.0}\npeople: {roles: {auditor: [eva@example.org]}}\n")
    note_files(installation)
    entry = entries(installation)[-1]
    assert entry.use_case == "" and entry.details["budgets.per_month"] == "100.0 -> 900.0"
    assert entry.details["people.roles.auditor[0]"] == "changed"
    file.write_text("budgets: [\n")
    note_files(installation)
    broken = entries(installation)[-1].details
    assert broken["problem"] == "the file cannot be read" and set(broken) == {
        "file",
        "sha256",
        "person",
        "changed_by",
        "problem",
    }
    file.write_text("budgets: {per_month: 800.0}\n")
    note_files(installation)
    assert entries(installation)[-1].details["budgets.per_month"] == "900.0 -> 800.0"


def test_a_long_diff_is_counted_and_numbers_of_persons_are_not_shown():
    after = {f"field_{number:03d}": "1" for number in range(300)}
    noted = changes._noted("complaints", {"values": {}}, {"path": "defs.yaml", "sha256": "0", "values": after})
    assert len(noted.details) == changes.MOST_FIELDS + 5 and noted.details["and more fields"] == "100"
    assert changes._shown(491701234567, "phone").startswith(changes.HIDDEN)
    assert changes._shown("sft", "training.objective") == "sft"
    assert changes._shown("ana", "training.objective").startswith(changes.HIDDEN)
