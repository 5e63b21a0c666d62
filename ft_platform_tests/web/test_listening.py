"""Web servers listen to other machines only with a sign-in, and with TLS or a proxy that terminates it."""

from pathlib import Path

import pytest

from ft_platform.errors import ConfigError
from ft_platform.people.identity.users import Users
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.sign_in import SignIn
from ft_platform.web.listening import Tls, listening_on
from ft_platform_tests.web.certificates import certificate

PROXY = {"addresses": ["10.0.0.1"], "tls": True}
OPENID = {"issuer": "https://id.example.org", "client_id": "ft"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls.given(*certificate(tmp_path_factory.mktemp("tls")))


def with_sign_in(environment: Environment, **settings: object) -> Environment:
    return environment.model_copy(update={"sign_in": SignIn.model_validate(settings)})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_nothing(environment: Environment, host: str) -> None:
    assert listening_on(host, 3000, Tls(), environment) == environment


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "ml.example.org", ""])
@pytest.mark.parametrize("settings", [{}, {"proxy": PROXY}], ids=["nothing", "a proxy that says nothing"])
def test_other_machines_are_refused_where_nobody_signs_in(
    environment: Environment, host: str, settings: dict, tls: Tls
) -> None:
    with pytest.raises(ConfigError, match=r"read and start everything: nobody signs in\. .*ft users add"):
        listening_on(host, 3000, tls, with_sign_in(environment, **settings))


def test_other_machines_are_refused_without_tls(environment: Environment) -> None:
    Users(environment.people_path).add("ana@example.org")
    for settings in ({}, {"openid": OPENID}, {"proxy": {**PROXY, "tls": False, "says_who": True}}):
        with pytest.raises(ConfigError, match=r"unencrypted\. Give --certificate and --key, or name the proxy"):
            listening_on("10.0.0.5", 3000, Tls(), with_sign_in(environment, **settings))


@pytest.mark.parametrize("way", ["users", "openid", "proxy"])
def test_each_way_to_sign_in_lets_other_machines_in_over_tls(environment: Environment, way: str, tls: Tls) -> None:
    if way == "users":
        Users(environment.people_path).add("ana@example.org")
    settings = {"openid": {"openid": OPENID}, "proxy": {"proxy": {**PROXY, "says_who": True}}}.get(way, {})
    made = with_sign_in(environment, **settings)
    assert listening_on("10.0.0.5", 3333, tls, made).web_hosts == ["10.0.0.5:3333"]
    assert listening_on("fd00::5", 3333, tls, made).web_hosts == ["[fd00::5]:3333"]


def test_a_proxy_that_terminates_tls_stands_in_for_a_certificate(environment: Environment) -> None:
    Users(environment.people_path).add("ana@example.org")
    assert listening_on("10.0.0.5", 3000, Tls(), with_sign_in(environment, proxy=PROXY)).web_hosts == ["10.0.0.5:3000"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_need_a_name(environment: Environment, host: str, tls: Tls) -> None:
    made = with_sign_in(environment, openid=OPENID)
    with pytest.raises(ConfigError, match="Set FT_WEB_HOSTS"):
        listening_on(host, 3000, tls, made)
    named = made.model_copy(update={"web_hosts": ["ml.example.org"]})
    assert listening_on(host, 3000, tls, named).web_hosts == ["ml.example.org"]


def test_a_certificate_without_its_key_and_files_that_are_none_are_refused(tls: Tls, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        Tls.given(tls.certificate, None)
    other = certificate(tmp_path)[1]
    for key in (other, tmp_path / "none.pem"):
        with pytest.raises(ConfigError, match="cannot be used"):
            Tls.given(tls.certificate, key)


def test_what_ft_ui_hands_on_arrives(tls: Tls) -> None:
    assert Tls.of_variables(tls.variables) == tls and tls.scheme == "https"
    assert Tls.of_variables({}) == Tls() and not Tls() and Tls().scheme == "http"
