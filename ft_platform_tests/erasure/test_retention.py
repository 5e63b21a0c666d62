"""`ft retention delete`: what is beyond its period is gone from every version, and the rest verifies. Persons are
fictitious."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform import cli
from ft_platform.erasure import case_file, retention_versions
from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import ask, decide
from ft_platform.erasure.retention import delete_due
from ft_platform.erasure.retention_plan import plan_of
from ft_platform.errors import SourceError, TransientError
from ft_platform.evaluation.review.judgements import Judgements
from ft_platform.governance.retention import standing_holds
from ft_platform.lake.inspection import inspect
from ft_platform.lake.keys.key_ring import vault_key_place
from ft_platform.lake.opening import open_lake
from ft_platform.lake.taint import taint_of
from ft_platform.monitoring.traffic.shipping import ship, spool_path, tidy
from ft_platform.monitoring.traffic.spool import Spool
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.people.statements import state
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.privacy.vault import Vault, VaultKeys, VaultWriter, new_vault_ring, write_public_key
from ft_platform.release import signatures
from ft_platform.release.releasing import withdraw
from ft_platform.use_case.settings.ceilings import beyond
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import bytes_below
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.governance.house import House, rows, today

ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
OWNERS = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}
OVER, PLANTED = "Zebulon Quartermain", "fictitious complaint number 1"
"""The person and the text of the row that is due."""


def made(environment: Environment, ledger: bool = False, **retention: object) -> House:
    """The use case `letters`, with these periods."""
    house = House(environment, ledger=ledger, expires=True, name="letters")
    house.attributes |= {"owners": OWNERS, "retention": retention}
    write_use_case(environment.defs, "letters", house.attributes)
    return house


def ended(house: House) -> None:
    """Two versions of each table with a row whose last day is tomorrow, two checkpoints, and a report."""
    house.write(rows(4, person={1: OVER}, expires={1: today(1)}))
    house.build(leave_out=["1"], checkpoint="ckpt-of-others")
    house.write(rows(6, person={1: OVER}, expires={1: today(1)}))
    house.build(checkpoint="ckpt-with")
    splits = house.lake.latest(house.name, "splits")
    ids = house.lake.read_table(splits, ["record_id"])["record_id"].to_pylist()
    with house.lake.scratch(house.name, "evaluation_report") as folder:
        folder.mkdir()
        pq.write_table(pa.table({"record_id": [*ids, *ids]}), folder / "predictions.parquet")
        house.lake.publish(
            house.name, "evaluation_report", "eval-a", folder, parents=[splits], settings_hash="s", input_hash="i"
        )


def ft(capsys: pytest.CaptureFixture, *words: str, fails: int = 0) -> str:
    code = cli.main(["retention", *words])
    printed = capsys.readouterr()
    assert code == fails, printed.err
    assert "Zebulon" not in printed.out + printed.err and "complaint number" not in printed.out + printed.err
    return printed.err if fails else printed.out


@pytest.fixture
def house(installation: Environment, quick_stages: None) -> House:  # noqa: F811
    found = made(installation, expired_days=0)
    ended(found)
    return found


def later(days: int = 2) -> date:
    """In two days the last day of the row is over."""
    return datetime.now(UTC).date() + timedelta(days)


def deleted(house: House, days: int = 2, **more: object) -> dict | None:
    return delete_due(open_lake(house.environment), house.environment, house.case, named(ANA), later(days), **more)


def without_retention(house: House) -> House:
    house.attributes["retention"] = {}
    return house


def test_a_row_whose_period_is_over_is_gone_from_every_version_and_the_rest_verifies(house):
    assert bytes_below(house.environment.home, PLANTED) > 0
    report = deleted(house)
    assert report["records"] == {"expired": 1} and report["rows"] == 6
    assert bytes_below(house.environment.home, PLANTED) == bytes_below(house.environment.home, OVER) == 0
    lake = open_lake(house.environment)
    assert inspect(lake, "letters").problems == []
    assert lake.latest("letters", "raw_records").rows == 5
    assert not list(house.environment.home.rglob("retention-*"))
    said = [one.what for one in AuditLog(lake).entries() if one.kind == "erasure"]
    assert said[-2:] == ["deletes what is beyond its period", "deleted what was beyond its period"]


def test_what_learned_from_the_rows_is_refused_for_good_and_what_did_not_is_not(house):
    from ft_platform.governance.taint import sweep, tainted_now

    report = deleted(house)
    assert report["checkpoints"] == [{"checkpoint": "ckpt-with", "rows": 1}]
    assert report["reports"] == [{"report": "eval-a", "rows": 2}]
    sweep(house.lake, house.case)
    lake = open_lake(house.environment)
    assert tainted_now(lake, "letters") == [], "no table holds the row any more"
    mark = taint_of(lake, lake.artifact("letters", "adapter_checkpoint", "ckpt-with"))
    assert mark is not None and mark.numbers["reasons"] == {"deleted": 1}
    assert taint_of(lake, lake.artifact("letters", "adapter_checkpoint", "ckpt-of-others")) is None


def test_nothing_is_deleted_before_its_day_or_where_nobody_asked_for_it(house):
    assert deleted(house, 1) is None, "the last day counts"
    assert deleted(without_retention(house)) is None
    house.attributes["retention"] = {"expired_days": 7}
    assert deleted(house, 8) is None and deleted(house, 9)["records"] == {"expired": 1}


def test_a_policy_makes_a_period_binding(house):
    policy = Policy(name="acme", at_most={"retention.expired_days": 30})
    assert [one.text for one in beyond(house.case.settings, policy)] == []
    house.attributes["retention"] = {}
    found = [one.text for one in beyond(house.case.settings, policy)]
    assert len(found) == 1 and "retention.expired_days must be at most 30" in found[0]


def test_a_period_that_could_never_end_is_an_error(house):
    del house.attributes["record"]["expires"]
    with pytest.raises(ValueError, match="expired_days` needs `record"):
        house.case  # noqa: B018
    house.attributes |= {"retention": {"withdrawn": True}}
    house.attributes["record"].pop("consent")
    house.attributes["governance"] |= {"without_consent_column": "licence", "licence": "CC-BY-4.0"}
    with pytest.raises(ValueError, match="withdrawn` needs `record"):
        house.case  # noqa: B018


def test_a_withdrawal_deletes_where_the_policy_says_so(installation, quick_stages):  # noqa: F811
    house = made(installation, ledger=True, withdrawn=True)
    house.write(rows(6, person={1: OVER}))
    ledger = {f"p{n}": "yes" for n in range(6)}
    house.write_ledger(**ledger, **{OVER: "yes"})
    house.build()
    house.write_ledger(**ledger, **{OVER: "withdrawn"})
    assert deleted(without_retention(house), 0) is None
    house.attributes["retention"] = {"withdrawn": True}
    assert deleted(house, 0)["records"] == {"consent_withdrawn": 1}
    assert bytes_below(installation.home, PLANTED) == bytes_below(installation.home, OVER) == 0
    assert inspect(open_lake(installation), "letters").problems == []


def test_older_rows_of_a_changed_record_go_with_its_newest(installation, quick_stages):  # noqa: F811
    house = made(installation, expired_days=0)
    lines = rows(6, expires={1: today(90)})
    house.write(lines)
    house.build()
    lines[1] |= {"text": "another fictitious text", "expires": today(1)}
    house.write(lines)
    house.build()
    assert deleted(house, confirmed=True)["records"] == {"expired": 2}
    assert bytes_below(installation.home, PLANTED) == bytes_below(installation.home, "another fictitious text") == 0


def test_a_source_that_still_has_the_row_does_not_bring_it_back(installation, quick_stages):  # noqa: F811
    house = without_retention(made(installation))
    house.write(rows(6, expires={1: today(-1)}))
    house.build()
    house.attributes["retention"] = {"expired_days": 0}
    report = deleted(house, 0)
    assert report["rows_by_table"] == {"restricted/permitted_records_removed": 1, "restricted/raw_records": 1}
    house.write(rows(8, expires={1: today(-1)}))
    house.build()
    raw = house.lake.latest("letters", "raw_records")
    funnel = house.lake.manifest(raw).counts["funnel"]
    assert raw.rows == 7 and funnel["removed"] == {"expired": 1} and funnel["rows_in"] == 8
    assert bytes_below(installation.home, PLANTED) == 0
    assert inspect(open_lake(installation), "letters").problems == []


def test_many_rows_at_once_need_the_word_of_a_compliance_officer(installation, quick_stages, capsys):  # noqa: F811
    house = without_retention(made(installation))
    house.write(rows(6, expires={1: today(-1), 2: today(-1)}))
    house.build()
    house.attributes["retention"] = {"expired_days": 0}
    write_use_case(installation.defs, "letters", house.attributes)
    assert "33% of the rows: a compliance officer has to add --confirm" in ft(capsys, "delete", "--dry-run")
    assert "more than retention.max_share" in ft(capsys, "delete", "letters", fails=1)
    assert bytes_below(installation.home, PLANTED) > 0
    assert "compliance officer" in ft(capsys, "delete", "--confirm", "--by", "eve@example.org", fails=1)
    ft(capsys, "delete", "--confirm", "--by", BO)
    assert bytes_below(installation.home, PLANTED) == 0


def test_a_legal_hold_keeps_everything_until_it_is_lifted(house, capsys):
    reason = ("--reason", "Case 12/345 before the court")
    assert "compliance officer" in ft(capsys, "hold", "letters", *reason, "--by", "eve@example.org", fails=1)
    held = json.loads(ft(capsys, "hold", "letters", *reason, "--by", BO, "--json"))["use_cases"][0]["holds"][0]["id"]
    assert deleted(house) is None
    assert held in ft(capsys, "delete", "--day", today(2), "--dry-run")
    ft(capsys, "lift", "letters", held, "--reason", "The case is closed", "--by", BO)
    assert "lifted on" in ft(capsys, "list") and deleted(house)["rows"] == 6
    said = [one.what for one in AuditLog(house.lake).entries()]
    assert "put a legal hold on records" in said and "lifted a legal hold" in said


def test_a_plan_says_what_why_and_what_stays_and_changes_nothing(house, capsys):
    before = bytes_below(house.environment.home, PLANTED)
    shown = ft(capsys, "delete", "letters", "--day", today(2), "--dry-run")
    assert "6 rows would be deleted, expired 1" in shown and "ckpt-with" in shown and "ckpt-of-others" not in shown
    found = json.loads(ft(capsys, "delete", "--day", today(2), "--dry-run", "--json"))["deletions"][0]
    assert found["set_by"]["compliance"] == "team:privacy" and found["needs_confirmation"] is False
    assert "is in the future" in ft(capsys, "delete", "--day", today(2), fails=1)
    assert "nothing is beyond its period" in ft(capsys, "delete")
    assert bytes_below(house.environment.home, PLANTED) == before


def test_a_report_is_signed_and_shown(house, capsys):
    report = deleted(house)
    assert report["id"] in ft(capsys, "list", "letters")
    shown = json.loads(ft(capsys, "show", "letters", report["id"]))
    assert shown["rows"] == 6 and shown["settings"]["expired_days"] == 0 and shown["person"] == ANA
    assert "weights of quarantined checkpoints" in [one["what"] for one in shown["remains"]]
    file = Path(house.lake.path_of("shared", "letters", "retention_report", report["id"], "statement.json"))
    file.write_text(file.read_text().replace('"rows": 6', '"rows": 5'))
    assert report["id"] in ft(capsys, "show", "letters", report["id"], fails=1)


def test_old_versions_go_but_none_that_something_rests_on(house, capsys):
    house.attributes["retention"] = {"versions_days": 30}
    write_use_case(house.environment.defs, "letters", house.attributes)
    report = deleted(house, 40)
    gone, kept = {one["version"] for one in report["versions"]}, {one["version"] for one in report["kept"]}
    assert {"permitted_records@0", "splits@0"} <= gone and not gone & kept
    assert {one["checkpoint"] for one in report["checkpoints"]} == {"ckpt-of-others"}
    lake = open_lake(house.environment)
    assert inspect(lake, "letters").problems == []
    newest = lake.latest("letters", "permitted_records")
    assert newest.rows == len(lake.read_table(newest)) == 6, "the newest version is whole"
    old = next(one for one in lake.manifests("letters", "splits") if one.version == 0)
    assert old.rows == 3 and taint_of(lake, lake.artifact("letters", "adapter_checkpoint", "ckpt-of-others"))
    assert deleted(house, 40) is None, "once"


def test_a_version_behind_a_release_or_a_signature_stays_whole(house):
    first = house.lake.artifact("letters", "adapter_checkpoint", "ckpt-of-others")
    release = released(house.lake, first)
    house.attributes["retention"] = {"versions_days": 30}
    plan, _ = plan_of(house.lake, house.case, later(40))
    assert {"version": "splits@0", "why": release.id} in plan.kept
    assert not [one for one in plan.versions if one["version"] == "splits@0"]
    withdraw(house.lake, house.case, release.id, reason="Wrong answers since Monday")
    said = state(house.lake, house.case, retention_versions.SIGNATURE, {"says": "approved", "at": "now"}, [first])
    plan, _ = plan_of(house.lake, house.case, later(40))
    assert {"version": "splits@0", "why": said["id"]} in plan.kept
    assert retention_versions.SIGNATURE == signatures.SIGNATURE


def test_records_that_stay_in_quarantine_go_after_their_period(house):
    raw = house.lake.latest("letters", "raw_records")
    record = next(one["record_id"] for one in house.lake.read_table(raw).to_pylist() if one["source_key"] == "2")
    table = pa.table({"record_id": [record], "expectation": ["is_short"]})
    house.lake.write_table(
        "letters", "quarantined_records", table.to_batches(), table.schema, zone="restricted", input_hash="q"
    )
    house.attributes["retention"] = {"quarantined_days": 30}
    assert deleted(house, 29) is None
    assert deleted(house, 30)["records"] == {"quarantined": 1}
    assert bytes_below(house.environment.home, record) == 0
    assert bytes_below(house.environment.home, "fictitious complaint number 2") == 0


def test_an_erasure_that_is_half_done_goes_first_and_the_other_way_round(house):
    lake, case = house.lake, CaseFile("letters", "erasure_request-a", [OVER], steps=["identify"])
    case_file.save(lake, case)
    with pytest.raises(TransientError, match="erasure_request-a of letters is half done"):
        deleted(house)
    case_file.remove(lake, "letters", case.request)
    with pytest.raises(KeyboardInterrupt):
        deleted(house, tell=stop_at("artifacts"))
    assert [one.startswith("retention-") for one in case_file.open_cases(lake, "letters")] == [True]
    with pytest.raises(TransientError, match="deletion by the retention of letters is half done"):
        erase(house)
    assert deleted(house)["rows"] == 6
    erase(house)
    assert case_file.open_cases(lake, "letters") == [] and inspect(lake, "letters").problems == []


def test_an_erasure_and_a_deletion_of_the_same_files_leave_what_verifies(house):
    erase(house, "p2")
    assert deleted(house)["rows"] == 6
    erase(house, "p3")
    assert inspect(open_lake(house.environment), "letters").problems == []
    assert bytes_below(house.environment.home, PLANTED) == bytes_below(house.environment.home, "p3") == 0


def test_rows_that_a_run_writes_meanwhile_are_found_by_a_second_look(house):
    lake = house.lake
    before = lake.read_table(lake.latest("letters", "cleaned_records"))

    def tell(step: str) -> None:
        if step == "vault":
            batches = before.to_batches()
            lake.write_table(
                "letters", "cleaned_records", batches, before.schema, zone="restricted", input_hash="under way"
            )

    report = deleted(house, tell=tell)
    assert report["rows_by_table"]["restricted/cleaned_records"] == 2
    assert inspect(open_lake(house.environment), "letters").problems == []
    assert bytes_below(house.environment.home, OVER) == 0


def test_a_ledger_that_cannot_be_read_deletes_nothing(installation, quick_stages):  # noqa: F811
    house = made(installation, ledger=True, withdrawn=True)
    house.write(rows(6))
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    house.build()
    house.ledger_file.unlink()
    with pytest.raises(SourceError):
        deleted(house, 0)
    assert house.lake.latest("letters", "raw_records").rows == 6


def test_a_deletion_a_day_leaves_two_entries_at_most_beside_each_version(house):
    house.write(rows(9, person={1: OVER}, expires={1: today(1), 7: today(2), 8: today(3)}))
    house.build()
    for days in (2, 3, 4):
        assert deleted(house, days)["records"] == {"expired": 1}
    lake = open_lake(house.environment)
    assert inspect(lake, "letters").problems == []
    raw = lake.latest("letters", "raw_records")
    assert [one.rows for one in lake.erased_rows(raw).erasures] == [2, 1] and raw.rows == 6
    erase(house, "p2")
    assert inspect(lake, "letters").problems == []


def test_captured_traffic_goes_by_its_own_periods_unless_a_legal_hold_stands(house, capsys):
    spool = Spool(spool_path(house.environment))
    spool.start()
    at = (datetime.now(UTC) - timedelta(40)).isoformat()
    said = {"request_id": "classify-1", "at": at, "subject": "p9", "conversations": '["asked long ago"]', "answers": []}
    spool.append("letters", {"texts": said}).result()
    spool.stop()
    ship(house.lake, spool_path(house.environment))
    house.attributes["retention"] = {"versions_days": 3000}
    ft(capsys, "hold", "letters", "--reason", "Case 12/345 before the court", "--by", BO)
    assert tidy(house.lake, "letters", house.case.settings.monitoring) == {}
    assert bytes_below(house.environment.home, "asked long ago") > 0
    held = standing_holds(house.lake, house.case)[0]
    ft(capsys, "lift", "letters", held, "--reason", "The case is closed", "--by", BO)
    assert deleted(house, 0)["traffic"]["texts"] == 1
    assert bytes_below(house.environment.home, "asked long ago") == 0


def test_a_table_that_is_being_written_makes_it_wait_and_nothing_is_lost(house, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with (
        house.lake.writer_lock("shared", "letters", "splits"),
        pytest.raises(TransientError, match="is being written by another process"),
    ):
        deleted(house)
    assert deleted(house)["rows"] == 6
    assert inspect(open_lake(house.environment), "letters").problems == []


@pytest.mark.parametrize("key_is_here", [True, False])
def test_entries_of_the_vault_that_only_these_records_have_are_destroyed(house, tmp_path, key_is_here):
    environment, ring = house.environment, new_vault_ring()
    keys = VaultKeys(ring)
    write_public_key(environment.vault_public_key_path, keys.public)
    own, other = (subject_pseudonyms(environment, "letters", person)[1] for person in (OVER, "p2"))
    (tmp_path / "work").mkdir()
    writer = VaultWriter(house.lake, "letters", "v1", keys.public, tmp_path / "work")
    pairs = [(own, OVER), (other, "p2")]
    writer.add(pa.array([[{"pseudonym": p, "original": o} for p, o in pairs]], ORIGINALS))
    writer.finish()
    if key_is_here:
        vault_key_place(environment).open().write(ring.to_text())
    report = deleted(house)
    assert report["vault_entries"] == (1 if key_is_here else None)
    assert ("entries of the vault" in [one["what"] for one in report["remains"]]) is not key_is_here
    left = Vault(open_lake(environment), "letters")
    assert left.read(other, keys, "a test of what is left") == ["p2"]
    assert left.read(own, keys, "a test of what is left") == ([] if key_is_here else [OVER])


def test_what_raters_said_of_the_records_in_an_open_review_goes_too(house):
    raw = house.lake.read_table(house.lake.latest("letters", "raw_records")).to_pylist()
    own = next(row["record_id"] for row in raw if row["subject_id"] == OVER)
    said = Judgements(house.lake, "letters", "reviews-1")
    said.begin(ANA)
    for record in (own, "of others"):
        said.give(ANA, {record: 1})
        said.say(ANA, record, "a", {}, "Polite")
    deleted(house)
    assert [one.record for one in said.all()] == ["of others"]


def stop_at(wanted: str) -> Callable[[str], None]:
    def tell(step: str) -> None:
        if step == wanted:
            raise KeyboardInterrupt

    return tell


def erase(house: House, person: str = "p2") -> None:
    lake, environment, case = open_lake(house.environment), house.environment, house.case
    permissions, day = Permissions(use_cases={"letters": case}), datetime.now(UTC).date()
    about = {"reason": "Letter of 3 March", "received": day, "today": day}
    asked = ask(lake, environment, case, permissions, named(ANA), [person], **about)
    if asked.decision is None:
        asked = decide(lake, case, permissions, named(BO), asked.id, approved=True)
    assert erase_approved(lake, environment, case, asked, named(ANA))["id"]
