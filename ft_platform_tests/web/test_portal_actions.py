"""What waits for people is done in the browser by those who may, and by nobody else: over the real report server."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx2
import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.lake.releases import releases, standing_releases
from ft_platform.people.identity.users import Users
from ft_platform.release.delegations import delegations
from ft_platform.release.signatures import signatures
from ft_platform.release.waivers import waivers
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform.web.portal_acts import acts
from ft_platform.web.portal_pages.acting import VIEWS
from ft_platform.web.portal_pages.actions import DISCLOSE, ERASE, TITLES
from ft_platform.web.portal_pages.asking import View
from ft_platform_tests.release.evidence_case import changed, gap, good_figures
from ft_platform_tests.serving.fakes import FakeEngine, app_of, running, served, wait_until
from ft_platform_tests.web.office import ANA, DANA, EVE, LEE, MARIA, REASON, TOM, Browser, Office, alert

BEA = "bea.holm@example.org"
"""A second compliance officer."""
UNTIL = Office.in_days(30)
BROKEN = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
LONG = "Few records of this region; watched every month."
OLD = "what you were shown is no longer current, so nothing was recorded"


class Site:
    """An office that is open. Attributes: `office`, `address`."""

    def __init__(self, office: Office, address: str) -> None:
        self.office, self.address = office, address

    def browser(self, name: str) -> Browser:
        return Browser(self.address, name)

    @property
    def refused(self) -> list[tuple[str, str, str]]:
        """What, who and why, of those that the sign-in turned away."""
        found = [one for one in self.office.told if one.kind == "denial"]
        return [(one.what, one.person.name, one.details["why"]) for one in found]

    def said(self) -> list[tuple[str, str, str]]:
        """What, who, and how that is known, of the signatures that stand."""
        found = signatures(self.office.lake, self.office.use_case)
        return [(one.says, one.person, one.known_by) for one, stated in found if stated.taken_back is None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Opens an office; `prepare` changes it first, attributes of the class among them."""
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: {DANA})
    with ExitStack() as stack:

        def made(prepare: Callable[[Office], None] = lambda office: None, **words: Any) -> Site:
            office = Office(tmp_path, **words)
            prepare(office)
            return Site(office.opened(), stack.enter_context(office.serving()))

        yield made


@pytest.fixture
def site(make: Callable[..., Site]) -> Site:
    return make()


def two_officers(office: Office) -> None:
    office.compliance = (ANA, BEA)


def no_signatures(office: Office) -> None:
    office.asked = ()


def test_a_need_leads_to_its_page_and_is_gone_once_it_is_done(site: Site) -> None:
    ana = site.browser(ANA)
    mine = ana.get("/needs").text.partition("You</h2>")[2].partition("<h2")[0]
    assert 'href="sign?of=complaints"' in mine and "waits for the signature of this role" in mine
    done = ana.act("sign", "approve")
    assert (done.status_code, done.headers["location"]) == (303, "/sign?of=complaints")
    assert "Nothing waits for you." in ana.get("/needs").text
    assert site.said() == [("approved", ANA, "password")]
    assert site.office.noted("signature") == [("signature", "approved a decision", ANA, "password")]
    assert site.office.followed == [("complaints", "approve")], "the graph shows it"
    assert "approve" not in ana.whats("sign") and "known by" in ana.get("/sign?of=complaints").text


def test_the_page_shows_what_is_decided_on_before_its_buttons(site: Site) -> None:
    page = site.browser(ANA).get("/sign?of=complaints").text
    before, _, forms = page.partition("<form")
    decision = site.office.lake.artifacts("complaints", "release_decision")[0]
    model, fairness = (site.office.versions[name] for name in ("adapter_checkpoint", "fairness_report"))
    for text in (decision.content_hash, model.content_hash, fairness.content_hash, "fairness/region", "0.030"):
        assert text in before, text
    assert f'href="complaints/release_decision/{decision.artifact_id}/decision_brief.html"' in before
    assert "Sign as Compliance officer" in forms


def test_a_rejection_needs_a_reason_and_is_taken_back(site: Site) -> None:
    ana = site.browser(ANA)
    short = ana.act("sign", "reject", reason="no")
    assert short.status_code == 400 and "at least 10 characters" in alert(short) and ">no</textarea>" in short.text
    assert ana.act("sign", "reject", reason=REASON).status_code == 303
    assert site.said() == [("rejected", ANA, "password")] and REASON in ana.get("/sign?of=complaints").text
    assert ana.whats("sign") == {"delegate", "take_back"}, "what is rejected is not signed"
    assert ana.act("sign", "take_back", reason=REASON).status_code == 303
    assert site.said() == [] and "approve" in ana.whats("sign")
    noted = [(what, who, how) for _, what, who, how in site.office.noted("signature")]
    assert noted == [("rejected a decision", ANA, "password"), ("took back a signature", ANA, "password")]


def test_who_is_let_sign_signs_until_that_is_taken_back(site: Site) -> None:
    ana, lee = site.browser(ANA), site.browser(LEE)
    assert lee.whats("sign") == set()
    past = ana.act("sign", "delegate", to=LEE, until="2020-01-01")
    assert past.status_code == 400 and "the last day must be between" in alert(past).lower()
    assert f'value="{LEE}"' in past.text, "what was typed stays"
    assert ana.act("sign", "delegate", to=LEE, until=UNTIL).status_code == 303
    (given,) = delegations(site.office.lake, site.office.use_case).values()
    assert (given.said["to"], given.said["role"], given.said["known_by"]) == (LEE, "compliance", "password")
    assert lee.whats("sign") >= {"approve", "reject"} and "delegate" not in lee.whats("sign")
    kept = lee.form("sign", "approve")
    assert ana.act("sign", "take_back", id=given.said["id"], reason=REASON).status_code == 303
    late = lee.send(kept)
    assert late.status_code == 403 and site.said() == []


@pytest.mark.parametrize(
    ("name", "page", "what", "says"),
    [
        (EVE, "sign", "approve", "only the"),
        (MARIA, "sign", "approve", "does not have the role"),
        (LEE, "sign", "reject", "does not have the role"),
        (DANA, "sign", "approve", "does not have the role"),
        (EVE, "sign", "delegate", "only the"),
        (TOM, "release", "release", "the accountable owner"),
        (TOM, "rollback", "rollback", "the compliance officer"),
    ],
)
def test_who_may_not_is_refused_with_who_may_and_noted(site: Site, name: str, page: str, what: str, says: str) -> None:
    somebody = site.browser(name)
    assert what not in somebody.whats(page)
    own = site.browser(ANA).form("sign", "approve")
    form = {**own, "action": f"{page}?of=complaints", "token": somebody.token(page)}
    refused = somebody.send(form, what=what, reason=REASON, to=LEE, until=UNTIL)
    assert refused.status_code == 403 and says in alert(refused), alert(refused)
    assert site.said() == [] and not releases(site.office.lake, "complaints") and site.office.followed == []
    ((kind, noted, who, how),) = site.office.noted("denial")
    assert (kind, who, how) == ("denial", name, "password") and noted.startswith("may not ")


def test_who_trained_it_may_reject_and_not_approve(make: Callable[..., Site]) -> None:
    def trained_by_an_officer(office: Office) -> None:
        two_officers(office)
        office.trainer = BEA

    site = make(trained_by_an_officer)
    bea = site.browser(BEA)
    assert "approve" not in bea.whats("sign") and "trained the checkpoint" in bea.get("/sign?of=complaints").text
    refused = bea.send({**bea.form("sign", "reject"), "what": "approve"})
    assert refused.status_code == 403 and "somebody else has to" in alert(refused)
    assert bea.act("sign", "reject", reason=REASON).status_code == 303


@pytest.mark.parametrize("token", ["", "0" * 64, None])
def test_a_form_without_its_own_token_is_refused_and_noted(site: Site, token: str | None) -> None:
    """`None`: that of another person."""
    ana = site.browser(ANA)
    other = site.browser(TOM).form("sign", "approve")["token"]
    refused = ana.send({**ana.form("sign", "approve"), "token": other if token is None else token})
    assert refused.status_code == 403 and "out of date" in alert(refused) and site.said() == []
    assert site.refused == [("was refused", ANA, "a form without its token")]


def test_a_token_of_one_page_is_none_of_another(site: Site) -> None:
    maria = site.browser(MARIA)
    form = {**site.browser(ANA).form("sign", "approve"), "token": maria.token("sign")}
    assert maria.send({**form, "action": "release?of=complaints", "what": "release"}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_form_of_another_page_is_refused(site: Site, origin: str) -> None:
    ana = site.browser(ANA)
    form = ana.form("sign", "approve")
    assert ana.send(form, origin=origin).status_code == 403
    assert site.refused == [("was refused", ANA, "a form of another page")]
    assert site.said() == [] and ana.send(form).status_code == 303, "the same form from its own page"


def test_nothing_is_done_by_a_link_or_without_a_session(site: Site) -> None:
    ana = site.browser(ANA)
    form = ana.form("sign", "approve")
    query = "&".join(f"{name}={value}" for name, value in form.items() if name != "action")
    assert ana.get(f"/sign?of=complaints&{query}").status_code == 200
    without = httpx2.post(f"{site.address}/sign?of=complaints", data=form, headers={"Origin": site.address})
    assert without.status_code == 401 and site.said() == []
    page = httpx2.get(f"{site.address}/sign?of=complaints", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/auth/sign-in?next=%2Fsign%3Fof%3Dcomplaints"


def test_a_form_that_is_sent_again_does_nothing(site: Site) -> None:
    ana = site.browser(ANA)
    form = ana.form("sign", "approve")
    assert ana.send(form).status_code == 303
    again = ana.send(form)
    assert again.status_code == 409 and OLD in alert(again).lower() and len(site.said()) == 1
    delegating = {**ana.form("sign", "delegate"), "to": LEE, "until": UNTIL}
    assert [ana.send(delegating).status_code for _ in range(2)] == [303, 409]


def test_a_form_that_was_opened_before_the_evidence_changed_is_refused(site: Site) -> None:
    ana = site.browser(ANA)
    form = ana.form("sign", "approve")
    site.office.figures["roi_report"] = {**site.office.figures["roi_report"], "savings_per_month": 1.0}
    site.office.versions["roi_report"] = site.office.add("roi_report", "-newer")
    late = ana.send(form)
    assert late.status_code == 409 and OLD in alert(late).lower() and site.said() == []
    assert site.office.versions["roi_report"].content_hash in late.text, "the page shows what there is now"
    assert ana.act("sign", "approve").status_code == 303


def test_a_form_about_an_older_decision_is_refused(site: Site) -> None:
    ana, maria = site.browser(ANA), site.browser(MARIA)
    form = ana.form("sign", "approve")
    site.office.figures = BROKEN
    site.office.versions["fairness_report"] = site.office.add("fairness_report", "-worse")
    site.office.decided()
    assert ana.send(form).status_code == 409 and site.said() == []
    assert "Only an accepted decision is signed." in ana.get("/sign?of=complaints").text
    assert maria.whats("release") == set()


def test_two_roles_sign_at_once_and_each_signature_counts(site: Site) -> None:
    ana, tom = site.browser(ANA), site.browser(TOM)
    forms = [(one, one.form("sign", "approve")) for one in (ana, tom)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: one[0].send(one[1]).status_code, forms))
    assert found == [303, 303] and {who for _, who, _ in site.said()} == {ANA, TOM}
    for one, role in ((ana, "Compliance officer"), (tom, "Domain expert")):
        page = one.get("/sign?of=complaints").text
        assert re.findall(r'role="status">You have signed \S+ as ([^<]+) on [^<]+\.<', page) == [role]
        assert page.index("You have signed") < page.index("What is decided on")
    assert "signatures" not in {one.kind for one in site_needs(site)}


def site_needs(site: Site) -> list[Any]:
    from ft_platform.web.portal_pages.needs import needs_of

    return needs_of(site.office.lake, site.office.use_case, datetime.now(UTC).date())


def test_of_two_who_sign_at_once_in_one_role_one_is_told_that_it_is_done(make: Callable[..., Site]) -> None:
    site = make(two_officers)
    forms = [(one, one.form("sign", "approve")) for one in (site.browser(ANA), site.browser(BEA))]
    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(lambda one: one[0].send(one[1]).status_code, forms))
    assert found == [303, 409] and len(site.said()) == 1


def test_what_is_signed_by_all_is_released_once(site: Site) -> None:
    ana, tom, maria, lee = (site.browser(name) for name in (ANA, TOM, MARIA, LEE))
    assert "has not signed" in maria.get("/release?of=complaints").text and maria.whats("release") == set()
    assert ana.act("sign", "approve").status_code == tom.act("sign", "approve").status_code == 303
    forms = [(one, one.form("release", "release")) for one in (maria, lee)]
    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(lambda one: one[0].send(one[1]).status_code, forms))
    assert found == [303, 409]
    (released,) = releases(site.office.lake, "complaints")
    record = released.record
    assert record["released_by"] in (MARIA, LEE) and record["known_by"] == "password"
    assert {one["person"] for one in record["approvals"]} == {ANA, TOM} and record["evidence"]["files"]
    assert site.office.noted("release") == [("release", "released", record["released_by"], "password")]
    assert site.office.followed[-1] == ("complaints", "release") and not site_needs(site)
    assert released.id in maria.get("/release?of=complaints").text and maria.whats("release") == set()


@pytest.fixture
def model() -> Iterator[tuple[FakeEngine, str]]:
    """A server with the model of the use case, and its address."""
    engine = FakeEngine()
    with running(app_of(engine, models=[served("complaints", "label_head")])) as server:
        wait_until(lambda: bool(engine.loaded))
        yield engine, server.url


def served_at(url: str, **words: Any) -> Callable[[Office], None]:
    targets = {"targets": {"local": {"kind": "local", "url": url, **words}}}
    return lambda office: office.attributes.update(serving=targets)


def release_it(site: Site) -> None:
    site.browser(ANA).act("sign", "approve")
    site.browser(TOM).act("sign", "approve")
    assert site.browser(MARIA).act("release", "release").status_code == 303


def test_whoever_may_asks_the_released_model(make: Callable[..., Site], model: tuple[FakeEngine, str]) -> None:
    engine, url = model
    site = make(served_at(url))
    tom, eve = site.browser(TOM), site.browser(EVE)
    assert "Nothing is released." in tom.get("/ask?of=complaints").text and tom.whats("ask") == set()
    release_it(site)
    noted = len(site.office.followed)
    form = tom.form("ask", "ask")
    answer = tom.send({**form, "text": "My <b>card</b> was charged twice"})
    assert answer.status_code == 200 and "<p>Card</p>" in answer.text and "release-1" in answer.text
    assert "My &lt;b&gt;card&lt;/b&gt; was charged twice</textarea>" in answer.text
    asked = len(engine.prompts)
    assert eve.whats("ask") == set() and "You may not ask" in eve.get("/ask?of=complaints").text
    assert eve.send({**form, "token": eve.token("ask"), "text": "Mine"}).status_code == 403
    assert tom.send({**form, "text": "Mine"}, origin="http://evil.example").status_code == 403
    assert tom.send({**form, "text": " "}).status_code == 400
    assert tom.send({**form, "text": "x" * 2_001}).status_code == 400
    assert len(engine.prompts) == asked and len(site.office.followed) == noted


def test_a_server_that_is_gone_or_wants_another_key_is_said(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys, engine = tmp_path / "keys.json", FakeEngine()
    _, key = add_key(keys, "complaints", "the portal")
    with running(app_of(engine, models=[served("complaints", "label_head")], keys=ApiKeys(keys))) as server:
        wait_until(lambda: bool(engine.loaded))
        site = make(served_at(server.url, api_key_env="KEY_OF_THE_SERVER"))
        release_it(site)
        tom = site.browser(TOM)
        refused = tom.act("ask", "ask", text="Mine")
        assert refused.status_code == 503 and "key" in alert(refused) and key not in refused.text
        monkeypatch.setenv("KEY_OF_THE_SERVER", key)
        assert "<p>Card</p>" in tom.act("ask", "ask", text="Mine").text
    gone = tom.act("ask", "ask", text="Mine")
    assert gone.status_code == 503 and "does not answer" in alert(gone)


def test_a_signature_that_is_taken_back_makes_the_form_of_the_release_old(site: Site) -> None:
    ana, tom, maria = (site.browser(name) for name in (ANA, TOM, MARIA))
    assert ana.act("sign", "approve").status_code == tom.act("sign", "approve").status_code == 303
    form = maria.form("release", "release")
    assert ana.act("sign", "take_back", reason=REASON).status_code == 303
    assert maria.send(form).status_code == 409 and not releases(site.office.lake, "complaints")


def test_who_may_goes_back_and_says_why(make: Callable[..., Site]) -> None:
    site = make(no_signatures)
    ana, maria, lee = (site.browser(name) for name in (ANA, MARIA, LEE))
    assert lee.act("release", "release").status_code == 303 and lee.whats("rollback") == set()
    site.office.again("second")
    site.office.decided()
    assert maria.act("release", "release").status_code == 303
    first, second = (one.id for one in reversed(releases(site.office.lake, "complaints")))
    short = ana.act("rollback", "rollback", reason="bad")
    assert short.status_code == 400 and len(releases(site.office.lake, "complaints")) == 2
    forms = [(one, one.form("rollback", "rollback")) for one in (ana, lee)]
    assert forms[0][1]["to"] == first
    with ThreadPoolExecutor(2) as pool:
        found = sorted(pool.map(lambda one: one[0].send(one[1], reason=REASON).status_code, forms))
    assert found == [303, 409]
    newest = standing_releases(site.office.lake, "complaints")[0]
    assert newest.checkpoint == "ckpt-weights" and newest.record["back_from"] == second
    assert newest.record["known_by"] == "password" and newest.record["reason"] == REASON
    assert site.office.noted("release")[-1] == ("release", "rolled back", newest.record["released_by"], "password")
    assert site.office.followed[-1] == ("complaints", "rollback")


def test_a_rule_is_waived_by_whom_it_belongs_to_with_reason_and_end(make: Callable[..., Site]) -> None:
    site = make(figures=BROKEN)
    ana, maria = site.browser(ANA), site.browser(MARIA)
    assert 'href="waive?of=complaints"' in ana.get("/needs").text.partition("You</h2>")[2].partition("<h2")[0]
    assert maria.whats("waive") == set() and ANA in maria.get("/waive?of=complaints").text
    short = ana.act("waive", "waive", reason="Too short", until=UNTIL)
    assert short.status_code == 400 and "at least 20 characters" in alert(short)
    assert ana.act("waive", "waive", reason=LONG, until="2099-01-01").status_code == 400
    form = ana.form("waive", "waive")
    assert [ana.send(form, reason=LONG, until=UNTIL).status_code for _ in range(2)] == [303, 409]
    ((waiver, _),) = waivers(site.office.lake, site.office.use_case)
    assert (waiver.rule, waiver.granted_by, waiver.known_by) == ("fairness/region", ANA, "password")
    assert (waiver.reason, waiver.until) == (LONG, UNTIL)
    assert site.office.noted("waiver") == [("waiver", "granted a waiver", ANA, "password")]
    assert site.office.followed == [("complaints", "waive")], "the decision is made again"
    assert site.office.decide().accepted


def test_a_waiver_waits_for_a_second_person(make: Callable[..., Site]) -> None:
    policy = Policy(name="careful", signatures=Signatures(confirm_waivers=True, signed_in=True))
    site = make(two_officers, figures=BROKEN, policy=policy)
    ana, bea, tom = (site.browser(name) for name in (ANA, BEA, TOM))
    assert ana.act("waive", "waive", reason=LONG, until=UNTIL).status_code == 303 and not site.office.decide().accepted
    assert ana.whats("waive") == {"waive"}, "whoever granted it does not confirm it"
    mine = bea.get("/needs").text.partition("You</h2>")[2].partition("<h2")[0]
    assert "counts once a second person confirms it" in mine
    form = bea.form("waive", "confirm")
    for somebody in (ana, tom):
        refused = somebody.send({**form, "token": somebody.token("waive")})
        assert refused.status_code == 403 and BEA in alert(refused) and not site.office.decide().accepted
    assert bea.send(form).status_code == 303 and site.office.decide().accepted
    assert bea.send(form).status_code in (403, 409)
    assert site.office.noted("waiver")[-1] == ("waiver", "confirmed a waiver", BEA, "password")


def test_where_nobody_signs_in_there_are_no_buttons_and_no_form_is_taken(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Users, "required", property(lambda _: False))
    site = make()
    for name in TITLES:
        page = httpx2.get(f"{site.address}/{name}?of=complaints")
        assert page.status_code == 200 and "<form" not in page.text
        answer = httpx2.post(
            f"{site.address}/{name}?of=complaints", data={"what": "approve"}, headers={"Origin": site.address}
        )
        assert answer.status_code == 403
    assert "ft sign complaints --by" in httpx2.get(f"{site.address}/sign?of=complaints").text and site.said() == []


@pytest.mark.parametrize("query", ["", "?of=", "?of=claims", "?of=../complaints", "?of=complaints%00"])
def test_a_use_case_that_is_not_there_has_no_page(site: Site, query: str) -> None:
    for name in TITLES:
        assert site.browser(EVE).get(f"/{name}{query}").status_code == 404


def test_who_has_no_role_sees_no_page(site: Site) -> None:
    users = Users(site.office.environment.people_path)
    users.add("zoe@example.org")
    users.set_password("zoe@example.org", "correct horse battery staple")
    assert site.browser("zoe@example.org").get("/sign?of=complaints").status_code == 403


@pytest.mark.parametrize("fields", [{"what": "release"}, {"what": ""}, {"reason": "x" * 2_001}])
def test_a_form_that_no_page_has_is_refused(site: Site, fields: dict[str, str]) -> None:
    ana = site.browser(ANA)
    assert ana.send({**ana.form("sign", "approve"), **fields}).status_code == 400 and site.said() == []


def test_without_a_decision_there_is_nothing_to_act_on(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for whoever knows the digest of nothing."""
    monkeypatch.setattr(Office, "decided", lambda _: None)
    site = make()
    ana, maria = site.browser(ANA), site.browser(MARIA)
    for somebody, page, what in ((ana, "sign", "approve"), (maria, "release", "release")):
        assert somebody.whats(page) == set()
        form = {"action": f"{page}?of=complaints", "token": somebody.token(page), "what": what, "shown": View({}).shown}
        assert somebody.send(form).status_code == 409
    assert site.said() == [] and not releases(site.office.lake, "complaints")


def test_what_cannot_be_noted_is_not_done(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from ft_platform.errors import NotWritable
    from ft_platform.people.audit_log.log import AuditLog

    ana = site.browser(ANA)
    form = ana.form("sign", "approve")

    def refuse(*_: object) -> None:
        raise NotWritable("the audit log cannot be written")

    monkeypatch.setattr(AuditLog, "__call__", refuse)
    assert ana.send(form).status_code == 503 and site.said() == []


def test_a_signature_that_was_altered_stops_everything(site: Site) -> None:
    ana, tom = site.browser(ANA), site.browser(TOM)
    assert ana.act("sign", "approve").status_code == 303
    form = tom.form("sign", "approve")
    (version,) = site.office.lake.artifacts("complaints", "signature")
    file = Path(version.uri) / "statement.json"
    file.write_text(file.read_text().replace("compliance", "domain_expert"))
    assert tom.send(form).status_code == 500 and tom.get("/sign?of=complaints").status_code == 500


def test_a_fault_of_a_page_is_not_taken_for_a_store_that_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ana = site.browser(ANA)
    for error, status in ((KeyError("a record"), 500), (ConnectionError("a record"), 503)):
        caplog.clear()
        monkeypatch.setattr("ft_platform.web.portal_actions.anchor_of", Mock(side_effect=error))
        answer = ana.get("/sign?of=complaints")
        assert (answer.status_code, "has a fault" in answer.text) == (status, status == 500)
        assert f"{type(error).__name__} at mock.py" in caplog.text and "a record" not in answer.text + caplog.text


def test_every_page_shows_and_does_something() -> None:
    forms = {*acts(Mock(), lambda *_: {}), ERASE, DISCLOSE}  # these two: `orchestration.erasure_acts`
    assert forms == set(VIEWS) == set(TITLES)
