"""Requests that are kept for testing, in a real lake with the real stages: no training learns them, and they go with
their persons."""

import argparse
from datetime import timedelta
from typing import Any

import pytest

from ft_platform.commands import feedback
from ft_platform.errors import CorruptVersion
from ft_platform.governance.feedback_releases import release_batch
from ft_platform.monitoring.traffic import batches
from ft_platform.monitoring.traffic.fresh import FreshRequests, fresh_requests, is_for_testing, right_of
from ft_platform.monitoring.traffic.remaking import remake
from ft_platform.monitoring.traffic.shipping import forget_subject, spool_path
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.monitoring.traffic.served import NOW, Served, text

REASON = "looked at them together"


@pytest.fixture
def served(environment: Environment, quick_stages: None) -> Served:
    served = Served(environment)
    keep(served, 0.5)
    return served


def keep(served: Served, share: float) -> None:
    served.attributes["source"]["feedback"]["fresh_test"] = {"share": share}


def release_all(served: Served) -> list[str]:
    remake(served.lake, served.environment, served.case)
    names = [one.name for one in batches.waiting(served.lake, served.case)]
    return [batches.release(served.lake, served.case, name, reason=REASON).id for name in names]


def fresh(served: Served) -> FreshRequests:
    remake(served.lake, served.environment, served.case)
    found = fresh_requests(served.lake, served.case)
    assert found is not None
    return found


def ids(found: FreshRequests) -> set[str]:
    return set(found.rows["record_id"].to_pylist())


@pytest.mark.integration
def test_what_is_kept_for_testing_is_in_no_training_and_its_text_is_kept_no_longer(served: Served) -> None:
    asked = {served.ask(number, text(number)) for number in range(24)}
    remake(served.lake, served.environment, served.case)
    (waiting,) = batches.waiting(served.lake, served.case)
    kept, learned = set(waiting.fresh), set(waiting.records)
    assert kept and learned and kept | learned == asked and not kept & learned
    assert waiting.counts["records"] == 24 and waiting.counts["for_testing"] == len(kept)
    release_all(served)
    assert set(served.tables.read("released")["record_id"].to_pylist()) == learned
    sides = served.sides(served.prepare())
    assert learned <= set(sides) and not kept & set(sides)
    found = fresh(served)
    assert ids(found) == kept and found.changed == 0 and set(found.days.values()) == {NOW.date().isoformat()}
    assert not batches.waiting(served.lake, served.case), "it does not wait again"


@pytest.mark.integration
def test_the_command_says_how_many_are_kept_for_testing(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(24):
        served.ask(number, text(number))
    monkeypatch.setattr(feedback, "opened", lambda name: (served.environment, served.case, served.lake))
    parser = argparse.ArgumentParser()
    feedback.add_arguments(parser)
    feedback.run(parser.parse_args(["tests"]))
    (waiting,) = batches.waiting(served.lake, served.case)
    assert f"mortgage 24; {len(waiting.fresh)} are kept for testing" in capsys.readouterr().out
    feedback.run(parser.parse_args(["tests", "--release", waiting.name, "--reason", REASON]))
    learned = len(waiting.records)
    assert f"{learned} of {learned} records and {len(waiting.fresh)} for testing" in capsys.readouterr().out


@pytest.mark.integration
def test_a_release_holds_for_good_whatever_share_and_seed_say_later(served: Served) -> None:
    keep(served, 0.0)
    learned = {served.ask(number, text(number)) for number in range(6)}
    assert fresh_requests(served.lake, served.case) is None
    release_all(served)
    keep(served, 0.5)
    asked = {served.ask(number, text(number)) for number in range(6, 30)}
    release_all(served)
    kept = ids(fresh(served))
    assert kept and kept < asked
    for share, seed in ((0.01, 17), (0.5, 99)):
        keep(served, share)
        served.attributes["splits"] = {**served.attributes.get("splits", {}), "seed": seed}
        assert ids(fresh(served)) == kept
        sides = set(served.sides(served.prepare()))
        assert learned <= sides and not kept & sides


@pytest.mark.integration
def test_all_requests_of_a_person_are_kept_or_none(served: Served) -> None:
    for number in range(48):
        served.ask(number, text(number), subject=f"caller{number % 24}")
    remake(served.lake, served.environment, served.case)
    rows = served.tables.read("labelled").to_pylist()
    drawn = {(one["subject"], is_for_testing(served.case, one)) for one in rows}
    assert len(drawn) == 24 and {kept for _, kept in drawn} == {True, False}


@pytest.mark.integration
def test_who_withdrew_is_no_test_record_and_neither_is_what_was_taken_back_or_changed(served: Served) -> None:
    for number in range(24):
        served.ask(number, text(number))
    (release,) = release_all(served)
    before = fresh(served)
    rows = {one["record_id"]: one for one in served.tables.read("labelled").to_pylist()}
    goes, changes = sorted(ids(before))[:2]
    number = int(rows[goes]["request_id"].removeprefix("classify-"), 16)
    assert forget_subject(served.lake, spool_path(served.environment), "tests", f"caller{number}") == 1
    after = fresh(served)
    assert ids(before) - ids(after) == {goes} and after.content_hash != before.content_hash
    other = [{**one, "label": "student loan"} if one["record_id"] == changes else one for one in rows.values()]
    served.tables.replace("labelled", served.tables.read("labelled").from_pylist(other))
    found = fresh_requests(served.lake, served.case)
    assert found is not None and changes not in ids(found) and found.changed == 1
    batches.take_back(served.lake, served.case, release, reason="labels of a broken import")
    assert ids(fresh(served)) == set() and not batches.waiting(served.lake, served.case)


@pytest.mark.integration
def test_texts_that_are_too_old_test_nothing(served: Served) -> None:
    for number in range(24):
        served.ask(number, text(number), at=NOW - timedelta(20))
    release_all(served)
    assert ids(fresh(served))
    served.attributes["monitoring"]["capture"]["retention_days"] = 10
    served.ask(50, text(50))  # of nothing at all no table is made
    assert not ids(fresh(served))


@pytest.mark.integration
def test_a_release_that_was_killed_halfway_is_the_same_when_it_is_made_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(24):
        served.ask(number, text(number))
    remake(served.lake, served.environment, served.case)
    (shown,) = batches.waiting(served.lake, served.case)
    with monkeypatch.context() as kill:
        kill.setattr(batches, "release_batch", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            release_all(served)
    assert not ids(fresh(served)), "nobody released it"
    release_all(served)
    first, again = fresh(served), fresh(served)
    assert ids(first) == set(shown.fresh) and first.content_hash == again.content_hash
    assert served.tables.read("released").num_rows == len(shown.records)


@pytest.mark.integration
def test_a_request_that_was_released_for_both_is_found(served: Served) -> None:
    """Planted fault: a second release hands a request that is kept for testing to the training."""
    for number in range(24):
        served.ask(number, text(number))
    release_all(served)
    one = min(ids(fresh(served)))
    release_batch(served.lake, served.case, "2026-11-28-0a", {one: "mortgage"}, {}, reason=REASON)
    with pytest.raises(CorruptVersion, match="1 requests to tests were released both"):
        fresh_requests(served.lake, served.case)


@pytest.mark.parametrize(
    ("answer", "same"), [("Call us.", True), ("Call us!", False), ("", False)], ids=["same", "other", "empty"]
)
def test_the_right_answer_of_a_text_is_known_by_its_hash(answer: str, same: bool) -> None:
    def row(content: str) -> dict[str, Any]:
        said = [("user", "Where?"), ("assistant", content), ("rejected", "No.")]
        return {"label": None, "messages": [{"role": role, "content": words} for role, words in said]}

    assert (right_of(row(answer)) == right_of(row("Call us."))) is same
    assert "Call" not in right_of(row("Call us."))


def test_a_use_case_that_keeps_nothing_has_the_hashes_that_it_had(environment: Environment) -> None:
    def hashes(**about: Any) -> dict[str, str]:
        served = Served(environment)
        served.attributes["source"]["feedback"] |= about
        return {name: stage.settings_hash(served.case) for name, stage in STAGES.items()}

    usual = hashes()
    assert hashes(fresh_test={"share": 0.0, "min_records": 200, "max_loss": 0.1}) == usual
    kept = hashes(fresh_test={"share": 0.1})
    changed = {name for name in STAGES if kept[name] != usual[name]}
    assert changed == {"evaluation_report", "release_decision"}
    assert hashes(fresh_test={"share": 0.1, "min_records": 60})["evaluation_report"] != kept["evaluation_report"]
