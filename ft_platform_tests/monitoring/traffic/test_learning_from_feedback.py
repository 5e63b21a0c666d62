"""From requests to a served model to the next training, in a real lake with the real stages: what is learned, what is
not, and what is gone after a withdrawal."""

from datetime import timedelta
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, DataError
from ft_platform.governance.feedback_releases import feedback_releases
from ft_platform.governance.taint import sweep, tainted_now
from ft_platform.lake.snapshot import Snapshot
from ft_platform.monitoring.traffic import batches
from ft_platform.monitoring.traffic.remaking import remake
from ft_platform.monitoring.traffic.shipping import forget_subject, spool_path
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.graph import write_csv
from ft_platform_tests.monitoring.traffic.served import NOW, Served, text

REASON = "looked at them together"


@pytest.fixture
def served(environment: Environment, quick_stages: None) -> Served:
    return Served(environment)


def release_all(served: Served) -> list[str]:
    remake(served.lake, served.environment, served.case)
    names = [one.name for one in batches.waiting(served.lake, served.case)]
    return [batches.release(served.lake, served.case, name, reason=REASON).id for name in names]


def on_disk(served: Served, word: str) -> list[str]:
    root = Path(served.lake.root)
    return [
        str(one.relative_to(root)) for one in root.rglob("*") if one.is_file() and word.encode() in one.read_bytes()
    ]


@pytest.mark.integration
def test_released_feedback_is_learned_and_what_a_test_record_is_near_to_is_not(served: Served) -> None:
    first = served.prepare()
    texts = {one["record_id"]: one["messages"][0]["content"] for one in served.rows(first).to_pylist()}
    sides = served.sides(first)
    tested = [texts[record] for record, side in sides.items() if side == "test"]
    trained = [texts[record] for record, side in sides.items() if side == "train"]
    new = [served.ask(number, text(number)) for number in range(5)]
    equal_to_test, near_to_test = served.ask(10, tested[0]), served.ask(11, tested[1] + " please")
    equal_to_train, near_to_train = served.ask(12, trained[0]), served.ask(13, trained[1] + " please")
    other_purpose = served.ask(14, text(14), purpose="marketing")
    unlabelled = served.ask(15, text(15), label=None)
    release_all(served)
    second = served.prepare()
    after = served.sides(second)
    assert {after.get(record) for record in new} == {"train"}
    assert {record: side for record, side in after.items() if record in sides} == sides, "no record moved"
    for record in (equal_to_test, near_to_test, equal_to_train, near_to_train, other_purpose, unlabelled):
        assert record not in after
    assert served.lake.manifest(second).counts["feedback_rows"] == 5
    assert served.prepare() == second, "nothing new, nothing made"
    assert Snapshot.of(served.lake).control_problems("tests") == []


@pytest.mark.integration
def test_a_request_near_to_a_test_record_that_cleaning_keeps_is_left_out_by_the_division(
    environment: Environment, quick_stages: None
) -> None:
    served = Served(environment, cleaning={"exact_duplicates": "keep", "near_duplicates": "keep"})
    first = served.prepare()
    texts = {one["record_id"]: one["messages"][0]["content"] for one in served.rows(first).to_pylist()}
    by_side = {
        side: [record for record, its in served.sides(first).items() if its == side] for side in ("test", "train")
    }
    leaks = [served.ask(1, texts[by_side["test"][0]]), served.ask(2, texts[by_side["test"][1]] + " please")]
    learned = served.ask(3, texts[by_side["train"][0]] + " please")
    release_all(served)
    second = served.prepare()
    assert {record: served.removed(second)[record] for record in leaks} == dict.fromkeys(leaks, "related_to_later_side")
    assert served.sides(second)[learned] == "train"


@pytest.mark.integration
def test_what_nobody_released_is_not_learned(served: Served) -> None:
    before = served.prepare()
    record = served.ask(1, text(1))
    remake(served.lake, served.environment, served.case)
    assert [one.records for one in batches.waiting(served.lake, served.case)] == [{record: "mortgage"}]
    assert served.prepare() == before
    # A text that got among the released ones without a release is no record either.
    rows = served.tables.read("labelled").to_pylist()
    assert rows[0]["record_id"] == record
    release_all(served)
    assert record in served.sides(served.prepare())
    served.attributes["source"]["feedback"]["join"] = False
    assert served.sides(served.prepare()) == served.sides(before)


@pytest.mark.integration
def test_the_stage_of_permission_refuses_a_request_that_was_not_released(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted fault: the source hands on what nobody released."""
    record = served.ask(1, text(1))
    release_all(served)
    monkeypatch.setattr("ft_platform.governance.feedback_releases.released_now", lambda lake, name: {})
    assert record not in served.sides(served.prepare())


@pytest.mark.integration
def test_requests_are_never_more_than_their_share(served: Served) -> None:
    served.attributes["source"]["feedback"]["max_share"] = 0.1
    asked = {served.ask(number, text(number)) for number in range(30)}
    release_all(served)
    made = served.prepare()
    train = [record for record, side in served.sides(made).items() if side == "train"]
    learned = asked & set(train)
    assert 0 < len(learned) <= 0.1 * len(train) < len(asked)
    assert {served.removed(made)[record] for record in asked - learned} == {"over_feedback_share"}


@pytest.mark.integration
def test_who_withdrew_is_forgotten_and_what_learned_of_them_is_tainted(
    environment: Environment, quick_stages: None
) -> None:
    served = Served(environment, ledger=True)
    callers = {f"caller{number}": "yes" for number in (1, 2)}
    served.write_ledger(**callers)
    stays, goes = served.ask(1, text(1)), served.ask(2, text(2))
    stranger = served.ask(3, text(3))
    release_all(served)
    first = served.prepare()
    assert {stays, goes} <= set(served.sides(first)) and stranger not in served.sides(first)
    assert on_disk(served, "caller2")
    served.write_ledger(**callers | {"caller2": "withdrawn"})
    second = served.prepare()
    assert stays in served.sides(second) and goes not in served.sides(second)
    tainted = {(one["stage"], one["version"]) for one in tainted_now(served.lake, "tests")}
    assert ("splits", first.id) in tainted and ("splits", second.id) not in tainted
    remake(served.lake, served.environment, served.case)
    for kind in ("texts", "released", "records", "labelled"):
        ids = served.tables.read(kind, columns=["request_id"])["request_id"].to_pylist()
        assert f"classify-{2:032x}" not in ids, kind
    assert not [one for one in on_disk(served, "caller2") if "/traffic/" in one]
    (release,) = feedback_releases(served.lake, "tests")
    assert release.forgotten == {goes} and set(release.records) == {stays}


@pytest.mark.integration
def test_a_person_without_a_ledger_is_forgotten_on_request(served: Served) -> None:
    goes, stays = served.ask(1, text(1)), served.ask(2, text(2))
    release_all(served)
    first = served.prepare()
    assert forget_subject(served.lake, spool_path(served.environment), "tests", "caller1") == 1
    sweep(served.lake, served.case)
    reasons = {one["version"]: one["reasons"] for one in tainted_now(served.lake, "tests")}
    assert reasons[first.id] == {"not_released": 1}
    after = served.sides(served.prepare())
    assert goes not in after and stays in after


@pytest.mark.integration
def test_a_release_that_is_taken_back_is_not_learned_and_taints_what_learned_it(served: Served) -> None:
    record = served.ask(1, text(1))
    (release,) = release_all(served)
    first = served.prepare()
    with pytest.raises(ConfigError, match="--reason"):
        batches.take_back(served.lake, served.case, release, reason="no")
    batches.take_back(served.lake, served.case, release, reason="labels of a broken import")
    assert served.tables.read("released").num_rows == 0
    sweep(served.lake, served.case)
    assert first.id in {one["version"] for one in tainted_now(served.lake, "tests")}
    assert record not in served.sides(served.prepare())
    assert not batches.waiting(served.lake, served.case), "it does not wait again"


@pytest.mark.integration
def test_days_that_are_too_old_are_gone_and_what_was_released_of_them_is_learned_still(served: Served) -> None:
    old, new = served.ask(1, text(1), at=NOW - timedelta(20)), served.ask(2, text(2))
    release_all(served)
    assert sorted(served.tables.read("records")["record_id"].to_pylist()) == sorted([old, new])
    served.attributes["monitoring"]["capture"]["retention_days"] = 10
    remake(served.lake, served.environment, served.case)
    for kind in ("records", "labelled", "texts"):
        assert list(served.tables.rows_of_days(kind)) == [NOW.date().isoformat()], kind
    assert {old, new} <= set(served.sides(served.prepare()))
    files = list((Path(served.lake.root) / "shared/tests/traffic/records").rglob("*.parquet"))
    assert len(files) == 1, "replaced files are not on the disk"


@pytest.mark.integration
def test_traffic_records_are_anonymized_counted_and_empty_if_nothing_may_be_used(
    served: Served,
) -> None:
    mail = "alda.berg@example.org"
    served.ask(1, text(1) + f" Write to {mail}.", label="credit card")
    served.ask(2, text(2), purpose="marketing")
    served.ask(3, text(3), consent="no")
    made = remake(served.lake, served.environment, served.case)
    assert [(one["stage"], one["rows_in"], one["kept"]) for one in made.funnel] == [
        ("permitted", 3, 1),
        ("cleaned", 1, 1),
        ("anonymized", 1, 1),
    ]
    assert made.funnel[0]["removed"] == {"consent_not_accepted": 1, "purpose_not_permitted": 1}
    (row,) = served.tables.read("labelled").to_pylist()
    told = {name: row[name] for name in ("label", "decision", "verdict", "votes", "people", "share", "edited")}
    assert told == {
        "label": "credit card",
        "decision": "mortgage",
        "verdict": "wrong",
        "votes": 1,
        "people": 1,
        "share": 1.0,
        "edited": False,
    }
    assert mail not in row["messages"][0]["content"] and row["subject"] != "caller1"
    assert not [one for one in on_disk(served, mail) if one.startswith("shared")]
    forget_subject(served.lake, spool_path(served.environment), "tests", "caller1")
    with pytest.raises(DataError, match="purpose_not_permitted: 1"):
        remake(served.lake, served.environment, served.case)
    assert served.tables.read("records").num_rows == served.tables.read("labelled").num_rows == 0


@pytest.mark.integration
def test_a_batch_that_changed_since_it_was_shown_is_not_released(served: Served) -> None:
    served.ask(1, text(1))
    remake(served.lake, served.environment, served.case)
    (shown,) = batches.waiting(served.lake, served.case)
    served.ask(2, text(2))
    remake(served.lake, served.environment, served.case)
    with pytest.raises(DataError, match="waits"):
        batches.release(served.lake, served.case, shown.name, reason=REASON)
    (now,) = batches.waiting(served.lake, served.case)
    with pytest.raises(ConfigError, match="--reason"):
        batches.release(served.lake, served.case, now.name, reason="ok")
    assert now.counts == {
        "day": NOW.date().isoformat(),
        "records": 2,
        "labels": {"mortgage": 2},
        "agree": 2,
        "votes": 2,
    }


@pytest.mark.integration
def test_feedback_of_a_published_dataset_rests_on_its_own_consent(environment: Environment, quick_stages: None) -> None:
    """The licence that permits the source permits no request."""
    served = Served(environment, governance={"without_consent_column": "licence", "licence": "CC0-1.0"})
    del served.attributes["record"]["consent"]
    asked, refused = served.ask(1, text(1)), served.ask(2, text(2))
    release_all(served)
    rows = served.tables.read("released").to_pylist()
    served.tables.replace(
        "released",
        served.tables.read("released").from_pylist(
            [{**one, "consent": "no" if one["record_id"] == refused else one["consent"]} for one in rows],
            schema=served.tables.read("released").schema,
        ),
    )
    sides = served.sides(served.prepare())
    assert asked in sides and refused not in sides and len(sides) == 91


@pytest.mark.integration
def test_a_label_that_was_changed_behind_the_release_stops_the_stage(served: Served) -> None:
    served.ask(1, text(1))
    release_all(served)
    there = served.tables.read("released")
    served.tables.replace(
        "released", there.from_pylist([{**one, "label": "x"} for one in there.to_pylist()], there.schema)
    )
    with pytest.raises(DataError, match="that were released"):
        served.prepare()


@pytest.mark.integration
def test_rows_that_vanish_from_the_source_go_and_what_was_asked_stays(served: Served) -> None:
    served.attributes["source"]["vanished_rows"] = "remove"
    record = served.ask(1, text(1))
    release_all(served)
    before = served.sides(served.prepare())
    write_csv(served.source, served.lines[1:])
    after = served.sides(served.prepare())
    assert record in after and len(after) == len(before) - 1
    later = served.ask(2, text(2))
    release_all(served)
    assert {record, later} <= set(served.sides(served.prepare()))


@pytest.mark.integration
def test_texts_of_a_release_that_was_killed_halfway_end_with_their_days(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = served.ask(1, text(1), at=NOW - timedelta(20))
    release_all(served)
    served.ask(2, text(2), at=NOW - timedelta(19))
    with monkeypatch.context() as kill:
        kill.setattr(batches, "release_batch", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            release_all(served)
    assert served.tables.read("released").num_rows == 2
    assert kept in served.sides(served.prepare())
    served.attributes["monitoring"]["capture"]["retention_days"] = 10
    remake(served.lake, served.environment, served.case)
    assert served.tables.read("released")["record_id"].to_pylist() == [kept]


@pytest.mark.integration
def test_requests_make_no_column_of_the_source_coarser(served: Served) -> None:
    """They have no features: together they are one group of at least k persons."""
    del served.attributes["privacy"]["without_quasi_identifiers"]
    served.attributes["privacy"] |= {"quasi_identifiers": {"region": "category"}, "k": 5}
    before = {one["record_id"]: one["feature_region"] for one in served.rows(served.prepare()).to_pylist()}
    for number in range(4):
        served.ask(number, text(number))
    with pytest.raises(DataError, match=r"privacy\.k"):
        release_all(served)
    assert served.tables.read("records").num_rows == 0
    asked = {served.ask(number, text(number)) for number in range(4, 7)}
    release_all(served)
    after = {one["record_id"]: one["feature_region"] for one in served.rows(served.prepare()).to_pylist()}
    assert set(before.values()) == {"north", "south"} and before.items() <= after.items() and asked <= set(after)
