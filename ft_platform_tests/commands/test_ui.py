"""ft ui listens to other machines only after somebody has said that nobody has to log in."""

import pytest

from ft_platform.commands.ui import listening_on
from ft_platform.errors import ConfigError
from ft_platform.settings.environment import Environment


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_no_word(environment: Environment, host: str) -> None:
    assert listening_on(host, 3000, False, environment) == environment


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "ml.example.org", ""])
def test_other_machines_are_refused_and_the_remedy_is_named(environment: Environment, host: str) -> None:
    with pytest.raises(
        ConfigError, match=r"everyone who reaches this machine read all data and start runs.*or add --without-logins"
    ):
        listening_on(host, 3000, False, environment)


def test_an_address_that_was_asked_for_is_a_name_of_the_ui_and_the_terminal_warns(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listening_on("10.0.0.5", 3333, True, environment).web_hosts == ["10.0.0.5:3333"]
    assert "everyone who reaches 10.0.0.5, port 3333, can read all data and start runs" in capsys.readouterr().err
    assert listening_on("fd00::5", 3333, True, environment).web_hosts == ["[fd00::5]:3333"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_need_a_name(environment: Environment, host: str) -> None:
    with pytest.raises(ConfigError, match="Set FT_WEB_HOSTS"):
        listening_on(host, 3000, True, environment)
    named = environment.model_copy(update={"web_hosts": ["ml.example.org"]})
    assert listening_on(host, 3000, True, named).web_hosts == ["ml.example.org"]
