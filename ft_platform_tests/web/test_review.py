"""Experts judge answers in the portal: forms, rights, and what a browser never learns. Persons are fictitious."""

import re
from pathlib import Path
from typing import Any

import pytest

from ft_platform.evaluation.agreement import FINE_TUNED
from ft_platform.evaluation.review.online import Review, newest_review
from ft_platform.lake.gate import problems_with
from ft_platform.people.audit_log.log import AuditLog
from ft_platform_tests.web.office import Browser, alert
from ft_platform_tests.web.review_office import EVE, MARIA, TOM, UMA, ReviewOffice, Sides, better_side, judge_next

REVIEW, REVIEWS = "/review?of=complaints", "/reviews?of=complaints"


@pytest.fixture
def office(tmp_path: Path) -> ReviewOffice:
    return ReviewOffice(tmp_path, rows=100).with_users()


def opened(office: ReviewOffice) -> Review:
    review = newest_review(office.lake, office.use_case)
    assert review
    return review


def start(maria: Browser, **fields: str) -> None:
    answer = maria.act("reviews", "start", **{"most": "20", "alternative": "base_few_shot", **fields})
    assert answer.status_code == 303, alert(answer)


def test_raters_judge_through_to_the_end_and_the_manager_publishes(office: ReviewOffice) -> None:
    with office.serving() as address:
        maria, tom, uma = (Browser(address, name) for name in (MARIA, TOM, UMA))
        assert "No review is open." in tom.get(REVIEW).text and tom.whats("review") == set()
        start(maria, raters=f"{TOM}, {UMA}", criteria="correct: wrong | right")
        assert "nothing to publish" in maria.get(REVIEWS).text and maria.whats("reviews") == {"drop"}
        scores: dict[str, Any] = {"score_0_a": "4", "score_0_b": "2"}
        assert "of at most 20" in tom.get(REVIEW).text and tom.whats("review") == {"begin"}
        while judge_next(tom, **scores, comment="Clear <b>") | judge_next(uma, **scores):
            pass
        for rater in (tom, uma):
            assert "has come to its end" in rater.get(REVIEW).text and rater.whats("review") == {"back"}
        live = maria.get(REVIEWS).text
        assert "the whole interval reaches" in live and "Clear &lt;b&gt;" in live and TOM in live
        assert maria.act("reviews", "publish").status_code == 303
        assert office.followed == [("complaints", "start"), ("complaints", "publish")], "no run for each click"
        report = re.search(r'published: <a href="([^"]+)">report', maria.get(REVIEWS).text)
        assert report and "Human review of complaints" in maria.get(f"/{report[1]}").text
        version = office.lake.artifacts("complaints", "human_review")[0]
        assert problems_with(office.lake, office.use_case, version) == []
        assert "has come to its end" in tom.get(REVIEW).text and tom.whats("review") == set()


def test_no_page_tells_which_answer_is_whose(office: ReviewOffice) -> None:
    with office.serving() as address:
        maria, tom = Browser(address, MARIA), Browser(address, TOM)
        start(maria)
        sides = set()
        for _ in range(4):
            judge_next(tom, lambda _: "equal")
            page = tom.get(REVIEW).text
            sides.add(better_side(page))
            for word in ("fine_tuned", "fine-tuned", "few_shot", "few-shot", "r00", opened(office).said["secret"]):
                assert word not in page, word
            assert "<script>alert" not in page and "<img src=x" not in page
            assert any("<script>alert(1)</script>" in text for text in Sides(page).texts)
        assert sides <= {"a", "b"}
        # Whoever may judge learns no figure while the review goes on; the manager does.
        live = tom.get(REVIEWS).text
        assert "shown to you when the review has come to its end" in live and "Win rate" not in live
        assert "Win rate" in maria.get(REVIEWS).text


def test_the_side_that_was_chosen_is_the_system_that_counts(office: ReviewOffice) -> None:
    with office.serving() as address:
        start(Browser(address, MARIA))
        tom = Browser(address, TOM)
        for _ in range(5):
            judge_next(tom)
        review = opened(office)
        said = review.judgements.all()
        assert [review.preferred(one) for one in said] == [FINE_TUNED] * 5
        assert {one.better for one in said} <= {"a", "b"}


def test_two_windows_and_a_second_click_lose_nothing_and_count_once(office: ReviewOffice) -> None:
    with office.serving() as address:
        start(Browser(address, MARIA))
        tom = Browser(address, TOM)
        judge_next(tom)
        form = tom.form("review", "judge")
        assert tom.send({**form, "better": "a", "comment": "From one window"}).status_code == 303
        assert tom.send({**form, "better": "b", "comment": "From another"}).status_code == 303
        last = tom.form("review", "judge")
        assert last["place"] != form["place"]
        said = opened(office).judgements.all()
        assert [(one.better, one.comment) for one in said[1:]] == [("b", "From another")]


def test_the_last_choice_can_be_corrected(office: ReviewOffice) -> None:
    with office.serving() as address:
        start(Browser(address, MARIA), criteria="correct: wrong | right")
        tom = Browser(address, TOM)
        scores = {"score_0_a": "4", "score_0_b": "2"}
        tom.act("review", "begin")
        shown = Sides(tom.get(REVIEW).text).texts
        judge_next(tom, lambda _: "a", comment="At first", **scores)
        page = tom.act("review", "back").text
        assert Sides(page).texts == shown and "A is better ✓" in page and "At first" in page
        assert re.search(r'name="score_0_a" value="4" required checked', page)
        place = re.search(r'name="place" value="(\d+)"', page)
        assert place
        refused = tom.send(
            {**tom.form("review", "judge"), "place": place[1], "better": "b", "comment": "x@y.org", **scores}
        )
        assert refused.status_code == 400 and "personal data" in alert(refused)
        assert Sides(refused.text).texts == shown and "x@y.org" in refused.text, "what was typed is not lost"
        form = {**tom.form("review", "judge"), "place": place[1], "comment": "Thought again", **scores}
        assert tom.send(form, better="both_bad").status_code == 303
        assert [(one.better, one.comment) for one in opened(office).judgements.all()] == [("both_bad", "Thought again")]


def test_only_those_who_may_start_publish_or_judge(office: ReviewOffice) -> None:
    with office.serving() as address:
        maria, tom, uma, eve = (Browser(address, name) for name in (MARIA, TOM, UMA, EVE))
        start(maria, raters=TOM)
        # The page has no form to publish a review in which nothing is judged; somebody sends one all the same.
        begin, publish = tom.form("review", "begin"), {**maria.form("reviews", "drop"), "what": "publish"}
        for other, why in ((uma, "not among the raters"), (eve, "only the domain expert")):
            assert other.whats("review") == set()
            refused = other.send({**begin, "token": other.token("review")})
            assert refused.status_code == 403 and why in alert(refused)
        assert tom.send({**begin, "token": "0" * 64}).status_code == 403
        assert tom.send(begin, origin="https://evil.example").status_code == 403
        denials = [one.person for one in AuditLog(office.lake).entries() if one.kind == "denial"]
        assert denials == [UMA, EVE]
        tom.act("review", "begin")
        stale = maria.send({**publish, "shown": "0" * 64})
        assert stale.status_code == 409 and "no longer current" in alert(stale)
        assert "nobody has judged" in alert(maria.send(publish)).casefold()
        assert maria.act("reviews", "drop", reason="no").status_code == 400
        assert maria.act("reviews", "drop", reason="Started too early, sorry").status_code == 303
        assert "No review is open." in maria.get(REVIEWS).text


def test_what_cannot_be_started_keeps_what_was_typed(office: ReviewOffice) -> None:
    with office.serving() as address:
        maria = Browser(address, MARIA)
        fields = {"alternative": "base_few_shot", "most": "30", "raters": "nobody@example.org", "criteria": "a: b | c"}
        refused = maria.act("reviews", "start", **fields)
        assert refused.status_code == 400 and "only the domain expert" in alert(refused)
        for typed in ('value="30"', 'value="nobody@example.org"', ">a: b | c</textarea>"):
            assert typed in refused.text
        for most in ("x", "9" * 9, ""):
            assert "whole number" in alert(maria.act("reviews", "start", **{**fields, "most": most}))
        assert newest_review(office.lake, office.use_case) is None


def test_what_waits_is_told_to_raters_and_then_to_who_publishes(office: ReviewOffice) -> None:
    with office.serving() as address:
        maria, tom = Browser(address, MARIA), Browser(address, TOM)
        start(maria)
        assert "A review of answers waits for judgements." in tom.get("/needs").text
        while judge_next(tom):
            pass
        assert "A review of answers has come to its end." in maria.get("/needs").text
