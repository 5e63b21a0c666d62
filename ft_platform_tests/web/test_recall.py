"""A person marks what was missed in own records, in the browser, over the real report server and real stages, until it
is clear whether enough is found. Persons are fictitious."""

import logging
import re
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.commands.looking import door_of
from ft_platform.errors import ConfigError
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.looks.look import looks_in
from ft_platform.people.person import named
from ft_platform.privacy.own_sample import own_sample
from ft_platform.privacy.recall_verdict import measure_recall
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.looks import Looks
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.web.annotating import ANA, BO, CY, EVE, MISSED, OWNERS, Annotating, Expert
from ft_platform_tests.web.office import Forms, alert
from ft_platform_tests.web.test_annotate import told

pytestmark = pytest.mark.integration
TEAMS = OWNERS["teams"]
SAID = {"purpose": "data_quality", "reason": "Measure what is found in our records"}


class Marking(Annotating):
    """Ninety complaints, half of them with an address that is found; two name somebody whom nothing finds."""

    def __init__(self, environment: Environment) -> None:
        owners = {**OWNERS, "data_engineering": "team:engineers", "teams": {**TEAMS, "engineers": [ANA, CY]}}
        super().__init__(environment, owners=owners, privacy={"ner": "none", "min_recall": 0.6})

    def write_source(self) -> None:
        for number, line in enumerate(self.lines):
            if number % 2 and "@" not in line["text"]:
                line["text"] += f" Write to mirela{number:03d}@example.com"
        super().write_source()

    @property
    def sample(self) -> Any:
        anonymized = self.lake.latest("tests", "anonymized_records")
        assert anonymized
        return own_sample(self.lake, self.case, anonymized)

    def verdict(self) -> Any:
        anonymized = self.lake.latest("tests", "anonymized_records")
        assert anonymized
        return self.lake.verdicts(anonymized)["recall_above_floor"]


class Marker(Expert):
    def page(self) -> str:
        return self.get("/recall?of=tests").text

    def begin(self, **fields: str) -> Any:
        (form,) = [one for one in Forms(self.page()).found if one["what"] == "begin"]
        return self.client.post(f"{self.address}/recall?of=tests", data={**form, **SAID, **fields}, headers=self.origin)

    def mark(self, page: str, **fields: Any) -> Any:
        form = next(one for one in Forms(page).found if one["what"] == "mark")
        sent = {name: text for name, text in form.items() if name not in ("action", "missed", "wrong")}
        sent |= {"kind": "PERSON", **fields}
        return self.client.post(f"{self.address}/recall?of=tests", data=sent, headers=self.origin)

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.address}


@pytest.fixture
def site(environment: Environment, quick_stages: None) -> Marking:
    made = Marking(environment)
    made.prepare()
    return made


def words(page: str) -> dict[str, str]:
    """Number of a word that can be tapped -> the word."""
    return dict(re.findall(r'name="missed" value="(\d+)">([^<]+)</label>', page))


def missed_in(page: str) -> list[str]:
    return [number for number, word in words(page).items() if word in MISSED.split()]


def test_a_person_marks_records_until_it_is_clear_and_the_verdict_rests_on_them(
    site: Marking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with site.serving() as address:
        ana = Marker(address, ANA)
        assert "mirela" not in ana.page()
        page = ana.begin().text
        for marked in range(1, 100):
            assert "Tap what is personal data" in page
            assert "<script" not in page
            page = ana.mark(page, missed=missed_in(page)).text
            if marked == 3:
                assert "3 records, " in page
                assert "60% is needed" in page
            if "It is proven." in page:
                break
        assert 20 <= site.sample.records == marked < 90
        assert "recall at least" in page
        numbers = site.verdict().numbers
        assert site.verdict().passed
        assert (numbers["status"], numbers["basis"]) == ("above_floor", "own_sample")
        assert numbers["sample"]["records"] == marked
        assert numbers["persons"] == 90
        assert "It is proven." in ana.page()
    looks = looks_in(AuditLog(site.lake).entries())
    (look,) = looks.values()
    assert (look.person, look.purpose, look.asset, look.shown) == (ANA, "data_quality", "cleaned_records", marked)
    assert told(site, "quill") == []
    assert told(site, "mirela0") == []
    assert "mirela0" not in caplog.text
    assert "quill" not in caplog.text


def test_what_was_proven_counts_for_later_records_of_the_source_and_for_no_other_recognizers(site: Marking) -> None:
    with site.serving() as address:
        ana = Marker(address, ANA)
        page = ana.begin().text
        while "It is proven." not in page:
            page = ana.mark(page, missed=missed_in(page)).text
    before = site.sample
    known = len(site.lines)
    others = [
        {
            **site.lines[number % known],
            "id": f"x{number}",
            "text": " ".join(f"w{number}of{word}" for word in range(8)),
        }
        for number in range(2 * known)
    ]
    site.lines = site.lines + others[:40]
    site.write_source()
    newest = site.prepare()
    assert newest.rows > known
    assert (site.sample.id, site.sample.records) == (before.id, before.records)
    anonymized = site.lake.latest("tests", "anonymized_records")
    assert anonymized
    numbers = measure_recall(site.lake, site.case, anonymized).numbers
    assert (numbers["basis"], numbers["status"]) == ("own_sample", "above_floor")
    privacy = site.case.settings.privacy.model_copy(update={"min_score": 0.9})
    other = site.case.model_copy(update={"settings": site.case.settings.model_copy(update={"privacy": privacy})})
    assert own_sample(site.lake, other, anonymized) is None
    site.lines = others
    site.write_source()
    site.prepare()
    assert site.sample is None


def test_what_was_missed_is_counted_once_and_can_be_corrected(site: Marking) -> None:
    with site.serving() as address:
        ana = Marker(address, ANA)
        first = ana.begin().text
        record = site.sample.following
        two = list(words(first))[:2]
        second = ana.mark(first, missed=two).text
        assert site.sample.answers[record].missed == {"PERSON": 1}
        again = ana.mark(first, missed=two[:1])
        assert again.status_code == 200
        assert site.sample.records == 1
        form = next(one for one in Forms(second).found if one["what"] == "back")
        back = ana.client.post(f"{address}/recall?of=tests", data=form, headers=ana.origin).text
        assert words(back) == words(first)
        ana.mark(back)
        assert site.sample.answers[record].missed == {}
        assert site.sample.records == 1


def test_words_that_the_record_does_not_have_are_refused_and_nothing_is_kept(site: Marking) -> None:
    with site.serving() as address:
        ana = Marker(address, ANA)
        page = ana.begin().text
        refused = ana.mark(page, missed=["9999"])
        assert "not about the record as it is now" in alert(refused)
        assert words(refused.text) == words(page)
        assert "not one of this page" in alert(ana.mark(page, missed=["one"]))
        assert ana.mark(page, look="77").status_code == 409
        assert site.sample.records == 0


def test_who_may_not_look_at_records_and_who_states_no_purpose_sees_none(site: Marking) -> None:
    with site.serving() as address:
        ana, bo, eve = (Marker(address, name) for name in (ANA, BO, EVE))
        for one in (bo, eve):
            page = one.page()
            assert "You may not look at records here" in page
            assert Forms(page).found == []
            token = one.token("recall")
            for what in ("begin", "mark", "back"):
                data = {"token": token, "what": what, **SAID, "look": "1", "record": "x"}
                refused = one.client.post(f"{address}/recall?of=tests", data=data, headers=one.origin)
                assert refused.status_code == 403
                assert "mirela" not in refused.text
        assert ana.begin(purpose="curiosity").status_code == 400
        assert ana.begin(reason="").status_code == 400
        assert site.sample is None
        page = ana.begin().text
        form = next(one for one in Forms(page).found if one["what"] == "mark")
        elsewhere = {"Origin": "https://evil.example"}
        assert ana.client.post(f"{address}/recall?of=tests", data=form, headers=elsewhere).status_code == 403
        other = {**form, "token": "0" * 64}
        assert ana.client.post(f"{address}/recall?of=tests", data=other, headers=ana.origin).status_code == 403
        with_look = {**form, "token": eve.token("recall")}
        assert eve.client.post(f"{address}/recall?of=tests", data=with_look, headers=eve.origin).status_code == 403
        denied = [one for one in AuditLog(site.lake).entries() if one.kind == "denial"]
        assert {one.person for one in denied} >= {BO, EVE}


@pytest.fixture
def four_eyes(environment: Environment, quick_stages: None) -> Marking:
    """The policy asks for a second person before records are shown."""
    policy = Policy(name="careful", looks=Looks(second_person=["records"]))
    made = Marking(environment.model_copy(update={"policy": policy}))
    made.prepare()
    return made


def test_where_the_policy_asks_for_a_second_person_nobody_is_their_own(four_eyes: Marking) -> None:
    site = four_eyes
    confirm = door_of(site.environment, site.lake, "tests").confirm
    with site.serving() as address:
        ana, cy = (Marker(address, name) for name in (ANA, CY))
        asked = ana.begin()
        (number,) = looks_in(AuditLog(site.lake).entries())
        assert f"Look {number} waits for a second person" in alert(asked)
        for second in (ANA, ANA.title(), BO):
            with pytest.raises(ConfigError, match=r"cannot confirm it|or the superior of who asked"):
                confirm(named(second), number)
            refused = ana.begin(number=str(number))
            assert f"Nobody has confirmed look {number}. They do with: ft looks confirm {number}" in alert(refused)
            assert "mirela" not in asked.text + refused.text
            assert "What you marked" not in refused.text, "nothing was marked yet"
        assert site.sample is None
        confirm(named(CY), number)
        assert f"Look {number} is not a look of {CY}" in alert(cy.begin(number=str(number)))
        page = ana.begin(number=str(number)).text
        assert "Tap what is personal data" in page
        ana.mark(page)
        assert site.sample.records == 1
    (look,) = [one for one in looks_in(AuditLog(site.lake).entries()).values() if one.shown]
    assert (look.person, look.confirmed_by) == (ANA, CY)
