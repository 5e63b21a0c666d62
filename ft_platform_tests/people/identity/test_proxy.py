"""Headers of a proxy are believed from the proxy alone, and refused from everybody else."""

import pytest

from ft_platform.errors import ConfigError
from ft_platform.people.identity.proxy import TrustedProxy
from ft_platform.people.identity.refused import Refused
from ft_platform.use_case.settings.sign_in import Proxy

ANA = ("x-forwarded-email", "ana@example.org")
SETTINGS = {"addresses": ["10.0.0.1", "fd00:1::/64"], "says_who": True}


def proxy(**settings: object) -> TrustedProxy:
    return TrustedProxy(Proxy.model_validate({**SETTINGS, **settings}), {"FT_PROXY_SECRET": "open sesame"})


@pytest.mark.parametrize("client", ["10.0.0.1", "fd00:1::7", "::ffff:10.0.0.1"])
def test_the_proxy_says_who_asks(client: str) -> None:
    headers = [("x-forwarded-user", "4711"), ANA, ("x-forwarded-groups", "claims, audit,")]
    found = proxy().person(headers, client)
    assert found and (found.name, found.known_by) == ("ana@example.org", "proxy")
    assert found.groups == {"claims", "audit"}


def test_a_name_that_is_an_address_is_enough() -> None:
    found = proxy().person([("x-forwarded-user", "Ana@Example.org")], "10.0.0.1")
    assert found and found.name == "ana@example.org" and not found.groups


def test_headers_may_have_other_names() -> None:
    found = proxy(email_header="X-Auth-Request-Email").person([("x-auth-request-email", ANA[1])], "10.0.0.1")
    assert found and found.name == "ana@example.org"


@pytest.mark.parametrize("client", ["10.0.0.2", "127.0.0.1", "fd00:2::7", "::ffff:10.0.0.2"])
@pytest.mark.parametrize("header", ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-remote-user"])
def test_from_elsewhere_a_request_with_such_a_header_is_refused(client: str, header: str) -> None:
    with pytest.raises(Refused, match="only a trusted proxy"):
        proxy(user_header="X-Remote-User").person([(header, "ana@example.org")], client)


@pytest.mark.parametrize(
    "found",
    [TrustedProxy(None), TrustedProxy(Proxy.model_validate({**SETTINGS, "says_who": False}))],
    ids=["no proxy", "a proxy for TLS alone"],
)
def test_a_proxy_that_is_not_to_say_who_asks_is_not_believed(found: TrustedProxy) -> None:
    assert found.person([("accept", "*/*")], "10.0.0.1") is None
    with pytest.raises(Refused):
        found.person([ANA], "10.0.0.1")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([ANA, ("x-forwarded-email", "admin@example.org")], "more than once"),
        ([ANA, ("x-forwarded-groups", "a"), ("x-forwarded-groups", "admins")], "more than once"),
        ([("x-forwarded-email", "")], "no e-mail address"),
        ([("x-forwarded-email", "ana@example.org,admin@example.org")], "no e-mail address"),
        ([("x-forwarded-user", "ana")], "no e-mail address"),
        ([("x-forwarded-groups", "admins")], "no e-mail address"),
        ([ANA, ("x-forwarded-groups", "ädmins")], "groups that cannot be read"),
    ],
)
def test_a_proxy_that_is_not_clear_is_refused(headers: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(Refused, match=words):
        proxy().person(headers, "10.0.0.1")


def test_where_a_secret_is_set_the_address_alone_is_not_enough() -> None:
    with_secret = proxy(addresses=["127.0.0.1"], secret_variable="FT_PROXY_SECRET")
    assert with_secret.person([ANA, ("x-proxy-secret", "open sesame")], "127.0.0.1")
    for others in (
        [],
        [("x-proxy-secret", "")],
        [("x-proxy-secret", "guess")],
        [("x-proxy-secret", "open sesame")] * 2,
    ):
        with pytest.raises(Refused, match="only a trusted proxy"):
            with_secret.person([ANA, *others], "127.0.0.1")
    with pytest.raises(ConfigError, match="FT_PROXY_SECRET is not set"):
        TrustedProxy(with_secret.settings, {})


def test_nobody_is_named_where_there_is_no_header() -> None:
    assert proxy().person([("accept", "*/*"), ("x-proxy-secret", "x")], "10.0.0.1") is None


def test_the_address_of_a_browser_is_the_last_one_that_the_proxy_added() -> None:
    found = proxy()
    assert found.behind("10.0.0.1", ["1.1.1.1, 2.2.2.2", "3.3.3.3, 4.4.4.4"], []) == "4.4.4.4"
    assert found.behind("10.0.0.1", ["nonsense"], []) == found.behind("10.0.0.1", [], []) == "10.0.0.1"
    assert found.behind("10.0.0.2", ["4.4.4.4"], []) == "10.0.0.2", "only the proxy may say it"


def test_without_its_secret_the_proxy_says_no_address() -> None:
    with_secret = proxy(secret_variable="FT_PROXY_SECRET")
    for secrets, address in (([], "10.0.0.1"), (["guess"], "10.0.0.1"), (["open sesame"], "4.4.4.4")):
        assert with_secret.behind("10.0.0.1", ["4.4.4.4"], secrets) == address
        assert with_secret.sends("10.0.0.1", secrets) is (address == "4.4.4.4")
