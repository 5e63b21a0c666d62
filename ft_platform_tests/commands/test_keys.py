"""`ft keys` changes the key ring and never prints a key."""

import json
from pathlib import Path

import boto3
import pytest

from ft_platform.cli import main
from ft_platform.lake.keys.key_ring import KeyRing, pseudonym_key_place, read_key_ring
from ft_platform.use_case.environment import create_pseudonym_key, load_environment
from ft_platform_tests.aws_server import aws_server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_HOME", str(tmp_path / "home"))
    for name in ("FT_LAKE_ROOT", "FT_KEY_FILE", "FT_KEY_PROVIDER", "FT_PSEUDONYM_KEY", "FT_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def first(home: Path) -> KeyRing:
    """The ring that `ft init` makes."""
    create_pseudonym_key(load_environment())
    return ring()


def ring() -> KeyRing:
    return read_key_ring(pseudonym_key_place(load_environment()))


def no_key_in(output: str, *rings: KeyRing) -> bool:
    return not any(key.hex() in output for one in rings for key in one.keys.values())


def test_rotate_adds_a_version_and_retire_takes_an_old_one_away_for_good(
    first: KeyRing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "rotate"]) == 0
    rotated = ring()
    assert rotated.keys[1] == first.keys[1] and rotated.newest == 2
    assert main(["keys", "retire", "1"]) == 0
    assert list(ring().keys) == [2] and list(ring().retired) == [1]
    assert main(["keys", "list", "--json"]) == 0
    output = capsys.readouterr().out
    listed = json.loads(output[output.index("{") :])
    assert [one["state"].split()[0] for one in listed["versions"]] == ["retired", "newest"]
    assert listed["where"].endswith("home/vault/pseudonym.key")
    assert main(["keys", "list"]) == 0
    assert no_key_in(output + capsys.readouterr().out, first, rotated)


def test_the_newest_version_cannot_be_retired(first: KeyRing, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "retire", "1"]) == 1
    assert "version 1 cannot be retired" in capsys.readouterr().err
    assert ring() == first


@pytest.mark.parametrize("words", [["list"], ["rotate"], ["retire", "1"], ["copy", "--to", "file"]])
def test_without_a_key_each_says_how_to_make_one(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *words]) == 1
    assert "there is no key in" in capsys.readouterr().err


def test_create_makes_the_first_version_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create"]) == 0
    made = ring()
    assert list(made.keys) == [1] and no_key_in(capsys.readouterr().out, made)
    assert main(["keys", "create"]) == 1 and "already has a key" in capsys.readouterr().err
    assert ring() == made


def test_a_key_in_a_variable_says_how_it_is_rotated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FT_PSEUDONYM_KEY", bytes(range(32)).hex())
    assert main(["keys", "rotate"]) == 1
    error = capsys.readouterr().err
    assert "cannot be changed from here" in error and "openssl rand -hex 32" in error
    assert bytes(range(32)).hex() not in error


def test_a_copy_goes_to_another_file_and_never_over_another_key(
    first: KeyRing, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "copy", "--to", "file", "--file", str(home / "copy.key")]) == 0
    assert (home / "copy.key").read_text() == first.to_text() and (home / "copy.key").stat().st_mode & 0o077 == 0
    (home / "theirs.key").write_text(bytes(32).hex())
    assert main(["keys", "copy", "--to", "file", "--file", str(home / "theirs.key")]) == 1
    assert (
        "contains a different key" in capsys.readouterr().err and (home / "theirs.key").read_text() == bytes(32).hex()
    )


def test_a_plain_file_is_encrypted_by_kms_in_place_and_copied_to_secrets_manager(
    first: KeyRing, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_server(monkeypatch):
        key_id = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
        assert main(["keys", "copy", "--to", f"aws_kms:{key_id}"]) == 0
        assert first.keys[1].hex() not in (home / "home/vault/pseudonym.key").read_text()
        monkeypatch.setenv("FT_KEY_PROVIDER", f"aws_kms:{key_id}")
        assert ring() == first
        assert main(["keys", "copy", "--to", "aws_secrets_manager:ft/copied"]) == 0
        monkeypatch.setenv("FT_KEY_PROVIDER", "aws_secrets_manager:ft/copied")
        assert ring() == first and main(["keys", "rotate"]) == 0 and ring().newest == 2
