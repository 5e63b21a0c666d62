"""A server follows the files that say who may do what."""

from pathlib import Path

import pytest

from ft_platform.errors import ConfigError
from ft_platform.people.loading import CurrentPermissions, environment_now
from ft_platform.people.person import named
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.roles.rules import UNKNOWN, Judge, Rules
from ft_platform_tests.conftest import minimal_attributes, write_use_case

ANA, BO = named("ana@example.org"), named("bo@example.org")


def owned_by(environment: Environment, person: str) -> None:
    attributes = {**minimal_attributes("x.csv"), "owners": {"accountable": person}}
    write_use_case(environment.defs, "letters", attributes)


def test_a_changed_owner_counts_at_the_next_question(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.people.loading.environment_file", lambda: None)
    owned_by(environment, ANA.name)
    current = CurrentPermissions(lambda: environment)
    assert current().may(ANA, "release", "letters") and not current().may(BO, "release", "letters")
    assert current() is current()
    owned_by(environment, BO.name)
    assert current().may(BO, "release", "letters") and not current().may(ANA, "release", "letters")
    (environment.defs / "letters" / "defs.yaml").write_text("type: [")
    assert not current().may(BO, "release", "letters")


def test_wrong_settings_of_the_installation_stop_everybody(
    environment: Environment, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ft_environment.yaml"
    file.write_text(
        f"home: {environment.home}\ndefs: {environment.defs}\npeople: {{roles: {{auditor: [ana@example.org]}}}}\n"
    )
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    current = CurrentPermissions()
    assert current().may(ANA, "read_debug")
    file.write_text("people: {roles: {auditr: [ana@example.org]}}\n")
    with pytest.raises(ConfigError):
        current()


@pytest.fixture
def file(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "ft_environment.yaml"
    monkeypatch.setenv("FT_ENVIRONMENT", str(made))
    give(made, environment, ANA.name)
    return made


def give(file: Path, environment: Environment, person: str) -> None:
    file.write_text(f"home: {environment.home}\ndefs: {environment.defs}\npeople: {{roles: {{auditor: [{person}]}}}}\n")


def test_a_role_in_the_settings_that_changed_counts_at_once_for_a_server_that_runs(
    environment: Environment, file: Path
) -> None:
    current = CurrentPermissions(environment_now(load_environment()))
    assert current().may(ANA, "read_debug") and current() is current()
    give(file, environment, BO.name)
    assert current().may(BO, "read_debug") and not current().may(ANA, "read_debug")


@pytest.mark.parametrize("how", ["gone", "a folder", "no YAML", "a link to nothing"])
def test_settings_that_cannot_be_read_let_nobody_do_anything(
    environment: Environment, file: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    current = CurrentPermissions(environment_now(load_environment()))
    rules = Rules(current)
    assert Judge(rules, ANA).may([("read_debug", None)])
    file.unlink()
    if how == "a folder":
        file.mkdir()
    elif how == "no YAML":
        file.write_text("people: [")
    elif how == "a link to nothing":
        file.symlink_to(file.with_name("nothing"))
    for _ in range(2):
        ruling = Judge(rules, ANA).may([("read_debug", None)])
        assert not ruling and ruling.why == UNKNOWN and ANA.name not in ruling.why
    if file.is_dir():
        file.rmdir()
    file.unlink(missing_ok=True)
    give(file, environment, BO.name)
    assert Judge(rules, BO).may([("read_debug", None)]) and not Judge(rules, ANA).may([("read_debug", None)])
