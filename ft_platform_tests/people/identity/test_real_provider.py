"""Sign-in to Dagster's real web server at a real provider: there, back, and out by the provider."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import yaml

pytest.importorskip("dagster_webserver")
from ft_platform_tests.people.identity.provider import INSTALLED, provider, sign_in
from ft_platform_tests.web.server import OURS, free_port, home_with, webserver

pytestmark = [
    pytest.mark.components(name="clients"),
    pytest.mark.skipif(
        not INSTALLED, reason="needs the provider: scripts/install_clients.sh FOLDER, then FT_TEST_CLIENTS=FOLDER"
    ),
]
QUERY = {"query": "{version}"}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Dagster's web server with a provider; yields its address."""
    folder, port = tmp_path_factory.mktemp("openid"), free_port()
    named = {"issuer": f"http://127.0.0.1:{port}", "client_id": "ft-platform", "scopes": ["openid", "email", "groups"]}
    settings = folder / "ft_environment.yaml"
    people = {"roles": {"auditor": ["group:claims"]}}
    settings.write_text(yaml.safe_dump({"sign_in": {"openid": named}, "people": people}))
    secret = {"FT_OPENID_CLIENT_SECRET": "the secret of the client", "FT_ENVIRONMENT": str(settings)}
    with webserver(OURS, home_with(folder), **secret) as own:
        address = f"http://127.0.0.1:{own}"
        with provider(port, address, folder):
            yield address


def test_a_person_of_the_provider_signs_in_and_works(ui: str) -> None:
    with httpx2.Client(timeout=60) as browser:
        assert browser.post(f"{ui}/graphql", json=QUERY).status_code == 401
        done = sign_in(browser, f"{ui}/auth/openid?next=/runs", "ana")
        assert (done.status_code, done.headers["location"]) == (303, "/runs")
        assert browser.post(f"{ui}/graphql", json=QUERY).json()["data"]["version"]
        account = browser.get(f"{ui}/auth/account").text
        assert "ana@example.org" in account and "Your groups: claims" in account


def test_a_person_whose_address_is_not_verified_stays_outside(ui: str) -> None:
    with httpx2.Client(timeout=60) as browser:
        done = sign_in(browser, f"{ui}/auth/openid", "eve")
        assert done.status_code == 403 and "has not verified your e-mail address" in done.text
        assert browser.post(f"{ui}/graphql", json=QUERY).status_code == 401


def test_an_answer_of_the_provider_counts_once(ui: str) -> None:
    with httpx2.Client(timeout=60) as browser:
        asked: list[str] = []
        browser.event_hooks = {"request": [lambda one: asked.append(str(one.url))]}
        sign_in(browser, f"{ui}/auth/openid", "ana")
        (back,) = [one for one in asked if one.startswith(f"{ui}/auth/callback?")]
        assert browser.get(back).status_code == 400


def begun(browser: httpx2.Client, ui: str, login: str) -> dict[str, str]:
    """What the provider sends the browser back to the UI with, before it goes there."""
    found = sign_in(browser, f"{ui}/auth/openid", login, back=False).headers["location"]
    return {name: value for name, (value,) in parse_qs(urlsplit(found).query).items()}


def test_answers_of_the_provider_that_were_swapped_stolen_or_forged_sign_nobody_in(ui: str) -> None:
    with httpx2.Client(timeout=60) as ana, httpx2.Client(timeout=60) as other, httpx2.Client(timeout=60) as fresh:
        of_ana, of_other = begun(ana, ui, "ana"), begun(other, ui, "ana")
        forged = [
            (fresh, of_ana),  # in a browser that began nothing
            (other, of_ana),  # login CSRF: the answer for another browser
            (fresh, {**of_ana, "state": "guess"}),
            (other, {**of_other, "iss": "http://127.0.0.1:9"}),  # mix-up of providers
        ]
        for browser, answer in forged:
            assert browser.get(f"{ui}/auth/callback", params=answer).status_code in (400, 403), answer
            assert browser.post(f"{ui}/graphql", json=QUERY).status_code == 401


def test_a_code_of_one_sign_in_finishes_no_other(ui: str) -> None:
    """The provider gives tokens only to whoever has the verifier, and the nonce is of the other sign-in."""
    with httpx2.Client(timeout=60) as ana, httpx2.Client(timeout=60) as other:
        of_ana, of_other = begun(ana, ui, "ana"), begun(other, ui, "ana")
        mixed = {**of_other, "code": of_ana["code"]}
        assert other.get(f"{ui}/auth/callback", params=mixed).status_code in (403, 502)
        assert other.post(f"{ui}/graphql", json=QUERY).status_code == 401
        again = other.get(f"{ui}/auth/callback", params=of_other)
        assert again.status_code == 400, "its state is used up"


def test_headers_of_a_proxy_name_nobody_where_a_provider_signs_in(ui: str) -> None:
    claimed = {"x-forwarded-email": "ana@example.org", "x-forwarded-user": "ana", "x-forwarded-groups": "claims"}
    claimed |= {"x-proxy-secret": "guess", "authorization": "Bearer x", "remote-user": "ana@example.org"}
    with httpx2.Client(timeout=60) as browser:
        assert browser.post(f"{ui}/graphql", json=QUERY, headers=claimed).status_code in (401, 403)


def test_the_provider_signs_a_person_out_of_the_ui(ui: str) -> None:
    with httpx2.Client(timeout=60) as browser, httpx2.Client(timeout=60) as elsewhere:
        at_the_provider: list[str] = []
        browser.event_hooks = {
            "request": [lambda one: at_the_provider.append(f"{one.url.scheme}://{one.url.netloc.decode()}")]
        }
        sign_in(browser, f"{ui}/auth/openid", "ana")
        sign_in(elsewhere, f"{ui}/auth/openid", "ana")
        (address,) = {one for one in at_the_provider if one != ui}
        page = browser.get(f"{address}/session/end", follow_redirects=True)
        xsrf = re.findall(r'name="xsrf" value="(\w+)"', page.text)[0]
        browser.post(f"{address}/session/end/confirm", data={"xsrf": xsrf, "logout": "yes"}, follow_redirects=True)
        assert browser.post(f"{ui}/graphql", json=QUERY).status_code == 401
        assert elsewhere.post(f"{ui}/graphql", json=QUERY).status_code == 200, "another session of the same person"
