"""`ft vault` makes its key, answers its holder, and notes every attempt. Persons are fictitious."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.cli import main
from ft_platform.lake.opening import open_lake
from ft_platform.privacy.batch import ORIGINALS
from ft_platform.privacy.vault import VaultWriter, read_public_key
from ft_platform.use_case.environment import create_pseudonym_key, load_environment
from ft_platform_tests.privacy.test_vault import PAIRS

CARL = "carl@example.org"
ROLES = f"people: {{roles: {{compliance: [{CARL}]}}}}\npolicy: {{name: tests, looks: {{anywhere: true}}}}\n"
"""Here standard output is no terminal."""
WHY = ["--by", CARL, "--purpose", "request_of_a_person", "--reason", "case 4711 of today"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    for name in (
        "FT_LAKE_ROOT",
        "FT_VAULT_KEY_FILE",
        "FT_VAULT_KEY_PROVIDER",
        "FT_VAULT_PUBLIC_KEY_FILE",
        "FT_ENVIRONMENT",
    ):
        monkeypatch.delenv(name, raising=False)
    Path("ft_environment.yaml").write_text(ROLES)
    create_pseudonym_key(load_environment())
    return tmp_path / "home" / "vault"


def fill(home: Path, vault_id: str = "v1") -> None:
    environment = load_environment()
    work = home.parent / f"work-{vault_id}"
    work.mkdir()
    writer = VaultWriter(
        open_lake(environment), "complaints", vault_id, read_public_key(environment.vault_public_key_path), work
    )
    writer.add(pa.array([[{"pseudonym": p, "original": o} for p, o in PAIRS]], ORIGINALS))
    assert writer.finish() == len(PAIRS)


def test_the_holder_of_the_key_gets_the_originals_and_everybody_the_list_of_look_ups(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "init"]) == 0
    assert (home / "vault.key").stat().st_mode & 0o077 == 0 and (home / "vault.pub").exists()
    key = (home / "vault.key").read_text()
    fill(home)
    assert key.strip() not in capsys.readouterr().out
    assert main(["vault", "read", "complaints", "<EMAIL_bbbbbbbb>", *WHY]) == 0
    assert capsys.readouterr().out == "mirela@example.com\n"
    assert main(["vault", "read", "complaints", "<EMAIL_zzzzzzzz>", *WHY, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"pseudonym": "<EMAIL_zzzzzzzz>", "originals": []}
    (home / "vault.key").rename(home / "elsewhere.key")
    assert main(["vault", "audit", "complaints"]) == 0
    shown = capsys.readouterr().out
    assert (
        "case 4711" in shown
        and CARL in shown
        and "1 found" in shown
        and "2 look-up(s)" in shown
        and "mirela@" not in shown
    )


def test_without_the_key_nothing_is_shown_and_the_attempt_is_noted(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "init"]) == 0
    fill(home)
    (home / "vault.key").rename(home / "elsewhere.key")
    capsys.readouterr()
    assert main(["vault", "read", "complaints", "<EMAIL_bbbbbbbb>", *WHY]) == 1
    output = capsys.readouterr()
    assert "there is no vault key" in output.err and "mirela" not in output.out + output.err
    assert main(["vault", "audit", "complaints", "--json"]) == 0
    assert [note["outcome"] for note in json.loads(capsys.readouterr().out)] == ["refused: no fitting key"]


def test_init_twice_keeps_the_key_and_rotate_keeps_what_was_sealed_before(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "init"]) == 0
    key, public = (home / "vault.key").read_text(), (home / "vault.pub").read_text()
    fill(home)
    assert main(["vault", "init"]) == 0
    assert ((home / "vault.key").read_text(), (home / "vault.pub").read_text()) == (key, public)
    assert main(["vault", "rotate"]) == 0
    assert (home / "vault.pub").read_text() != public
    fill(home, "v2")
    capsys.readouterr()
    assert main(["vault", "read", "complaints", "<EMAIL_bbbbbbbb>", *WHY]) == 0
    assert capsys.readouterr().out == "mirela@example.com\n"
    assert main(["vault", "audit", "complaints", "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)
    assert len(note["vaults"]) == 2


@pytest.mark.parametrize("name", ["nothing", "../restricted", "."])
def test_a_use_case_without_a_vault_says_which_have_one(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "init"]) == 0
    fill(home)
    assert main(["vault", "read", name, "x", *WHY]) == 1
    assert "there is no vault of" in (error := capsys.readouterr().err) and "complaints" in error


def test_the_vault_opens_for_compliance_officers_on_a_terminal_and_with_a_second_person_where_the_policy_asks(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vault", "init"]) == 0
    fill(home)
    words = ["vault", "read", "complaints", "<EMAIL_bbbbbbbb>", *WHY]
    capsys.readouterr()
    assert main([*words, "--by", "dora@example.org"]) == 1
    assert "only the compliance officer" in capsys.readouterr().err
    file = Path("ft_environment.yaml")
    file.write_text(ROLES.replace("anywhere: true", "anywhere: false"))
    assert main(words) == 1 and "on a terminal only" in capsys.readouterr().err
    two = ROLES.replace(CARL, f"{CARL}, cora@example.org").replace(
        "anywhere: true", "anywhere: true, second_person: [vault]"
    )
    file.write_text(two)
    assert main(words) == 1
    number = capsys.readouterr().err.split("look ")[1].split()[0]
    assert main(["looks", "confirm", number, "--by", CARL]) == 1
    assert main(["looks", "confirm", number, "--by", "cora@example.org"]) == 0
    capsys.readouterr()
    assert main([*words, "--look", number]) == 0 and capsys.readouterr().out == "mirela@example.com\n"
    assert main([*words, "--look", number]) == 1 and "has shown 1 of its 1 records" in capsys.readouterr().err
