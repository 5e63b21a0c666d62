"""ft users and ft tokens: what they print, and what they refuse."""

import json
from pathlib import Path

import pytest

pytest.importorskip("argon2")
from ft_platform.cli import main
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.identity.users import Users
from ft_platform.use_case.environment import load_environment

ANA = "ana@example.org"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with the shipped use cases."""
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def ft(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = main(list(words))
    except SystemExit as error:
        code = int(error.code or 0)
    return code, *capsys.readouterr()


def test_a_user_is_added_listed_disabled_and_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, password, told = ft(capsys, "users", "add", "Ana@Example.org")
    assert code == 0 and len(password.strip()) == 24 and "shown only now" in told and password.strip() not in told
    users = Users(home / "people")
    assert users.check(ANA, password.strip(), "")[1] == ""
    assert ft(capsys, "users", "list")[1].split() == ["new", "-", ANA]
    assert ft(capsys, "users", "disable", ANA)[1] == f"{ANA} is disabled; open sessions end within a second\n"
    assert ft(capsys, "users", "list")[1].startswith("disabled")
    assert ft(capsys, "users", "enable", ANA)[1] == f"{ANA} is enabled\n"
    again = ft(capsys, "users", "reset", ANA)[1].strip()
    assert again != password.strip() and users.check(ANA, again, "")[1] == ""
    assert ft(capsys, "users", "remove", ANA)[1].startswith(f"{ANA} is removed")
    assert ft(capsys, "users", "list")[:2] == (0, "")
    noted = AuditLog(open_lake(load_environment())).entries()
    did = [one.what for one in noted if one.kind == "people"]
    assert did == [f"ft users {action}" for action in ("add", "disable", "enable", "reset", "remove")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("users", "add"), "needs an e-mail address"),
        (("users", "add", "ana"), "must be an e-mail address"),
        (("users", "reset", ANA), "there is no user"),
        (("tokens", "add"), "needs a name"),
        (("tokens", "add", "Nightly!", "--may", "see", "--in", "all", "--days", "1"), "lower-case letters"),
        (("tokens", "add", "n", "--may", "see", "--in", "all"), "needs --may, --in and --days"),
        (("tokens", "add", "n", "--may", "see", "--in", "all", "--days", "367"), "1 to 366"),
        (("tokens", "add", "n", "--may", "see", "--in", "nowhere", "--days", "1"), "no use case 'nowhere'"),
        (("tokens", "add", "n", "--may", "erase", "--in", "all", "--days", "1"), "only a person may erase a person"),
        (("tokens", "revoke", "n"), "no usable token"),
    ],
)
def test_what_is_wrong_is_one_clear_error(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    code, out, told = ft(capsys, *words)
    assert code == 1 and out == "" and said in told and "Traceback" not in told


def test_a_token_is_shown_once_listed_and_revoked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("tokens", "add", "nightly", "--may", "start_training", "see", "--in", "complaint_routing", "--days", "90")
    code, token, told = ft(capsys, *words)
    assert code == 0 and token.startswith("ftt_") and token.strip() not in told
    listed = ft(capsys, "tokens", "list")[1]
    assert "usable" in listed and "nightly" in listed and "see, start_training in complaint_routing" in listed
    assert "revoked; " not in listed and "is revoked" in ft(capsys, "tokens", "revoke", "nightly")[1]
    assert ft(capsys, "tokens", "list")[1].startswith("revoked")
    kept = json.loads((home / "people" / "tokens.json").read_text())["tokens"]
    assert len(kept) == 1 and token.strip().rpartition("_")[2] not in json.dumps(kept)
