"""`ft erase` from the request to the certificate, killed at each step, with a proof. Persons are fictitious."""

import json
import sqlite3
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform import cli
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.taint import taint_of
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.release.erasures import last_day, requests
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.governance.house import House, rows

ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
OWNERS = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}


@pytest.fixture
def house(installation: Environment, quick_stages: None) -> House:  # noqa: F811
    """`letters`: the person's row in two versions, a checkpoint that learned from it, and one that did not."""
    made = House(installation, name="letters")
    made.attributes["owners"] = OWNERS
    write_use_case(installation.defs, "letters", made.attributes)
    made.write(rows(4, person={1: PERSON}))
    made.build(leave_out=["1"], checkpoint="ckpt-of-others")
    made.write(rows(6, person={1: PERSON}))
    made.build(checkpoint="ckpt-with")
    report(made)
    return made


def report(house: House) -> None:
    """Predictions about every record, and a page that names the person."""
    splits = house.lake.latest(house.name, "splits")
    assert splits is not None
    ids = house.lake.read_table(splits, ["record_id"])["record_id"].to_pylist()
    with house.lake.scratch(house.name, "evaluation_report") as folder:
        folder.mkdir()
        pq.write_table(pa.table({"record_id": [*ids, *ids]}), folder / "predictions.parquet")
        (folder / "page.html").write_text(f"<p>Fictitious complaint of {PERSON}</p>")
        house.lake.publish(
            house.name, "evaluation_report", "eval-a", folder, parents=[splits], settings_hash="s", input_hash="i"
        )


def ft(capsys: pytest.CaptureFixture, *words: str, fails: int = 0) -> str:
    code = cli.main(["erase", *words])
    printed = capsys.readouterr()
    assert code == fails, printed.err + printed.out
    assert "Zebulon" not in printed.out + printed.err
    return printed.err if fails else printed.out


def asked(capsys: pytest.CaptureFixture, person: str, *more: str) -> str:
    words = ["request", "letters", person, "--reason", "Letter of 3 March", "--by", ANA, *more, "--json"]
    return json.loads(ft(capsys, *words))[0]["id"]


def approved(capsys: pytest.CaptureFixture, *more: str) -> str:
    asked = json.loads(
        ft(capsys, "request", "letters", PERSON, "--reason", "Letter of 3 March", "--by", ANA, *more, "--json")
    )
    request = asked[0]["id"]
    ft(capsys, "approve", "letters", request, "--by", BO)
    return request


def checkpoint(house: House, name: str) -> ArtifactVersion:
    found = open_lake(house.environment).artifact("letters", "adapter_checkpoint", name)
    assert found is not None
    return found


def test_a_person_is_gone_from_all_that_the_installation_owns_and_the_rest_verifies(house, capsys):
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    assert bytes_below(house.environment.home, PERSON) > 0
    request = approved(capsys)
    found = json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))
    assert found["certificate"].startswith("erasure_certificate-") and found.pop("certificate")
    assert found == {
        "rows": 6,
        "versions": 7,
        "checkpoints": 1,
        "deployments": 0,
        "bytes_found_after": 0,
        "not_confirmed": 0,
        "found_in": [],
    }
    assert bytes_below(house.environment.home, PERSON) == bytes_below(house.environment.home, pseudonym) == 0
    lake = open_lake(house.environment)
    assert inspect(lake, "letters").problems == []
    told = json.loads(ft(capsys, "show", "letters", request))
    assert told["approved_by"] == BO and told["requested_by"] == ANA and told["checkpoints"] == ["ckpt-with"]
    assert "weights of quarantined checkpoints" in [one["what"] for one in told["remains"]]
    said = [one.what for one in AuditLog(lake).entries() if one.kind == "erasure" and "marked" not in one.what]
    assert said == ["asked to erase persons", "approved an erasure", "erases persons", "erased persons"]
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["bytes_found_after"] == 0, "said again"


def test_what_learned_from_the_rows_is_quarantined_and_a_sweep_does_not_clear_it(house, capsys):
    from ft_platform.governance.taint import sweep

    approved(capsys)
    ft(capsys, "subject", PERSON)
    sweep(house.lake, house.case)
    mark = taint_of(open_lake(house.environment), checkpoint(house, "ckpt-with"))
    assert mark is not None and mark.numbers["reasons"] == {"erased": 1}
    assert taint_of(house.lake, checkpoint(house, "ckpt-of-others")) is None


def test_the_source_cannot_bring_the_person_back_and_all_is_made_anew_without(house, capsys):
    approved(capsys)
    ft(capsys, "subject", PERSON)
    house.write(rows(8, person={1: PERSON, 7: PERSON}))
    made = house.build(checkpoint="ckpt-anew")
    raw = house.lake.latest("letters", "raw_records")
    assert raw.rows == 6 and PERSON not in house.lake.read_table(raw)["subject_id"].to_pylist()
    funnel = house.lake.manifest(raw).counts["funnel"]
    assert funnel["removed"] == {"person_erased": 2} and funnel["rows_in"] == 8
    assert made["splits"].rows == 6 and bytes_below(house.environment.home, PERSON) == 0
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_an_unchanged_source_gives_new_versions_after_an_erasure_so_that_a_model_is_trained_anew(house, capsys):
    before = house.lake.latest("letters", "raw_records")
    approved(capsys)
    ft(capsys, "subject", PERSON)
    made = house.build(checkpoint="ckpt-anew")
    after = house.lake.latest("letters", "raw_records")
    assert (after.version, after.rows) == (before.version + 1, 5) and after.content_hash != before.content_hash
    house.build(checkpoint="ckpt-anew")
    assert house.lake.latest("letters", "raw_records") == after, "once"
    assert made["permitted_records"].rows == 5


def test_permission_leaves_out_a_person_whom_a_run_under_way_has_brought_in_again(house, capsys, monkeypatch):
    from ft_platform.erasure.tombstones import ErasedPersons

    approved(capsys)
    ft(capsys, "subject", PERSON)
    monkeypatch.setattr("ft_platform.erasure.tombstones.erased_persons", lambda *_: ErasedPersons())
    house.write(rows(9, person={1: PERSON, 8: PERSON}))
    from ft_platform.assets.raw_records import ingest_source

    ingest_source(house.lake, house.environment, house.case)
    monkeypatch.undo()
    made = house.permit()
    reasons = house.lake.manifest(made).counts["funnel"]["removed"]
    assert reasons == {"person_erased": 2}


def test_nobody_erases_without_a_second_person(house, capsys):
    request = asked(capsys, PERSON)
    assert "waits for a second person" in ft(capsys, "subject", PERSON, fails=1)
    assert "asked for it" in ft(capsys, "approve", "letters", request, "--by", ANA, fails=1)
    assert "compliance officer" in ft(capsys, "approve", "letters", request, "--by", "eve@example.org", fails=1)
    assert "compliance officer" in ft(
        capsys, "request", "letters", "p2", "--reason", "Letter of 3 March", "--by", "eve@example.org", fails=1
    )
    ft(capsys, "approve", "letters", request, "--by", BO)
    assert "not waiting" in ft(capsys, "approve", "letters", request, "--by", BO, fails=1)


def test_a_request_about_somebody_else_than_was_approved_is_refused(house, capsys):
    request = approved(capsys)
    file = Path(house.lake.path_of("restricted", "letters", "erasures", f"{request}.json"))
    file.write_text(file.read_text().replace(PERSON, "p2"))
    assert "was changed or lost since it was approved" in ft(capsys, "subject", "letters", "p2", fails=1)
    ft(capsys, "refuse", "letters", request, "--by", BO, "--reason", "Somebody changed it")
    assert not file.exists() and "refused" in ft(capsys, "list")
    assert "refused an erasure" in [one.what for one in AuditLog(house.lake).entries()]


def test_a_plan_names_versions_and_counts_and_changes_nothing(house, capsys):
    before = bytes_below(house.environment.home, PERSON)
    shown = ft(capsys, "subject", PERSON, "--dry-run", "--text", "complaint number 2")
    assert "ckpt-with                    was trained on 1 rows: it will be quarantined" in shown
    assert "and a text in 1 rows of others" in shown and "ckpt-of-others" not in shown
    assert bytes_below(house.environment.home, PERSON) == before
    assert "letters: nothing" in ft(capsys, "subject", "nobody at all", "--dry-run")


def test_a_plan_counts_what_lies_beside_the_lake(house, capsys):
    home, name = house.environment.home, PERSON.encode()
    export = home / "exports" / "ckpt-with-merged"
    export.mkdir(parents=True)
    output = house.environment.dagster_home / "storage" / "run" / "step.err"
    output.parent.mkdir(parents=True)
    output.write_bytes(b"fictitious line about " + name)
    with sqlite3.connect(house.environment.dagster_home / "storage" / "runs.db") as database:
        database.execute("create table events (event text)")
        database.execute("insert into events values (?)", (f"about {PERSON}",))
    database.close()
    told = json.loads(ft(capsys, "subject", "letters", PERSON, "--dry-run", "--json").replace("Zebulon", ""))
    found = told[0]["beside"]
    assert (found["files with output of steps and runs"], found["exports"]) == (1, 1)
    assert found["databases of Dagster and MLflow in SQLite"] == 1 and found["runs in mlflow"] == 0
    assert name in output.read_bytes() and export.is_dir()
    assert "exports: 1" in ft(capsys, "subject", "letters", PERSON, "--dry-run")


def test_a_person_may_be_named_by_the_pseudonym(house, capsys):
    pseudonym = subject_pseudonyms(house.environment, "letters", PERSON)[1]
    asked = json.loads(
        ft(capsys, "request", "letters", pseudonym, "--reason", "Letter of 3 March", "--by", ANA, "--json")
    )
    ft(capsys, "approve", "letters", asked[0]["id"], "--by", BO)
    assert json.loads(ft(capsys, "subject", "letters", pseudonym, "--json"))["bytes_found_after"] == 0
    assert bytes_below(house.environment.home, PERSON) == 0


def test_a_text_is_taken_out_of_records_of_others(house, capsys):
    approved(capsys, "--text", "complaint number 2")
    ft(capsys, "subject", PERSON)
    assert bytes_below(house.environment.home, "complaint number 2") == 0
    assert inspect(open_lake(house.environment), "letters").problems == []


def test_a_measurement_of_weights_is_asked_for_and_is_none_where_nobody_did(house, capsys):
    ft(capsys, "request", "letters", "p2", "--reason", "Letter of March", "--by", ANA, "--measure-weights")
    assert requests(open_lake(house.environment), house.case)[0].said["measure_weights"] is True
    request = approved(capsys)
    ft(capsys, "subject", "letters", PERSON)
    assert "no certificate that promises" in ft(capsys, "measure", "letters", request, fails=1)


def test_a_reason_that_names_the_person_is_refused(house, capsys):
    words = ("request", "letters", PERSON, "--by", ANA, "--reason")
    assert "the reason names the person" in ft(capsys, *words, f"Letter of {PERSON}", fails=1)
    ft(capsys, *words, "Letter of 3 March")


def test_something_that_is_left_is_told_and_there_is_no_certificate(house, capsys):
    request = approved(capsys)
    left = house.environment.home / "notes.txt"
    left.write_text(f"{PERSON}, somebody's note")
    assert cli.main(["erase", "subject", "letters", PERSON, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["bytes_found_after"], found["found_in"], found["certificate"]) == (len(PERSON), [str(left)], "")
    assert "is not done: it was approved" in ft(capsys, "show", "letters", request, fails=1)
    left.unlink()
    assert json.loads(ft(capsys, "subject", "letters", PERSON, "--json"))["certificate"]


def test_the_last_day_is_shown_and_waits_for_the_compliance_officer(house, capsys):
    from ft_platform.web.portal_pages.needs import needs_of

    ft(capsys, "request", "letters", PERSON, "--reason", "Letter", "--by", ANA, "--received", "2026-01-31", fails=1)
    ft(capsys, "request", "letters", PERSON, "--reason", "Letter of March", "--by", ANA, "--received", "2026-01-31")
    assert "until 2026-02-28 (overdue)" in ft(capsys, "list")
    needs = [
        one for one in needs_of(open_lake(house.environment), house.case, date(2026, 2, 1)) if one.kind == "erasure"
    ]
    assert [(one.role, one.until) for one in needs] == [("compliance", "2026-02-28")]


@pytest.mark.parametrize(
    ("received", "last"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-30", "2028-02-29"),
        ("2026-12-15", "2027-01-15"),
        ("2026-03-01", "2026-04-01"),
    ],
)
def test_the_last_day_is_one_month_after_the_request(received, last):
    assert last_day(date.fromisoformat(received)) == date.fromisoformat(last)
