"""Experts correct records in the browser, over the real report server and real stages. Persons are fictitious."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.evaluation.annotation.browsing import handle_of
from ft_platform.evaluation.annotation.repairs import repairs
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.web.annotating import ANA, BO, CY, EVE, MIA, MISSED, PAGE, Annotating, Expert
from ft_platform_tests.web.office import Forms, alert

pytestmark = pytest.mark.integration
OLD = "no longer current"


@pytest.fixture
def site(environment: Environment, quick_stages: None) -> Annotating:
    made = Annotating(environment)
    made.prepare()
    return made


def test_two_who_agree_repair_a_record_and_an_arbiter_decides_what_they_do_not(site: Annotating) -> None:
    task = site.started(rows=3)
    order = site.sheet(ANA).order
    before = site.sheet(ANA).task.before
    other = {one: next(label for label in site.sheet(ANA).task.labels if label != before[one]) for one in order}
    with site.serving() as address:
        ana, bo, cy = (Expert(address, name) for name in (ANA, BO, CY))
        needs = ana.get("/needs").text.partition("You</h2>")[2].partition("<h2")[0]
        assert f"3 records of {task} wait for the judgement" in needs and 'href="annotate?of=tests"' in needs
        page = ana.open()
        assert "Record 1 of 3" in page and "Skip" in page and 'type="submit" name="value"' in page
        assert "You said" not in page and 'class="mine"' not in page, "the present label is not told from others"
        done = ana.say("judge", value=other[order[0]])
        assert (done.status_code, done.headers["location"]) == (303, f"/annotate?of=tests&task={task}&at=2")
        assert "You said" not in bo.open(1), "nobody sees what another rater said"
        assert ana.say("judge", value=before[order[1]]).status_code == 303
        assert ana.say("judge", value=before[order[2]]).headers["location"] == f"/annotate?of=tests&task={task}"
        assert "No record waits for you." in ana.open()
        assert f"You said: {before[order[1]]}" in ana.open(2, task), "back shows what oneself said"
        assert repairs(site.lake, site.case) == []
        assert bo.say("judge", 1, task, value=other[order[0]]).status_code == 303
        (repair,) = repairs(site.lake, site.case)
        assert (repair.record_id, repair.after, repair.arbiter) == (order[0], other[order[0]], None)
        assert repair.raters == tuple(sorted(handle_of(named(one)) for one in (ANA, BO)))
        assert bo.say("judge", 2, task, value=other[order[1]]).status_code == 303
        assert bo.say("judge", 3, task, value=before[order[2]]).status_code == 303
        assert "decide" not in bo.open(2, task), "who rated a record is not its arbiter"
        page = cy.open()
        assert "1 of them wait for an arbiter" in cy.get("/needs").text
        assert "Two people disagree about this one, and you decide." in page and "Record 2 of 3" in page
        assert before[order[1]] in page and other[order[1]] in page and ANA not in page and BO not in page
        assert cy.say("judge", value=other[order[1]]).status_code == 303
        assert [one.arbiter for one in repairs(site.lake, site.case)] == [None, handle_of(named(CY))]
        assert "wait for the judgement" not in cy.get("/needs").text
        # An arbiter who thinks again is still the arbiter, and the record goes back to what it was.
        assert cy.say("judge", 2, task, value=before[order[1]]).status_code == 303
        page = ana.open()
        assert re.search(r"kappa|alpha|too few|same answer", page) and "No record waits for you." in page
    counts = site.lake.manifest(site.prepare()).counts
    assert sum(counts["repaired"].values()) == 1, "the arbiter took the second repair back"
    noted = [(one.what, one.person, one.known_by) for one in AuditLog(site.lake).entries() if one.kind == "annotation"]
    assert noted.count(("handed in judgements of records", CY, "password")) == 2


def test_two_tabs_two_raters_at_once_and_others_lose_nothing_and_settle_nothing_twice(site: Annotating) -> None:
    task = site.started(rows=2)
    label = site.sheet(ANA).task.labels[0]
    with site.serving() as address:
        ana, bo, cy, mia = (Expert(address, name) for name in (ANA, BO, CY, MIA))
        first, second = (Forms(ana.open(1, task)).found[0] for _ in range(2))
        assert ana.send(first, value=label).status_code == 303
        late = ana.send(second, value=label)
        assert late.status_code == 409 and OLD in alert(late)
        third = Forms(cy.open(1, task)).found[0]
        assert bo.say("judge", 1, task, value=label).status_code == 303
        assert cy.send(third, value=site.sheet(ANA).task.labels[1]).status_code == 409, "two have settled it since"
        with ThreadPoolExecutor(2) as pool:
            forms = [(one, Forms(one.open(2, task)).found[0]) for one in (ana, bo)]
            answers = list(pool.map(lambda pair: pair[0].send(pair[1], value=label), forms))
        assert [one.status_code for one in answers] == [303, 303]
        assert set(site.sheet(ANA).state["judged"].values()) == {2}
        assert site.sheet(ANA).state["single"] == 0
        page = mia.open(1, task)
        assert "You may not correct records" in page and "<blockquote" not in page and "How far it is" in page
        assert mia.send({**third, "token": mia.token("annotate")}, value=label).status_code == 403


def test_what_was_missed_is_hidden_at_the_next_run_and_a_placeholder_is_shown_by_two(site: Annotating) -> None:
    first = site.prepare()
    site.started(rows=90)
    named_here, linked = site.record_with(first, MISSED), site.record_with(first, "<URL")
    order = site.sheet(ANA).order
    at, link = order.index(named_here) + 1, order.index(linked) + 1
    task = site.sheet(ANA).task.id
    with site.serving() as address:
        ana, eve = (Expert(address, name) for name in (ANA, EVE))
        wrong = ana.say("missed", at, task, words="not in the text", entity="PERSON")
        assert wrong.status_code == 400 and "do not stand in the text" in alert(wrong)
        done = ana.say("missed", at, task, words=" zorvan  QUILL ", entity="PERSON", everywhere="yes")
        assert (done.status_code, done.headers["location"]) == (303, f"/annotate?of=tests&task={task}&at={at}")
        assert "You marked missed words as PERSON, in all records" in ana.open(at, task)
        assert ana.say("none", link, task).status_code == 303
        page = ana.open(link, task)
        assert "2 records with" in page and "1 place was missed" in page and "in 1,000 words" in page
        assert ana.say("shown", link, task, placeholder="0-0").status_code == 303
        second = site.prepare()
        assert MISSED not in "".join(site.text(second, one) for one in order), "hidden in all records"
        assert "<PERSON_" in site.text(second, named_here) and PAGE not in site.text(second, linked)
        assert site.prepare() == second, "nothing new, nothing made"
        page = eve.open()
        assert "You may not correct records" in page and "wait for a second person" in page
        assert "hides no personal data. If you think so too" in eve.open(link, task)
        assert {one["what"] for one in Forms(eve.open(link, task)).found} == {"shown"}
        assert eve.say("shown", link, task, placeholder="0-0").status_code == 303
        third = site.prepare()
        assert PAGE in site.text(third, linked), "two say so"
        assert MISSED not in site.text(third, named_here)
        assert site.marks() == [("missed", ANA), ("none", ANA), ("shown", ANA), ("shown", EVE)]
    assert told(site, "quill") == [], "the words stand in no statement, log or note"


def told(site: Annotating, word: str) -> list[str]:
    """Files of the installation beside the rows of its tables that have a word."""
    files = [path for path in site.environment.home.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    return [path.name for path in files if word.encode() in path.read_bytes().lower()]
