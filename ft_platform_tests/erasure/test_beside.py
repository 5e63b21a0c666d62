"""What lies beside the tables: captured requests, the vault, releases, the audit log; and runs that write meanwhile.
Persons are fictitious."""

import json
import os
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest

from ft_platform.environment import load_environment
from ft_platform.erasure import executing, plan
from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import requests_about
from ft_platform.errors import TransientError
from ft_platform.evaluation.review.judgements import Judgements
from ft_platform.keys.key_ring import vault_key_place
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import TableVersion
from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.monitoring.traffic.spool import Spool
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import named
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.privacy.vault import Vault, VaultKeys, VaultWriter, new_vault_ring, write_public_key
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import ANA, BO, approved, asked, checkpoint, ft, house  # noqa: F401


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


def test_releases_of_what_learned_from_the_rows_are_withdrawn_and_their_traffic_ends(house, capsys, monkeypatch):  # noqa: F811
    made = [SimpleNamespace(id=f"release-{c}", checkpoint=c) for c in ("ckpt-with", "ckpt-of-others")]
    gone: list[str] = []
    monkeypatch.setattr(plan, "standing_releases", lambda *_: made)
    monkeypatch.setattr(plan, "_targets", lambda lake, use_case, releases: ["production"] * bool(releases))
    monkeypatch.setattr(executing, "withdraw", lambda lake, use_case, release, **_: gone.append(release))
    monkeypatch.setattr(executing, "take_away_withdrawn", lambda *_: {"production": "release-ckpt-of-others"})
    request = approved(capsys)
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["deployments"] == 1
    assert gone == ["release-ckpt-with"]
    told = json.loads(ft(capsys, "show", "letters", request))
    assert told["deployments"] == {"production": "release-ckpt-of-others"}


def test_a_target_that_is_out_of_reach_leaves_the_request_open_and_the_rows_gone(house, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(plan, "_targets", lambda *_: ["production"])
    broken = True

    def take_away(*_: object) -> dict[str, str | None]:
        if broken:
            raise TransientError("it does not answer")
        return {"production": None}

    monkeypatch.setattr(executing, "take_away_withdrawn", take_away)
    approved(capsys)
    assert "does not answer" in ft(capsys, "subject", PERSON, fails=1)
    assert inspect(open_lake(house.environment), "letters").problems == []
    broken = False
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
