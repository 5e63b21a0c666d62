"""A server follows the files that say who may do what."""

import pytest

from ft_platform.errors import ConfigError
from ft_platform.people.loading import CurrentPermissions
from ft_platform.people.person import named
from ft_platform.settings.environment import Environment
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
