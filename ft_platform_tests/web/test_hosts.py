"""Which `Host` headers are addressed to a server."""

import pytest

from ft_platform.errors import ConfigError
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import Hosts, authority, is_loopback

HOSTS = Hosts.of(["ml.example.org", "10.0.0.5:3000"])
HERE = ("127.0.0.1", 3000)
NETWORK = ("10.0.0.5", 3000)


@pytest.mark.parametrize(
    ("header", "server", "expected"),
    [
        ("127.0.0.1:3000", HERE, True),
        ("localhost:3000", HERE, True),
        ("LOCALHOST:3000", HERE, True),
        ("[::1]:3000", ("::1", 3000), True),
        ("localhost:3000", ("::ffff:127.0.0.1", 3000), True),
        ("localhost", ("127.0.0.1", 80), True),
        ("localhost", HERE, False),  # another server of this machine
        ("localhost:3001", HERE, False),
        ("localhost:3000", NETWORK, False),  # from another machine
        ("ml.example.org", NETWORK, True),
        ("ML.example.org:443", HERE, True),
        ("10.0.0.5:3000", NETWORK, True),
        ("10.0.0.5:3001", NETWORK, False),
        ("ml.example.org.", HERE, False),
        ("ml.example.org.evil.example", HERE, False),
        ("evil.example:3000", HERE, False),
        ("localhost.evil.example:3000", HERE, False),
        ("localhost@evil.example:3000", HERE, False),
        ("evil.example#localhost:3000", HERE, False),
        ("localhost:3000, evil.example", HERE, False),
        ("127.0.0.1:3000 ", HERE, False),
        ("127.1:3000", HERE, False),
        ("2130706433:3000", HERE, False),
        ("0.0.0.0:3000", HERE, False),
        ("[::1", HERE, False),
        ("", HERE, False),
        (None, HERE, False),
        ("localhost:3000", None, False),
    ],
)
def test_a_host_header_is_addressed_to_this_server_or_not(header, server, expected):
    assert HOSTS.includes(header, server) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_addresses_of_this_machine(address, expected):
    assert is_loopback(address) is expected


def test_an_installation_names_hosts_in_its_file_or_by_a_variable(tmp_path):
    assert Environment(home=tmp_path).web_hosts == []
    made = Environment(home=tmp_path, web_hosts="ml.example.org, 10.0.0.5:3000")  # type: ignore[arg-type]
    assert made.web_hosts == ["ml.example.org", "10.0.0.5:3000"]
    assert made.to_variables()["FT_WEB_HOSTS"] == "ml.example.org,10.0.0.5:3000"


@pytest.mark.parametrize("wrong", ["http://ml.example.org", "*", "a b", "ml.example.org/", "ml.example.org:"])
def test_a_host_that_could_never_match_is_an_error_in_the_file(monkeypatch, tmp_path, wrong):
    from ft_platform.use_case.environment import load_environment

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_WEB_HOSTS", wrong)
    with pytest.raises(ConfigError, match="must be host names"):
        load_environment()


def test_an_authority_has_a_name_in_lower_case_and_a_port():
    assert authority("[2001:DB8::1]:3000") == ("2001:db8::1", 3000)
