"""The sign-in before a web application: who gets through, who does not, and what attackers try."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("dagster_webserver")

from ft_platform.people.identity.second_factor import code_at, decoded, new_secret
from ft_platform.people.identity.waits import FREE
from ft_platform.people.noted import Noted
from ft_platform.web import sign_in as middleware
from ft_platform.web.sign_in import NOT_SIGNED_IN, SignIn
from ft_platform_tests.web.site import ANA, HOSTS, NAMED, OUTSIDE, OWN, PHRASE, SAYS, Site
from ft_platform_tests.web.visitor import Visitor, echo


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """With Ana, who has chosen a password."""
    made = Site(tmp_path / "home")
    made.desk.users.add(ANA)
    made.desk.users.set_password(ANA, PHRASE)
    return made


def test_where_nobody_can_sign_in_this_machine_may_everything_and_no_other_machine(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert json.loads(site.visitor().get("/").text)["by"] == "self-declared"
    for client in ("10.0.0.7", "2001:db8::1"):
        assert site.visitor(client, NAMED).get("/").status == 403
        assert site.visitor(client, NAMED, "https").get("/").status == 403
    site.desk.users.add(ANA)
    assert site.visitor().get("/").status == 303, "from the first user on, without a restart"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/graphql", {"content-type": "application/json"}),
        ("GET", "/logs/x", {"accept": "*/*"}),
        ("GET", "/", {"accept": "text/html", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}),
        ("GET", "/auth", {"accept": "*/*"}),
        ("GET", "/authors", {"accept": "*/*"}),
        ("GET", "//auth/sign-in", {"accept": "*/*"}),
        ("GET", "/Auth/sign-in", {"accept": "*/*"}),
        ("GET", "/x/../auth/sign-in", {"accept": "*/*"}),
    ],
)
def test_programs_without_a_session_get_401(site: Site, method: str, path: str, headers: dict) -> None:
    body = b'{"query": "{version}"}' if method == "POST" else b""
    answer = site.visitor().request(method, path, headers, body)
    assert (answer.status, json.loads(answer.text)) == (401, {"error": "sign in first"})
    assert answer.headers["www-authenticate"] == "Bearer" and answer.headers["cache-control"] == "no-store"


def test_a_page_load_goes_to_the_sign_in_and_comes_back(site: Site) -> None:
    visitor = site.visitor()
    asked = visitor.get("/runs/1?a=b&c=%2F")
    assert asked.status == 303 and asked.goes_to == "/auth/sign-in?next=%2Fruns%2F1%3Fa%3Db%26c%3D%252F"
    page = visitor.get(asked.goes_to)
    assert page.status == 200 and 'value="/runs/1?a=b&amp;c=%2F"' in page.text
    token = page.text.partition('name="token" value="')[2].partition('"')[0]
    done = visitor.post("/auth/sign-in", {**OWN, "token": token, "next": "/runs/1?a=b&c=%2F"})
    assert done.status == 303 and done.goes_to == "/runs/1?a=b&c=%2F"
    assert json.loads(visitor.get("/").text) == {"name": ANA, "by": "password", "groups": []}
    assert visitor.get("/auth/sign-in?next=/x").goes_to == "/x", "who is signed in needs no form"


def test_signs_that_are_encoded_in_an_address_stay_so_on_the_way_back(site: Site) -> None:
    visitor = site.visitor()
    visitor.raw = "/assets/caf%C3%A9%2Fa%20b"
    assert visitor.get("/assets/café/a b").goes_to == "/auth/sign-in?next=%2Fassets%2Fcaf%25C3%25A9%252Fa%2520b"


def test_below_a_prefix_everything_is_below_it(tmp_path: Path) -> None:
    site = Site(tmp_path, "/dagster")
    site.desk.users.add(ANA)
    site.desk.users.set_password(ANA, PHRASE)
    visitor = site.visitor()
    assert visitor.get("/dagster/runs").goes_to == "/dagster/auth/sign-in?next=%2Fdagster%2Fruns"
    assert visitor.send("/dagster/auth/sign-in", OWN).goes_to == "/dagster/"
    assert visitor.get("/dagster/auth/account").status == 200


@pytest.mark.parametrize("then", OUTSIDE)
def test_nobody_is_sent_to_another_server(site: Site, then: str) -> None:
    assert site.visitor().send("/auth/sign-in", {**OWN, "next": then}).goes_to == "/"
    page = site.visitor().get(f"/auth/sign-in?next={quote(then)}")
    assert 'name="next" value="/"' in page.text


def test_each_sign_in_has_a_session_of_its_own_and_the_one_before_ends(site: Site) -> None:
    """Session fixation: what somebody else put into the browser is never the session."""
    visitor = site.visitor()
    visitor.cookies = {"ft_session": "chosen by somebody else"}
    assert visitor.send("/auth/sign-in", OWN).status == 303
    first = visitor.cookies["ft_session"]
    assert first != "chosen by somebody else" and visitor.get("/").status == 200
    again = site.visitor()
    again.cookies = dict(visitor.cookies)
    token = site.visitor()
    token.cookies = dict(visitor.cookies)
    form = token.get("/auth/account").text.partition('name="token" value="')[2].partition('"')[0]
    assert again.post("/auth/sign-in", {**OWN, "token": form}).status == 303
    assert again.cookies["ft_session"] != first
    assert visitor.get("/").status == 303, "the id from before is worth nothing"


def test_a_restart_signs_nobody_out(site: Site) -> None:
    visitor = site.signed_in()
    site.restart()
    visitor.app = site.app
    assert visitor.get("/").status == 200


def test_sign_out_ends_the_session_here_and_in_every_copy(site: Site) -> None:
    visitor, copy = site.signed_in(), site.visitor()
    copy.cookies = dict(visitor.cookies)
    form = visitor.get("/auth/account").text.partition('name="token" value="')[2].partition('"')[0]
    page = visitor.post("/auth/sign-out", {"token": form})
    assert page.status == 200 and "signed out" in page.text and "ft_session" not in visitor.cookies
    assert copy.get("/").status == visitor.get("/").status == 303
    assert site.said() == [(ANA, "signed in", ""), (ANA, "signed out", "")]


@pytest.mark.parametrize("what", ["disable", "remove", "reset"])
def test_a_user_who_is_changed_is_out_at_once(site: Site, what: str) -> None:
    visitor = site.signed_in()
    getattr(site.desk.users, what)(ANA)
    assert visitor.get("/").status == 303


def test_sessions_from_before_stay_ended(site: Site) -> None:
    """After a user was let in again, and in other browsers after a new password."""
    visitor = site.signed_in()
    site.desk.users.disable(ANA)
    site.desk.users.disable(ANA, disabled=False)
    assert visitor.get("/").status == 303
    visitor, other = site.signed_in(), site.signed_in()
    new = {"password": PHRASE, "new": "a quite new pass phrase", "again": "a quite new pass phrase"}
    assert visitor.send("/auth/password", new).status == 303
    assert visitor.get("/").status == 200 and other.get("/").status == 303


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_for_this_server_and_no_script(site: Site, scheme: str) -> None:
    visitor = site.visitor(server="127.0.0.1:3000", scheme=scheme)
    visitor.send("/auth/sign-in", OWN)
    (cookie,) = [line for line in visitor.set if "session" in line]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    secure = {"secure"} if scheme == "https" else set()
    assert attributes == {"httponly", "path=/", "samesite=lax", *secure}, "no Domain, no Expires"
    assert cookie.startswith("__Host-ft_session=" if scheme == "https" else "ft_session=")


def test_with_tls_a_session_of_an_unencrypted_page_counts_nothing(site: Site) -> None:
    visitor = site.signed_in()
    encrypted = site.visitor(scheme="https")
    encrypted.cookies = dict(visitor.cookies)
    assert encrypted.get("/").status == 303


FORMS = ["/auth/sign-in", "/auth/sign-out", "/auth/password", "/auth/second-factor"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_its_token_does_nothing(site: Site, path: str, token: str) -> None:
    visitor = site.signed_in()
    refused = visitor.post(path, {**OWN, "token": token})
    assert refused.status == 403 and refused.said == "This form is out of date; open the page again."
    assert visitor.get("/").status == 200 and ("unknown", "was refused", "a form without its token") in site.said(
        "denial"
    )


def test_a_token_of_another_browser_or_session_does_nothing(site: Site) -> None:
    other = site.visitor().get("/auth/sign-in").text.partition('name="token" value="')[2].partition('"')[0]
    assert site.visitor().post("/auth/sign-in", {**OWN, "token": other}).status == 403, "without a cookie"
    visitor = site.visitor()
    assert visitor.send("/auth/sign-in", OWN, token=other).status == 403
    before = visitor.get("/auth/sign-in").text.partition('name="token" value="')[2].partition('"')[0]
    visitor.send("/auth/sign-in", OWN)
    assert visitor.post("/auth/sign-out", {"token": before}).status == 403, "one from before the sign-in"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data"},
        {"content-type": "application/json"},
    ],
    ids=str,
)
@pytest.mark.parametrize("guarded", [True, False], ids=["behind the guard", "alone"])
def test_forms_of_other_pages_are_refused_even_with_a_good_token(site: Site, headers: dict, guarded: bool) -> None:
    visitor = site.visitor()
    if not guarded:
        visitor.app = SignIn(echo, site.desk, HOSTS)
    assert visitor.send("/auth/sign-in", OWN, **headers).status in (403, 415)
    assert not any("session" in line for line in visitor.set)


@pytest.mark.parametrize("path", ["/auth/sign-in", "/auth/account", "/auth/password", "/auth/second-factor", "/auth/x"])
def test_no_page_may_stand_in_a_frame_run_scripts_or_be_kept(site: Site, path: str) -> None:
    visitor = site.visitor() if path == "/auth/sign-in" else site.signed_in()
    headers = visitor.get(path).headers
    policy = {words[0]: words[1:] for words in (part.split() for part in headers["content-security-policy"].split(";"))}
    assert policy["frame-ancestors"] == policy["default-src"] == ["'none'"] and "script-src" not in policy
    assert policy["form-action"] == ["'self'"] and headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:3000@evil.example", "127.0.0.1:3000/evil", "", "a b"])
def test_a_name_that_is_not_this_servers_gets_no_page_and_no_redirect(site: Site, host: str) -> None:
    visitor = site.visitor()
    visitor.server = host
    for path in ("/", "/auth/sign-in", "/auth/openid"):
        found = visitor.get(path)
        assert found.status == 421 and not found.goes_to


def test_what_a_proxy_would_say_changes_no_address(site: Site) -> None:
    found = site.visitor().get("/", **{"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"})
    assert found.goes_to == "/auth/sign-in?next=%2F"


def test_guesses_have_to_wait_and_the_words_are_the_same_for_everybody(site: Site) -> None:
    visitor = site.visitor()
    said = set()
    for name in (ANA, "nobody@example.org"):
        for _ in range(FREE["account"] + 1):
            page = visitor.send("/auth/sign-in", {"email": name, "password": "guess"})
            said.add((page.status, page.said))
        page = visitor.send("/auth/sign-in", {"email": name, "password": PHRASE})
        assert page.status == 429 and "Too many attempts. Try again in" in page.said
        assert int(page.headers["retry-after"]) in (1, 2)
    assert said == {(401, "Name, password or code are not right.")}
    assert set(site.said()) == {
        (ANA, "could not sign in", "wrong password"),
        ("unknown", "could not sign in", "no such user"),
    }
    site.restart()
    visitor.app = site.app
    assert visitor.send("/auth/sign-in", OWN).status == 429, "a restart does not help"
    site.now += 2
    assert visitor.send("/auth/sign-in", OWN).status == 303


def test_one_address_cannot_try_many_accounts(site: Site) -> None:
    visitor = site.visitor()
    found = [
        visitor.send("/auth/sign-in", {"email": f"p{number}@example.org", "password": "x"}).status
        for number in range(FREE["address"] + 3)
    ]
    assert found[: FREE["address"]] == [401] * FREE["address"] and found[-1] == 429
    assert visitor.send("/auth/sign-in", OWN).status == 429
    other = site.visitor("::1")
    assert other.send("/auth/sign-in", OWN).status == 303, "others get in"


def test_what_is_typed_is_in_no_note(site: Site) -> None:
    secret = "my-password-in-the-wrong-field"
    for fields in ({"email": secret}, {"email": ANA, "password": secret}, {"email": ANA, "code": secret}):
        site.visitor().send("/auth/sign-in", fields)
    assert secret not in str(site.noted)


def test_a_note_that_cannot_be_made_lets_nobody_in(site: Site) -> None:
    def full(noted: Noted) -> None:
        raise OSError("disk full")

    site.desk._noting = full
    visitor = site.visitor()
    with pytest.raises(OSError, match="disk full"):
        visitor.send("/auth/sign-in", OWN)
    assert "ft_session" not in visitor.cookies


def test_who_signs_in_for_the_first_time_lands_where_they_wanted(site: Site) -> None:
    password, visitor = site.desk.users.reset(ANA), site.visitor()
    asked = visitor.get("/portal/needs?of=letters")
    first = {"email": ANA, "password": password, "next": "/portal/needs?of=letters"}
    chooses = visitor.send(asked.goes_to.partition("?")[0], first).goes_to
    assert chooses == "/auth/password?next=%2Fportal%2Fneeds%3Fof%3Dletters"
    page = visitor.get(chooses).text
    wanted = page.partition('name="next" value="')[2].partition('"')[0]
    assert wanted == "/portal/needs?of=letters"
    again = {"password": password, "new": "a quite new pass phrase", "again": "another"}
    assert f'name="next" value="{wanted}"' in visitor.send("/auth/password", {**again, "next": wanted}).text
    new = {**again, "again": "a quite new pass phrase", "next": wanted}
    assert visitor.send("/auth/password", new).goes_to == "/portal/needs?of=letters"
    outside = {"password": "a quite new pass phrase", "new": "one more pass phrase", "again": "one more pass phrase"}
    assert visitor.send("/auth/password", {**outside, "next": "https://evil.example.org/"}).goes_to == "/"


def test_the_first_password_is_changed_before_anything_else(site: Site) -> None:
    password, visitor = site.desk.users.reset(ANA), site.visitor()
    assert visitor.send("/auth/sign-in", {"email": ANA, "password": password}).goes_to == "/auth/password?next=%2F"
    assert visitor.get("/").status == 303 and visitor.get("/auth/second-factor").status == 303
    assert visitor.request("GET", "/logs/x", {"accept": "*/*"}).status == 401
    assert visitor.get("/auth/sign-in").goes_to == "/auth/password?next=%2F"
    new = {"password": password, "new": "a quite new pass phrase", "again": "a quite new pass phrase"}
    refused = {
        "The two new passwords differ.": {**new, "again": "another"},
        "It must have 15 to 256 characters. Several words are easy to remember.": {**new, "new": "x", "again": "x"},
        "The new password must be another one.": {**new, "new": password, "again": password},
        "Password or code are not right.": {**new, "password": "wrong"},
    }
    for words, fields in refused.items():
        assert visitor.send("/auth/password", fields).said == words
    before = visitor.cookies["ft_session"]
    assert visitor.send("/auth/password", new).goes_to == "/"
    assert visitor.get("/").status == 200
    assert visitor.cookies["ft_session"] != before
    assert site.visitor().send("/auth/sign-in", {"email": ANA, "password": password}).status == 401


def test_a_second_factor_is_set_up_used_and_turned_off(site: Site) -> None:
    visitor = site.signed_in()
    page = visitor.get("/auth/second-factor")
    secret = page.text.partition('name="secret" value="')[2].partition('"')[0]
    now = int(time.time() // 30)
    fields = {"secret": secret, "password": PHRASE, "first_code": code_at(decoded(secret), now)}
    assert visitor.send("/auth/second-factor", {**fields, "first_code": "1"}).status == 400
    assert visitor.send("/auth/second-factor", {**fields, "password": "wrong"}).status == 401
    done = visitor.send("/auth/second-factor", fields)
    codes = done.text.partition("<pre>")[2].partition("</pre>")[0].split()
    assert done.status == 200 and len(codes) == 10 and visitor.get("/").status == 200
    assert not any(code in visitor.get("/auth/account").text for code in codes), "they are shown once"
    other = site.visitor()
    assert other.send("/auth/sign-in", OWN).status == 401
    assert other.send("/auth/sign-in", {**OWN, "code": code_at(decoded(secret), now + 1)}).status == 303
    assert other.send("/auth/second-factor", {"password": PHRASE, "code": codes[0]}).status == 200
    assert site.visitor().send("/auth/sign-in", OWN).status == 303


def test_a_secret_that_nobody_showed_is_no_second_factor(site: Site) -> None:
    fields = {"secret": "AAAA", "password": PHRASE, "first_code": "123456"}
    assert site.signed_in().send("/auth/second-factor", fields).said == "Begin again with a new secret."


def test_websockets_without_a_session_are_closed_with_4401(site: Site) -> None:
    own = {"origin": "http://127.0.0.1:3000"}
    accepted, closed = site.visitor().websocket(**own)
    assert accepted["type"] == "websocket.accept" and closed == {"type": "websocket.close", "code": NOT_SIGNED_IN}
    sent = site.signed_in().websocket(**own)
    assert [one.get("text") for one in sent] == [None, ANA]


def test_an_open_websocket_says_nothing_any_more_once_its_person_is_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "LOOK_SECONDS", -1)
    said: list[str] = []

    async def chatty(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(4):
            if number == 2:
                site.desk.users.disable(ANA)
            await send({"type": "websocket.send", "text": str(number)})
        said.append((await receive())["type"])

    visitor = site.signed_in()
    visitor.app = SignIn(chatty, site.desk, HOSTS)
    sent = visitor.websocket()
    assert [one.get("text") or one.get("code") for one in sent] == [None, "0", "1", NOT_SIGNED_IN]
    assert said == ["websocket.disconnect"]


def test_other_machines_need_tls(site: Site) -> None:
    assert site.visitor("10.0.0.7", NAMED).get("/auth/sign-in").status == 403
    visitor = site.visitor("10.0.0.7", NAMED, "https")
    assert visitor.send("/auth/sign-in", OWN).status == 303 and visitor.get("/").status == 200


def test_service_tokens_get_in_and_others_do_not(site: Site) -> None:
    _, text = site.desk.tokens.add("nightly", ["see"], None, 30)
    time.sleep(1.1)
    visitor = site.visitor()
    asked = visitor.get("/", authorization=f"Bearer {text}")
    assert json.loads(asked.text) == {"name": "token:nightly", "by": "token", "groups": []}
    assert not visitor.set, "no session begins"
    for wrong in ("Bearer ", "Bearer ftt_x", f"Basic {text}", f"Bearer {text[:-1]}_", text):
        refused = visitor.request("GET", "/", {"authorization": wrong, "accept": "*/*"})
        assert refused.status == 401 and text not in refused.text
    assert any("service token" in why for _, _, why in site.said("denial"))
    assert site.visitor().get("/auth/password", authorization=f"Bearer {text}").status == 303


def test_bad_tokens_do_not_fill_the_log(site: Site) -> None:
    for _ in range(FREE["note"] + 10):
        site.visitor().request("GET", "/", {"authorization": "Bearer x", "accept": "*/*"})
    assert FREE["note"] <= len(site.said("denial")) <= FREE["note"] + 1


def test_where_no_proxy_is_set_up_its_headers_are_refused_not_ignored(site: Site) -> None:
    assert site.signed_in().get("/", **SAYS).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "POST"])
def test_pages_take_the_methods_that_they_need(site: Site, method: str) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert Visitor(SignIn(echo, site.desk, HOSTS)).request(method, "/auth/account", kind).status == 405


def test_a_body_that_is_no_form_is_refused(site: Site) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    many: Callable[[int], bytes] = lambda number: "&".join(f"a{one}=1" for one in range(number)).encode()  # noqa: E731
    for body, status in ((b"\xff=\xff", 400), (many(50), 400), (b"a=" + b"x" * 3_000_000, 413)):
        assert site.visitor().request("POST", "/auth/sign-in", kind, body).status == status


def test_users_of_the_file_and_hostile_names_are_escaped(site: Site) -> None:
    page = site.visitor().send("/auth/sign-in", {"email": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>" not in page.text and "&lt;script&gt;" in page.text
    site.desk.users.change(ANA, lambda user: replace(user, second_factor=new_secret()))
