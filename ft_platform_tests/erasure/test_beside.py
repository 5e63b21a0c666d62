"""What lies beside the tables: captured requests, the vault, releases, the audit log; and runs that write meanwhile.
Persons are fictitious."""

import json
import os
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ft_platform import cli
from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import requests_about
from ft_platform.evaluation.review.judgements import Judgements
from ft_platform.governance.retention import hold, lift
from ft_platform.lake.inspection import inspect
from ft_platform.lake.keys.key_ring import vault_key_place
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.monitoring.retraining.journal import entries
from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.monitoring.traffic.spool import Spool
from ft_platform.people.audit_log.opening import note
from ft_platform.people.loading import permissions_of
from ft_platform.people.person import named
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.privacy.vault import Vault, VaultKeys, VaultWriter, new_vault_ring, write_public_key
from ft_platform.release.erasures import progress
from ft_platform.serving.live import change_live
from ft_platform.use_case.environment import load_environment
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import ANA, BO, approved, asked, checkpoint, ft, house  # noqa: F401
from ft_platform_tests.evaluation.releases import released


def test_captured_requests_and_names_in_the_audit_log_go_too(house, capsys):  # noqa: F811
    spool = Spool(spool_path(house.environment))
    spool.start()
    said = {"request_id": "classify-1", "at": datetime.now(UTC).isoformat(), "subject": PERSON}
    spool.append("letters", {"texts": {**said, "conversations": f'["{PERSON} writes"]', "answers": []}}).result()
    spool.stop()
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    note(house.lake, "letters", "look_up", "looked into the vault", ANA, pseudonym=pseudonym)
    request = approved(capsys)
    ft(capsys, "subject", PERSON)
    assert json.loads(ft(capsys, "show", "letters", request))["requests"] == 1
    assert bytes_below(house.environment.home, PERSON) == bytes_below(house.environment.home, pseudonym) == 0


@pytest.mark.parametrize("key_is_here", [True, False])
def test_entries_of_the_vault_are_destroyed_where_the_key_is(house, capsys, tmp_path, key_is_here):  # noqa: F811
    environment, ring = load_environment(), new_vault_ring()
    keys, place = VaultKeys(ring), vault_key_place(environment)
    write_public_key(environment.vault_public_key_path, keys.public)
    pseudonym = subject_pseudonyms(environment, "letters", PERSON)[1]
    (tmp_path / "work").mkdir()
    writer = VaultWriter(house.lake, "letters", "v1", keys.public, tmp_path / "work")
    pairs = [(pseudonym, PERSON), ("<PERSON_aaaaaaaa>", "Mirela Okonjo")]
    writer.add(pa.array([[{"pseudonym": p, "original": o} for p, o in pairs]], ORIGINALS))
    writer.finish()
    if key_is_here:
        place.open().write(ring.to_text())
    request = approved(capsys)
    ft(capsys, "subject", PERSON)
    told = json.loads(ft(capsys, "show", "letters", request))
    left = Vault(open_lake(environment), "letters")
    assert told["vault_entries"] == (1 if key_is_here else None)
    assert ("entries of the vault" in [one["what"] for one in told["remains"]]) is not key_is_here
    assert left.read("<PERSON_aaaaaaaa>", keys, "a test of what is left") == ["Mirela Okonjo"]
    assert left.read(pseudonym, keys, "a test of what is left") == ([] if key_is_here else [PERSON])


def test_entries_of_surrogates_go_where_nobody_else_wrote_the_original(house, capsys, tmp_path):  # noqa: F811
    """`complaint number 1` is in the record of the person only, `fictitious` is in everybody's."""
    environment, ring = load_environment(), new_vault_ring()
    keys = VaultKeys(ring)
    write_public_key(environment.vault_public_key_path, keys.public)
    vault_key_place(environment).open().write(ring.to_text())
    (tmp_path / "work").mkdir()
    writer = VaultWriter(house.lake, "letters", "v1", keys.public, tmp_path / "work")
    pairs = {
        "Ada Lovelace": "Complaint  number 1",
        "invented": "fictitious",
        "Bo": "complaint number 2",
        "Cy": "number",
    }
    writer.add(pa.array([[{"pseudonym": p, "original": o} for p, o in pairs.items()]], ORIGINALS))
    writer.finish()
    request = approved(capsys)
    ft(capsys, "subject", PERSON)
    told = json.loads(ft(capsys, "show", "letters", request))
    left = Vault(open_lake(environment), "letters")
    assert {one: left.read(one, keys, "a test of what is left") for one in pairs} == {
        "Ada Lovelace": [],
        "invented": ["fictitious"],
        "Bo": ["complaint number 2"],
        "Cy": ["number"],
    }
    assert told["vault_entries"] == 1
    assert "entries of the vault whose original others wrote, too" in [one["what"] for one in told["remains"]]
    assert bytes_below(environment.home / "lake" / "restricted" / "letters" / "erasures", "complaint") == 0


def test_a_target_that_is_out_of_reach_leaves_the_request_open_and_the_rows_gone(house, capsys, monkeypatch):  # noqa: F811
    """A real release with a real record of its deployment; the server of the target cannot even be asked."""
    production = {"kind": "openai_endpoint", "url": "http://127.0.0.1:9", "model": "letters-{release}"}
    house.attributes["serving"] = {"targets": {"production": production}}
    write_use_case(house.environment.defs, "letters", house.attributes)
    release = released(house.lake, checkpoint(house, "ckpt-with"))
    deployed(house, release, "production")
    change_live(house.environment.home, "letters", lambda live: live.with_traffic(release.id), "target-production")
    request = approved(capsys)
    why = ft(capsys, "subject", PERSON, fails=1)
    lake = open_lake(house.environment)
    assert standing_releases(lake, "letters") == [] and inspect(lake, "letters").problems == []
    told = progress(lake, "letters", request)
    assert told is not None and told.stopped and told.stopped[:40] in " ".join(why.split())
    house.attributes["serving"] = {"targets": {}}
    write_use_case(house.environment.defs, "letters", house.attributes)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0


def deployed(house, release: ArtifactVersion, target: str) -> None:  # noqa: F811
    record = {"target": target, "release": release.id, "checkpoint": {"content_hash": "c"}}
    with house.lake.scratch("letters", "deployment") as folder:
        folder.mkdir()
        (folder / "deployment.json").write_text(json.dumps(record))
        how = {"settings_hash": "s", "input_hash": "i", "info": {"target": target, "release": release.id}}
        house.lake.publish("letters", "deployment", "deployment-1", folder, parents=[release], **how)


@pytest.mark.parametrize("mode", ["by_reasons", "on_data_change", "on_demand"])
def test_a_training_without_the_rows_is_queued_or_asked_for_in_every_mode(house, capsys, mode):  # noqa: F811
    house.attributes["retraining"] = {"mode": mode}
    write_use_case(house.environment.defs, "letters", house.attributes)
    request = approved(capsys)
    ft(capsys, "subject", PERSON)
    lake = open_lake(house.environment)
    reasons = [one.reason for one in entries(lake, "letters").requests]
    assert reasons == ([f"Erasure: {request}"] if mode == "by_reasons" else [])
    said = json.loads(ft(capsys, "show", "letters", request))["retraining"]
    assert said.partition(":")[0] == ("queued" if mode == "by_reasons" else "asked for")
    (need,) = [one for one in needs_of(lake, house.case, datetime.now(UTC).date()) if one.kind == "retraining"]
    assert "ckpt-with, the newest model, learned from" in need.what and need.role == "data_science"
    assert ("ft retraining explain letters" if mode == "by_reasons" else "ft run letters") in need.next_step


def test_without_a_model_that_learned_from_the_rows_nothing_is_trained_again(house, capsys):  # noqa: F811
    request = asked(capsys, "someone else")
    ft(capsys, "approve", "letters", request, "--by", BO)
    ft(capsys, "subject", "letters", request)
    assert json.loads(ft(capsys, "show", "letters", request))["retraining"].startswith("not needed")


def test_the_platforms_own_sample_goes_and_a_copy_of_the_source_is_named_beforehand(house, capsys):  # noqa: F811
    samples, copy = house.environment.home / "samples", house.environment.home / "samples" / "copy of letters.csv"
    samples.mkdir()
    ours = [samples / f"feedback-1400-7-e35ae31f.{ending}" for ending in ("csv", "truth.json")]
    for path in ours:
        path.write_text(f"id,customer\n1,{PERSON}\n")
    copy.write_text(f"1,{PERSON}\n")
    (plan,) = json.loads(ft(capsys, "subject", "letters", PERSON, "--dry-run", "--json"))
    assert plan["files"] == [str(copy)] and plan["beside"]["samples that the platform generated"] == 2
    assert str(copy) in ft(capsys, "subject", "letters", PERSON, "--dry-run")

    request = approved(capsys)
    assert str(copy) in json.loads(ft_left(capsys, "subject", "letters", PERSON, "--json"))["found_in"]
    told = progress(open_lake(house.environment), "letters", request)
    assert told is not None and "bytes of the person are left" in told.stopped and told.files == (str(copy),)
    assert not any(path.exists() for path in ours)
    copy.unlink()
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0
    said = json.loads(ft(capsys, "show", "letters", request))
    assert "a sample of made-up persons" in [one["what"] for one in said["remains"]]
    places = {one["place"]: one for one in said["places"]}
    assert places["samples that the platform generated"]["count"] == 2


def ft_left(capsys: pytest.CaptureFixture, *words: str) -> str:
    """What `ft erase` prints where something is left."""
    assert cli.main(["erase", *words]) == 1
    return capsys.readouterr().out


def test_a_file_whose_name_names_the_person_is_told_by_its_folder(house, capsys):  # noqa: F811
    folder = house.environment.home / "notes"
    folder.mkdir()
    (folder / f"{PERSON}.txt").write_text(PERSON)
    request = approved(capsys)
    assert cli.main(["erase", "subject", PERSON]) == 1
    capsys.readouterr()
    told = progress(open_lake(house.environment), "letters", request)
    assert told is not None and told.files == (f"{folder}/…",)


def test_nobody_is_erased_while_a_legal_hold_stands(house, capsys):  # noqa: F811
    """Fail closed, also where the hold came after the approval."""
    request = asked(capsys, PERSON)
    held = hold(house.lake, house.case, permissions_of(house.environment), named(ANA), "Case 12/345 before the court")
    assert held["id"] in ft(capsys, "approve", "letters", request, "--by", BO, fails=1)
    lift(house.lake, house.case, permissions_of(house.environment), named(ANA), held["id"], "The case is closed")
    ft(capsys, "approve", "letters", request, "--by", BO)
    again = hold(house.lake, house.case, permissions_of(house.environment), named(ANA), "Case 12/346 before the court")
    before = bytes_below(house.environment.home / "lake", PERSON)
    assert again["id"] in ft(capsys, "subject", "letters", PERSON, fails=1)
    assert bytes_below(house.environment.home / "lake", PERSON) == before > 0
    lift(house.lake, house.case, permissions_of(house.environment), named(ANA), again["id"], "The case is closed")
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0


def test_rows_that_a_run_writes_from_what_it_had_read_before_are_found_by_a_second_look(house, capsys):  # noqa: F811
    approved(capsys)
    lake = house.lake
    before = lake.read_table(lake.latest("letters", "cleaned_records"))

    def tell(step: str) -> None:
        if step == "control_files":
            lake.write_table(
                "letters",
                "cleaned_records",
                before.to_batches(),
                before.schema,
                zone="restricted",
                input_hash="under way",
            )

    environment = load_environment()
    ((case, request),) = requests_about(lake, environment, [house.case], [PERSON])
    made = erase_approved(lake, environment, case, request, named(ANA), tell)
    assert made["bytes_found_after"] == 0 and made["rows_by_table"]["restricted/cleaned_records"] == 2
    assert inspect(open_lake(environment), "letters").problems == []


def test_a_table_that_is_being_written_makes_it_wait_and_nothing_is_lost(house, capsys, monkeypatch):  # noqa: F811
    approved(capsys)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with house.lake.writer_lock("shared", "letters", "splits"):
        assert "is being written by another process" in ft(capsys, "subject", PERSON, fails=1)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_an_erasure_waits_for_one_that_is_half_done(house, capsys, monkeypatch):  # noqa: F811
    first, stopped = approved(capsys), RuntimeError("killed")

    def killed(*_: object) -> None:
        raise stopped

    with monkeypatch.context() as patch:
        patch.setattr("ft_platform.erasure.tables.mend_log", killed)
        case, request = requests_about(house.lake, house.environment, [house.case], [PERSON])[0]
        with pytest.raises(RuntimeError, match="killed"):
            erase_approved(house.lake, house.environment, case, request, named(ANA))
    second = asked(capsys, "someone else")
    ft(capsys, "approve", "letters", second, "--by", BO)
    assert f"the erasure {first} of letters is half done" in ft(capsys, "subject", "letters", second, fails=1)
    ft(capsys, "subject", "letters", first)
    ft(capsys, "subject", "letters", second)
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_a_checkpoint_without_a_list_and_one_that_was_continued_are_quarantined_too(house, capsys):  # noqa: F811
    splits = house.lake.latest("letters", "splits")
    assert isinstance(splits, TableVersion)
    house.checkpoint("ckpt-without-list", splits, None)
    first = checkpoint(house, "ckpt-with")
    with house.lake.scratch("letters", "adapter_checkpoint") as folder:
        folder.mkdir()
        (folder / "metrics.json").write_text("{}")
        house.lake.publish(
            "letters",
            "adapter_checkpoint",
            "ckpt-continued",
            folder,
            parents=[first],
            settings_hash="s",
            input_hash="i",
        )
    house.save_states("ckpt-on-its-way", splits)
    request = approved(capsys)
    ft(capsys, "subject", PERSON)
    told = json.loads(ft(capsys, "show", "letters", request))
    assert set(told["checkpoints"]) == {"ckpt-with", "ckpt-without-list", "ckpt-continued"}
    assert told["trainings"] == ["ckpt-on-its-way"]
    assert not os.path.exists(house.lake.path_of("shared", "letters", ".training", "ckpt-on-its-way"))


def test_what_raters_said_of_the_records_in_an_open_review_goes_too(house, capsys):  # noqa: F811
    raw = house.lake.read_table(house.lake.latest("letters", "raw_records")).to_pylist()
    own = next(row["record_id"] for row in raw if row["subject_id"] == PERSON)
    said = Judgements(house.lake, "letters", "reviews-1")
    said.begin(ANA)
    for record, comment in ((own, "Polite"), ("of others", "Polite too"), ("naming", f"About {PERSON}")):
        said.give(ANA, {record: 1})
        said.say(ANA, record, "a", {}, comment)
    approved(capsys, "--text", PERSON)
    ft(capsys, "subject", PERSON)
    assert [(one.record, one.comment) for one in said.all()] == [("of others", "Polite too"), ("naming", "")]
