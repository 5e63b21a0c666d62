"""`ft_environment.yaml`: what is wrong with it is named with its line, and nothing in it is made to fit."""

import os
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.conftest import minimal_attributes, write_use_case

WRONG = {
    "an unknown setting": ("\nsurprise: 1", "surprise: there is no such setting (ft_environment.yaml:2)"),
    "a number as a name": ("1: 2", "1: there is no such setting (ft_environment.yaml:1)"),
    "a list": ("- home", "the file must be a mapping of settings (ft_environment.yaml:1)"),
    "a number as a folder": ("home: 3", "home must be a path (ft_environment.yaml:1)"),
    "NUL": ('home: "a\\0b"', "home must be a path, which has no NUL (ft_environment.yaml:1)"),
    "a boolean as a folder": ("cache: true", "cache: must be a path (ft_environment.yaml:1)"),
    "a boolean as money": (
        "budgets:\n  per_month: true",
        "budgets.per_month: Input should be a valid number (ft_environment.yaml:2)",
    ),
    "endless money": (
        "budgets:\n  per_month: .inf",
        "budgets.per_month: Input should be a finite number (ft_environment.yaml:2)",
    ),
    "a boolean as a count": (
        "profiles: {x: {processes: true}}",
        "profiles.x.processes: Input should be a valid integer (ft_environment.yaml:1)",
    ),
    "a number in the environment": (
        "profiles: {x: {environment: {A: 1}}}",
        "profiles.x.environment.A: Input should be a valid string (ft_environment.yaml:1)",
    ),
    "a tag": (
        "home: !!python/name:os.system x",
        "not valid YAML: tags (`!name`) are not supported; remove it (ft_environment.yaml:1)",
    ),
    "a name twice": (
        "home: a\nhome: b",
        ("`home` is a duplicate, first in line 1; remove one (ft_environment.yaml:2)"),
    ),
    "an address in place of a variable": (
        "alerting:\n  channels:\n    x: {kind: slack, url_variable: https://hooks.example.org/T0PSECRET}",
        "alerting.channels.x.slack.url_variable: String should match pattern '^[A-Z_][A-Z0-9_]*$'"
        " (ft_environment.yaml:3)",
    ),
    "a password without encryption": (
        "alerting:\n  channels:\n    x: {kind: email, host: mail.example.org, encryption: none, user_variable: A,"
        " password_variable: B, sender: a@example.org, to: [b@example.org]}",
        "alerting.channels.x.email: `encryption: none` would send the password as plain text (ft_environment.yaml:3)",
    ),
    "a key without encryption": (
        "lineage: {url: 'http://marquez.example.org/api/v1/lineage', api_key_variable: MARQUEZ_KEY}",
        "lineage: `url` must begin with `https://`, or the key would be sent as plain text (ft_environment.yaml:1)",
    ),
    "a time zone that is none": (
        "alerting:\n  quiet_hours: {start: '20:00', end: '07:00', time_zone: Mars/Olympus}",
        "alerting.quiet_hours.time_zone: 'Mars/Olympus' is no time zone; one is Europe/Berlin (ft_environment.yaml:2)",
    ),
}


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("FT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ft_environment.yaml"


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_named_with_its_line(installation, text, problem):
    installation.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_environment()
    assert caught.value.problems == [problem]


def test_a_wrong_variable_is_named_as_such(monkeypatch):
    monkeypatch.setenv("FT_REPORTS_URL", "nowhere")
    with pytest.raises(ConfigError, match=r"reports_url: must be an address .* \(variable FT_REPORTS_URL\)"):
        load_environment()


def test_a_pipe_is_not_waited_for_and_a_link_to_nothing_is_no_absent_file(installation):
    os.mkfifo(installation)
    with pytest.raises(ConfigError, match="must be a regular file"):
        load_environment()
    installation.unlink()
    installation.symlink_to("none")
    with pytest.raises(ConfigError, match="No such file"):
        load_environment()


def test_an_empty_file_and_a_good_one_load(installation):
    installation.write_text("")
    assert load_environment().home == Path.cwd() / ".ft"
    installation.write_text("home: there\nbudgets: {per_month: 5}\nprofiles: {local: {price_per_hour: 2}}\n")
    found = load_environment()
    assert (found.home, found.budgets.per_month, found.profiles["local"].price_per_hour) == (
        Path.cwd() / "there",
        5.0,
        2.0,
    )


def test_folders_with_one_name_or_with_a_name_that_none_can_have_take_nobody_else_down(environment):
    for folder in ("complaints", "a/letters", "b/letters", "Bad name", "x\x1b[31m", os.fsdecode(b"bad\xff"), "class"):
        write_use_case(environment.defs, folder, minimal_attributes("records.csv"))
    graph = load_definitions(environment).get_repository_def().asset_graph
    broken = {key.path[0] for key in graph.get_all_asset_keys() if key.path[-1] == "does_not_load"}
    assert "letters" in broken and len([name for name in broken if name.startswith("folder_")]) == 3
    assert {key.path[0] for key in graph.get_all_asset_keys()} >= {"complaints", "class"}


@pytest.mark.parametrize("how", ["users", "provider"])
def test_once_persons_can_sign_in_what_they_do_counts_signed_in_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    pytest.importorskip("argon2")
    from ft_platform.people.identity.users import Users

    file = tmp_path / "ft_environment.yaml"
    file.write_text("home: home\n")
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    before = load_environment()
    assert before.policy.signatures == Signatures()
    assert before.policy.to_dict() == Policy().to_dict(), "no decision changes"
    if how == "users":
        Users(before.people_path).add("ana.ruiz@example.org")
    else:
        file.write_text("home: home\nsign_in: {openid: {issuer: 'https://id.example.org', client_id: ft}}\n")
    signatures, looks = load_environment().policy.signatures, load_environment().policy.looks
    assert (signatures.signed_in, signatures.confirm_waivers) == (True, True)
    assert (looks.second_person, looks.signed_in) == (["vault"], how == "users")
    case = write_use_case(tmp_path / "defs", "letters", minimal_attributes("records.csv"))
    assert load_use_case(case).policy.signatures.signed_in, "its file loads under the policy `default`"
    file.write_text(f"{file.read_text()}policy: {{name: own, signatures: {{confirm_waivers: false}}}}\n")
    stated = load_environment().policy.signatures
    assert (stated.signed_in, stated.confirm_waivers) == (True, False), "what the policy says stays"


def test_no_number_of_persons_is_asked_for_where_nobody_signs() -> None:
    with pytest.raises(ValueError, match="`persons` above 1 needs `approvals`"):
        Signatures(persons=2)
