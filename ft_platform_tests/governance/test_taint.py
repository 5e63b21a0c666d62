"""A permission that ends marks every version and checkpoint with the row, and the gate refuses them from then on."""

import select
import signal
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform.assets import permitted_records as permitted
from ft_platform.errors import DataError, SourceError, VersionRefused
from ft_platform.governance import taint
from ft_platform.governance.taint import Basis, Found, Tainted, find_tainted, mark, sweep, tainted_now
from ft_platform.lake import gate, snapshot
from ft_platform.lake.gate import problems_with, require_usable
from ft_platform.lake.taint import NOT_TAINTED, taint_of
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.people.audit_log.log import AuditLog
from ft_platform_tests.governance.house import LATER, House, later, rows, today

pytestmark = pytest.mark.integration

CHAIN = ["permitted_records", *LATER, "adapter_checkpoint"]


def marked(house: House) -> dict[str, dict[str, int]]:
    """Version -> reasons, of all that are marked."""
    return {one["version"]: one["reasons"] for one in tainted_now(house.lake, house.name)}


def usable(house: House, version: Version) -> bool:
    return not problems_with(house.lake, house.case, version)


def test_without_an_ended_permission_nothing_is_marked_and_all_is_usable(house: House) -> None:
    house.write(rows())
    made = house.build()
    assert marked(house) == {} and usable(house, made["adapter_checkpoint"])
    found = sweep(house.lake, house.case)
    assert (found.tainted, found.cleared) == ([], []) and marked(house) == {}


def test_a_withdrawn_row_is_left_out_and_marks_all_that_hold_it_and_nothing_else(house: House) -> None:
    house.write(rows(1))
    without = house.build(checkpoint="ckpt-without")  # made before the person's row came
    house.write(rows())
    made = house.build(checkpoint="ckpt-with")
    other = house.build(leave_out=["3"], checkpoint="ckpt-other")  # holds it in permitted_records only
    house.write(rows(consent={3: "withdrawn"}))
    new = house.permit()
    assert new.rows == 5
    reason = {"consent_withdrawn": 1}
    assert marked(house) == dict.fromkeys([*(made[stage].id for stage in CHAIN)], reason)
    for stage in CHAIN:
        with pytest.raises(VersionRefused, match="1 of its rows may no longer be used"):
            require_usable(house.lake, house.case, made[stage])
    assert taint_of(house.lake, new) is None and taint_of(house.lake, without["adapter_checkpoint"]) is None
    assert taint_of(house.lake, other["adapter_checkpoint"]) is None, "it was trained on none of the rows"
    again = house.build(checkpoint="ckpt-new")
    assert usable(house, again["adapter_checkpoint"])


def test_a_changed_ledger_refuses_at_once_and_a_sweep_marks_without_a_new_version(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(3))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    made = house.build()
    assert usable(house, made["adapter_checkpoint"])
    house.write_ledger(p0="yes", p1="withdrawn", p2="yes")
    assert "the consent ledger has changed" in problems_with(house.lake, house.case, made["adapter_checkpoint"])[0]
    found = sweep(house.lake, house.case)
    assert [one.version.id for one in found.tainted] == [made[stage].id for stage in CHAIN]
    said = [one.details for one in AuditLog(house.lake).entries() if one.what == "marked withdrawn records"]
    assert said == [{"version": made[stage].id, "rows": "1"} for stage in CHAIN]
    assert house.lake.latest(house.name, "permitted_records") == made["permitted_records"]
    assert any(
        "is tainted: 1 of its rows" in problem
        for problem in problems_with(house.lake, house.case, made["adapter_checkpoint"])
    )
    assert house.permit().rows == 2
    assert len(marked(house)) == len(CHAIN)


def test_a_ledger_that_is_gone_refuses_and_is_not_taken_for_consent(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(2))
    house.write_ledger(p0="yes", p1="yes")
    made = house.build()
    house.ledger_file.unlink()
    assert "it is unknown whether the permission" in problems_with(house.lake, house.case, made["splits"])[0]
    with pytest.raises(SourceError, match=r"governance\.consent_ledger .* does not exist"):
        sweep(house.lake, house.case)


def test_a_ledger_at_a_place_that_is_no_longer_allowed_is_not_asked_by_the_gate(
    ledger_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = ledger_house
    house.write(rows(2))
    house.write_ledger(p0="yes", p1="yes")
    made = house.build()
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "s3://elsewhere")
    monkeypatch.setattr(snapshot, "fingerprint", lambda *_: pytest.fail("a request was made"))
    assert "not on the list of allowed sources" in problems_with(house.lake, house.case, made["splits"])[0]


def test_who_consents_again_clears_the_marks(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(3))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    made = house.build()
    house.write_ledger(p0="yes", p1="withdrawn", p2="yes")
    sweep(house.lake, house.case)
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    assert {version.id for version in sweep(house.lake, house.case).cleared} == {made[stage].id for stage in CHAIN}
    assert marked(house) == {} and usable(house, made["adapter_checkpoint"])


def test_days_that_pass_refuse_by_themselves_and_a_sweep_marks(environment, monkeypatch) -> None:
    house = House(environment, expires=True)
    house.write(rows(4, expires={0: today(3), 1: today(9)}))
    made = house.build()
    assert house.lake.manifest(made["permitted_records"]).counts["permitted_until"] == today(3)
    for days, refused in [(0, False), (3, False), (4, True)]:
        monkeypatch.setattr(gate, "_today", lambda days=days: later(days))
        assert bool(problems_with(house.lake, house.case, made["adapter_checkpoint"])) is refused, days
    assert marked(house) == {}, "nothing was swept yet"

    ahead = sweep(house.lake, house.case, later(10), dry_run=True)
    assert {one.version.id: dict(one.reasons) for one in ahead.tainted} == {
        made[stage].id: {"expired": 2} for stage in CHAIN
    }
    assert not ahead.marked and marked(house) == {}
    with pytest.raises(DataError, match="is in the future"):
        sweep(house.lake, house.case, later(10))

    monkeypatch.setattr(taint, "datetime", later_datetime(5))
    assert len(sweep(house.lake, house.case).tainted) == len(CHAIN)
    assert marked(house) == {made[stage].id: {"expired": 1} for stage in CHAIN}
    assert sweep(house.lake, house.case, later(0)).cleared == [], "an earlier day clears nothing"


def later_datetime(days: int) -> type[datetime]:
    """`datetime` whose `now` is some days ahead."""

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=days)

    return Later


def test_a_checkpoint_without_a_list_of_its_records_counts_as_trained_on_all_of_them(house: House) -> None:
    house.write(rows())
    made = house.build(training_records=False)
    house.write(rows(consent={0: "no"}))
    house.permit()
    assert marked(house)[made["adapter_checkpoint"].id] == {"consent_not_accepted": 1}


def test_equal_keys_of_another_source_are_other_rows(house: House) -> None:
    house.write(rows(3))
    made = house.build()
    house.source = house.source.with_name("other.csv")
    house.attributes["source"]["uri"] = str(house.source)
    house.write(rows(3, consent={0: "withdrawn"}, text={n: f"quite another complaint {n}" for n in range(3)}))
    assert house.permit().rows == 2
    assert marked(house) == {} and "stale" in problems_with(house.lake, house.case, made["splits"])[0]


def test_narrower_settings_mark_as_well(house: House) -> None:
    house.attributes["governance"]["accepted_consent"] = ["yes", "verbally"]
    house.write(rows(4, consent={2: "verbally"}))
    made = house.build()
    house.attributes["governance"]["accepted_consent"] = ["yes"]
    sweep(house.lake, house.case)
    assert marked(house) == {made[stage].id: {"consent_not_accepted": 1} for stage in CHAIN}


def test_a_permission_that_ends_for_all_marks_although_the_stage_fails(house: House) -> None:
    house.write(rows(2))
    made = house.build()
    house.write(rows(2, consent={0: "withdrawn", 1: "withdrawn"}))
    with pytest.raises(Exception, match="none of 4 records may be used"):
        house.permit()
    assert marked(house) == {made[stage].id: {"consent_withdrawn": 2} for stage in CHAIN}


def test_who_judged_by_an_older_ledger_clears_nothing(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(2))
    house.write_ledger(p0="yes", p1="yes")
    made = house.build()
    manifest = house.lake.manifest(made["permitted_records"])
    older = Basis(manifest.info["ledger"], manifest.parents[0].content_hash)
    house.write_ledger(p0="yes", p1="withdrawn")
    sweep(house.lake, house.case)
    assert mark(house.lake, house.case, Found([], []), later(0), older) == [] and len(marked(house)) == len(CHAIN)
    house.ledger_file.unlink()
    assert mark(house.lake, house.case, Found([], []), later(0), older) == [] and len(marked(house)) == len(CHAIN)
    house.write_ledger(p0="yes", p1="yes")
    assert len(mark(house.lake, house.case, Found([], []), later(0), older)) == len(CHAIN), (
        "with the ledger it was judged by it may"
    )


def no_withdrawn_records(house: House, version: TableVersion) -> None:
    """The check of the graph, of the daily schedule and of the ledger's sensor."""
    permitted.build(house.case)[2](lake=house.lake, environment=house.environment, permitted_records=version)


def test_what_was_on_its_way_while_others_were_marked_is_marked_by_the_next_check(ledger_house: House) -> None:
    """A training of hours ends after the withdrawal: its checkpoint holds the row, and the sweep has not seen it."""
    house = ledger_house
    house.write(rows(6))
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    made = house.build(checkpoint="ckpt-before")
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 0 else "yes" for n in range(6)})
    new = house.permit()
    trained = house.lake.read_table(made["splits"], ["record_id", "split"])
    ids = trained["record_id"].to_pylist()
    late = house.checkpoint("ckpt-late", made["splits"], ids)
    other = house.checkpoint("ckpt-of-others", made["splits"], ids[1:])
    assert not usable(house, late) and taint_of(house.lake, late) is None, "refused at once, by what it was made from"
    no_withdrawn_records(house, new)
    assert marked(house) == {
        version: {"consent_withdrawn": 1} for version in [*(made[stage].id for stage in CHAIN), late.id]
    }
    assert NOT_TAINTED in house.lake.verdicts(other), "looked at, and without the row"


def test_saved_states_of_trainings_on_withdrawn_rows_are_removed_and_others_stay(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(6))
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    made = house.build(checkpoint=None)
    killed = house.save_states("ckpt-killed", made["splits"])
    unknown = house.save_states("ckpt-half-removed", made["splits"])
    for manifest in Path(unknown.folder).rglob("manifest.json"):
        manifest.unlink()
    others = house.save_states("ckpt-of-others", house.build(leave_out=["0"], checkpoint=None)["splits"])
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 0 else "yes" for n in range(6)})
    expected = [
        {"checkpoint": "ckpt-half-removed", "splits": None},
        {"checkpoint": "ckpt-killed", "splits": made["splits"].id},
    ]
    assert sweep(house.lake, house.case, dry_run=True).to_dict()[
        "unfinished_trainings"
    ] == expected and killed.steps() == [2, 1]
    assert sweep(house.lake, house.case).to_dict()["unfinished_trainings"] == expected
    assert not Path(killed.folder).exists() and not Path(unknown.folder).exists() and others.steps() == [2, 1]
    said = [one.details for one in AuditLog(house.lake).entries() if one.what.startswith("removed an unfinished")]
    assert said == [{"checkpoint": "ckpt-half-removed"}, {"checkpoint": "ckpt-killed"}]
    assert sweep(house.lake, house.case).to_dict()["unfinished_trainings"] == []


def test_a_training_that_saves_after_the_sweep_is_found_by_the_next_check(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(6))
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    made = house.build(checkpoint=None)
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 0 else "yes" for n in range(6)})
    new = house.permit()
    late = house.save_states("ckpt-late", made["splits"])
    no_withdrawn_records(house, new)
    assert not Path(late.folder).exists()


def test_versions_that_a_sweep_has_looked_at_are_not_read_again(
    ledger_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = ledger_house
    house.write(rows(6))
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    house.build(leave_out=["0"])
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 0 else "yes" for n in range(6)})
    new = house.permit()
    monkeypatch.setattr(type(house.lake), "read", lambda *_: pytest.fail("rows were read although nothing has changed"))
    no_withdrawn_records(house, new)


def test_marks_that_came_while_older_ones_were_cleared_stay_where_no_lock_holds(
    ledger_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an object store: another process marks by a newer ledger between the first look at the ledger and the
    clearing."""
    house = ledger_house
    house.write(rows(3))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    made = house.build()
    house.write_ledger(p0="yes", p1="withdrawn", p2="yes")
    sweep(house.lake, house.case)
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    monkeypatch.setattr(type(house.lake), "writer_lock", lambda *_: nullcontext())
    original, looks = Basis.still_holds, []

    def still_holds(basis: Basis, lake, case) -> bool:
        found = original(basis, lake, case)
        if not looks:
            looks.append(found)
            house.write_ledger(p0="yes", p1="withdrawn", p2="yes")
            sweep(house.lake, house.case)
        return found

    monkeypatch.setattr(Basis, "still_holds", still_holds)
    assert sweep(house.lake, house.case).cleared == [] and looks == [True]
    assert marked(house) == {made[stage].id: {"consent_withdrawn": 1} for stage in CHAIN}


KILLED = """
import os, signal, sys
from pathlib import Path
from ft_platform.use_case.settings.environment import Environment
from ft_platform.lake.manifests import Manifests
from ft_platform.governance.taint import sweep
from ft_platform_tests.governance.house import House

write, left = Manifests.add_verdict, int(sys.argv[2])
def add_verdict(self, *arguments, **options):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return write(self, *arguments, **options)
Manifests.add_verdict = add_verdict
home = Path(sys.argv[1])
sweep((house := House(Environment(home=home / "home", defs=home / "defs", tracking_uri="none"), ledger=True)).lake, house.case)
"""  # noqa: E501


def in_process(home: Path, verdicts: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", KILLED, str(home), str(verdicts)], stderr=subprocess.PIPE)


@pytest.mark.parametrize("verdicts", [1, 3])
def test_a_sweep_that_is_killed_leaves_all_refused_and_the_next_one_completes_it(
    ledger_house: House, verdicts: int
) -> None:
    house = ledger_house
    home = house.environment.defs.parent
    house.write(rows(3))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    made = house.build()
    house.write_ledger(p0="withdrawn", p1="yes", p2="yes")
    killed = in_process(home, verdicts)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert set(marked(house)) == {made[stage].id for stage in CHAIN[:verdicts]}
    house.ledger_file.write_bytes(b"")  # whatever the ledger says now, the mark alone refuses
    problems = problems_with(house.lake, house.case, made["adapter_checkpoint"])
    assert any(f"{made['permitted_records'].id} is tainted" in problem for problem in problems)
    house.write_ledger(p0="withdrawn", p1="yes", p2="yes")
    assert sweep(house.lake, house.case).cleared == []
    assert set(marked(house)) == {made[stage].id for stage in CHAIN}

    house.write_ledger(p0="yes", p1="yes", p2="yes")  # and one that is killed while it clears
    killed = in_process(home, verdicts)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    assert set(marked(house)) == {made[stage].id for stage in CHAIN[: len(CHAIN) - verdicts]}
    assert not usable(house, made["adapter_checkpoint"])
    sweep(house.lake, house.case)
    assert usable(house, made["adapter_checkpoint"])


def test_two_sweeps_at_once_come_to_the_same_marks(ledger_house: House) -> None:
    house = ledger_house
    home = house.environment.defs.parent
    house.write(rows(3))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    made = house.build()
    house.write_ledger(p0="yes", p1="yes", p2="withdrawn")
    both = [in_process(home, 1000) for _ in range(2)]
    for process in both:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()
    assert marked(house) == {made[stage].id: {"consent_withdrawn": 1} for stage in CHAIN}


def test_a_writer_that_was_faster_is_waited_for(house: House) -> None:
    house.write(rows(2))
    made = house.build()
    one = Tainted(made["splits"], Counter({"expired": 1}))
    code = "\n".join(
        [
            "import time; from ft_platform.lake.store import Lake",
            f"with Lake({house.lake.root!r}).writer_lock('restricted', 'tests', {NOT_TAINTED!r}):",
            "    print('held', flush=True); time.sleep(1); print('left', flush=True)",
        ]
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        mark(house.lake, house.case, Found([one], []), later(0), None)
        assert select.select([other.stdout], [], [], 0)[0], "the other one still holds the lock"
    assert marked(house) == {made["splits"].id: {"expired": 1}}


def test_of_each_version_only_ids_and_what_is_judged_is_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write(rows())
    house.build()
    house.write(rows(consent={3: "withdrawn"}))
    house.permit()
    read: dict[str, set[str]] = {}
    original = type(house.lake).read

    def noted(lake, version: TableVersion, columns=None, batch_rows: int = 8192):
        read.setdefault(version.name, set()).update(columns or ["everything"])
        return original(lake, version, columns, batch_rows)

    monkeypatch.setattr(type(house.lake), "read", noted)
    monkeypatch.setattr(type(house.lake), "read_table", lambda *_: pytest.fail("a whole table was read into memory"))
    sweep(house.lake, house.case)
    keys = {"source_key", "ingested_at", "source_position"}
    judged = {"record_id", "source_key", "source_uri", "consent", "purpose"}
    assert read.pop("raw_records") == keys | judged
    assert read.pop("permitted_records") == judged
    assert read == {name: {"record_id"} for name in LATER}


def test_marks_hold_counts_and_reasons_and_no_person(ledger_house: House) -> None:
    house = ledger_house
    house.write(rows(3, person={1: "Zebulon Quartermain"}))
    write = {"p0": "yes", "Zebulon Quartermain": "yes", "p2": "yes"}
    house.write_ledger(**write)
    house.build()
    house.write_ledger(**{**write, "Zebulon Quartermain": "withdrawn"})
    found = sweep(house.lake, house.case)
    assert found.tainted and "Zebulon" not in str(found.to_dict())
    files = [path for path in Path(house.lake.root).rglob("*.json") if "verdicts" in path.parts]
    assert len([path for path in files if path.name == f"{NOT_TAINTED}.json"]) == len(CHAIN)
    for path in files:
        assert "Zebulon" not in path.read_text()
    assert not list(Path(house.lake.root).rglob("consent_ledger*")), "the copy of the ledger is gone"


def test_a_version_that_nobody_refuses_is_not_found(house: House) -> None:
    from ft_platform.governance.permission import Refused

    house.write(rows(2))
    house.build()
    assert find_tainted(house.lake, house.case, datetime.now(UTC).date(), None, Refused()) == Found([], [])


@pytest.mark.parametrize("how", ["deleted", "altered"])
def test_a_mark_that_was_taken_away_by_hand_is_noticed_and_made_again(ledger_house: House, how: str) -> None:
    house = ledger_house
    house.write(rows())
    house.write_ledger(**{f"p{n}": "yes" for n in range(6)})
    splits = house.build()["splits"]
    house.write_ledger(**{f"p{n}": "withdrawn" if n == 2 else "yes" for n in range(6)})
    sweep(house.lake, house.case)
    assert taint_of(house.lake, splits)
    file = Path(f"{house.lake._verdict_folder(splits)}/{NOT_TAINTED}.json")
    if how == "deleted":
        file.unlink()
    else:
        file.write_text(file.read_text().replace('"passed": false', '"passed": true'))
    assert any(f"was {how}" in problem for problem in problems_with(house.lake, house.case, splits))
    permitted_records = house.lake.latest("tests", "permitted_records")
    assert permitted_records and taint.must_be_swept(
        house.lake, house.case, permitted_records, datetime.now(UTC).date()
    )
    sweep(house.lake, house.case)
    assert taint_of(house.lake, splits)
    assert house.lake.signing and not snapshot.Snapshot(house.lake).control_problems("tests")
