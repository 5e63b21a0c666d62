"""Sign-in by a proxy and at a provider: who gets through, and what attackers try."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

pytest.importorskip("dagster_webserver")
from ft_platform.errors import ConfigError
from ft_platform.people.identity.openid import LOGOUT
from ft_platform.people.identity.waits import FREE
from ft_platform.use_case.settings.sign_in import SignIn as Settings
from ft_platform_tests.people.identity.hostile_provider import CLIENT, SECRET, HostileProvider, hostile_provider
from ft_platform_tests.web.site import ANA, NAMED, OUTSIDE, OWN, PHRASE, SAYS, Site
from ft_platform_tests.web.visitor import Visitor

PROXY = {"addresses": ["10.0.0.1"], "tls": True, "says_who": True}


def test_a_proxy_says_who_asks_and_nobody_else(tmp_path: Path) -> None:
    site = Site(tmp_path, proxy=PROXY)
    asked = site.visitor("10.0.0.1", NAMED).get("/", **SAYS)
    assert json.loads(asked.text) == {"name": ANA, "by": "proxy", "groups": ["claims"]}
    assert "Your organization" in site.visitor("10.0.0.1", NAMED).get("/auth/sign-in").text
    for client, scheme in (("127.0.0.1", "http"), ("10.0.0.2", "https")):
        assert site.visitor(client, NAMED, scheme).get("/", **SAYS).status == 403
    assert ("unknown", "was refused", "a header of a proxy from another address") in site.said("denial")
    assert site.visitor("10.0.0.2", NAMED).get("/").status == 403, "past the proxy, without TLS"
    assert site.visitor("10.0.0.1", NAMED).get("/").status == 303


def test_behind_a_proxy_the_browsers_wait_not_the_proxy(tmp_path: Path) -> None:
    site = Site(tmp_path, proxy={**PROXY, "says_who": False})
    site.desk.users.add(ANA)
    site.desk.users.set_password(ANA, PHRASE)
    guesser, other = site.visitor("10.0.0.1", NAMED), site.visitor("10.0.0.1", NAMED)
    guesser.scheme = other.scheme = "http"
    for number in range(FREE["address"] + 2):
        fields = {"email": f"p{number}@example.org", "password": "x"}
        guesser.send("/auth/sign-in", fields, **{"x-forwarded-for": "1.2.3.4, 8.8.8.8", "origin": f"https://{NAMED}"})
    where = {"origin": f"https://{NAMED}"}
    assert guesser.send("/auth/sign-in", OWN, **where, **{"x-forwarded-for": "8.8.8.8"}).status == 429
    done = other.send("/auth/sign-in", OWN, **where, **{"x-forwarded-for": "9.9.9.9"})
    assert done.status == 303 and "__Host-ft_session" in other.cookies


@pytest.fixture
def hostile() -> Iterator[HostileProvider]:
    with hostile_provider() as found:
        yield found


@pytest.fixture
def openid_site(tmp_path: Path, hostile: HostileProvider, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("FT_OPENID_CLIENT_SECRET", SECRET)
    return Site(tmp_path / "home", openid={"issuer": hostile.issuer, "client_id": CLIENT})


def begun(visitor: Visitor, then: str = "/runs") -> str:
    """Where the browser is sent to sign in."""
    found = visitor.get(f"/auth/openid?next={then}")
    assert found.status == 303
    return found.goes_to


def back(answer: dict[str, str]) -> str:
    return f"/auth/callback?{urlencode(answer)}"


def test_a_provider_signs_somebody_in_and_out(openid_site: Site, hostile: HostileProvider) -> None:
    visitor = openid_site.visitor()
    assert "/auth/openid?next=%2Fruns" in visitor.get("/auth/sign-in?next=/runs").text
    address = begun(visitor)
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == ["http://127.0.0.1:3000/auth/callback"] and asked["client_id"] == [CLIENT]
    # As browsers come back: by a link of another site.
    elsewhere = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    done = visitor.get(back(hostile.signed_in(address)), **elsewhere)
    assert done.status == 303 and done.goes_to == "/runs"
    assert json.loads(visitor.get("/").text) == {"name": ANA, "by": "openid", "groups": ["claims"]}
    assert "as the provider of your organization says" in visitor.get("/auth/account").text
    assert visitor.get("/auth/password").goes_to == visitor.get("/auth/second-factor").goes_to == "/auth/sign-in"
    logout = {"sub": "person-1", "sid": "session-1", "jti": "1", "events": {LOGOUT: {}}}
    caller, token = Visitor(openid_site.app), hostile.token(**logout)
    plain = {"content-type": "application/x-www-form-urlencoded"}
    told = caller.request("POST", "/auth/back-channel-logout", plain, f"logout_token={token}".encode())
    assert told.status == 200 and visitor.get("/").status == 303
    again = caller.request("POST", "/auth/back-channel-logout", plain, f"logout_token={token}".encode())
    assert again.status == 400, "it counts once"
    assert openid_site.said()[-1] == (ANA, "was signed out by the provider", "")


def test_a_state_counts_once_and_in_the_browser_that_began(openid_site: Site, hostile: HostileProvider) -> None:
    visitor, other = openid_site.visitor(), openid_site.visitor()
    answer = hostile.signed_in(begun(visitor))
    stolen = hostile.signed_in(begun(visitor))
    begun(other)
    assert other.get(back(stolen)).status == 400, "login CSRF: the answer of an attacker in another browser"
    visitor.cookies["ft_flow"] = answer["state"]
    assert visitor.get(back(answer)).status == 303
    replayed = openid_site.visitor()
    replayed.cookies = {"ft_flow": answer["state"]}
    assert replayed.get(back(answer)).status == 400
    for wrong in ({}, {"state": ""}, {"code": "x"}, {"state": "x", "code": "y"}):
        assert openid_site.visitor().get(back(wrong)).status == 400
    assert ("unknown", "could not sign in", "an answer to no sign-in of this browser") in openid_site.said()


def test_a_parameter_that_is_given_twice_is_refused(openid_site: Site, hostile: HostileProvider) -> None:
    visitor = openid_site.visitor()
    answer = hostile.signed_in(begun(visitor))
    assert visitor.get(f"{back(answer)}&code=another").status == 400


@pytest.mark.parametrize("then", OUTSIDE)
def test_the_way_back_from_a_provider_leads_to_this_server(
    openid_site: Site, hostile: HostileProvider, then: str
) -> None:
    visitor = openid_site.visitor()
    assert visitor.get(back(hostile.signed_in(begun(visitor, quote(then))))).goes_to == "/"


def test_a_provider_that_lies_lets_nobody_in_and_is_noted(openid_site: Site, hostile: HostileProvider) -> None:
    hostile.id_token = {"nonce": "another"}
    visitor = openid_site.visitor()
    page = visitor.get(back(hostile.signed_in(begun(visitor))))
    assert page.status == 403 and "cannot be trusted" in page.said and "ft_session" not in visitor.cookies
    assert openid_site.said() == [
        ("unknown", "could not sign in", "a token of the provider is refused: InvalidClaimError")
    ]


def test_sessions_of_a_provider_end_when_the_installation_names_another(
    openid_site: Site, hostile: HostileProvider
) -> None:
    visitor = openid_site.visitor()
    visitor.get(back(hostile.signed_in(begun(visitor))))
    assert visitor.get("/").status == 200
    named = openid_site.environment.sign_in.openid
    assert named
    other = Settings(openid=named.model_copy(update={"issuer": "https://other.example.org"}))
    openid_site.environment = openid_site.environment.model_copy(update={"sign_in": other})
    openid_site.restart()
    visitor.app = openid_site.app
    assert visitor.get("/").status == 303


def test_without_the_secret_of_the_client_no_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FT_OPENID_CLIENT_SECRET", raising=False)
    with pytest.raises(ConfigError, match="FT_OPENID_CLIENT_SECRET is not set"):
        Site(tmp_path, openid={"issuer": "https://id.example.org", "client_id": "ft"})
