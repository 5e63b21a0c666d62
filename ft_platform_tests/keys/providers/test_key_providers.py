"""Where keys are kept: a file, a variable, AWS (against a local server of its protocols)."""

import base64
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ft_platform.errors import ConfigError, DiskFull, FtError, KeyMissing, MissingExtra, TransientError
from ft_platform.lake.keys.key_ring import KeyRing, read_key_ring
from ft_platform.lake.keys.providers import KeyPlace, provider_names
from ft_platform_tests.aws_server import aws_server

RING = KeyRing({1: bytes(range(32)), 2: bytes(range(1, 33))})


def place(provider: str, tmp_path: Path) -> KeyPlace:
    return KeyPlace(provider, tmp_path / "vault" / "pseudonym.key", "FT_TEST_KEY")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with aws_server(monkeypatch) as variables:
        yield variables


def test_there_are_four_providers_and_a_wrong_name_says_so(tmp_path: Path) -> None:
    assert provider_names() == ["aws_kms", "aws_secrets_manager", "environment", "file"]
    with pytest.raises(ConfigError, match="did you mean aws_secrets_manager"):
        place("aws_secret_manager:x", tmp_path).open()


@pytest.mark.parametrize(
    ("provider", "problem"),
    [("file:x", "takes no argument"), ("environment:x", "takes no argument"), ("aws_kms", "needs key id")],
)
def test_a_wrong_argument_says_what_is_wrong(provider: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=problem):
        place(provider, tmp_path).open()


def test_a_file_is_written_whole_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    here = place("file", tmp_path)
    assert here.open().read() is None
    here.open().write(RING.to_text())
    assert read_key_ring(here) == RING
    assert here.file.stat().st_mode & 0o077 == 0 and here.file.parent.stat().st_mode & 0o077 == 0
    assert [p.name for p in here.file.parent.iterdir()] == ["pseudonym.key"]


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (errno.ENOSPC, DiskFull, "no space left"),
        (errno.EDQUOT, DiskFull, "no space left"),
        (errno.EACCES, KeyMissing, "cannot be written"),
    ],
)
def test_a_write_that_fails_leaves_the_old_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[FtError], words: str
) -> None:
    here = place("file", tmp_path)
    here.open().write(RING.to_text())

    def fails(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(error, match=words):
        here.open().write(RING.rotated().to_text())
    assert read_key_ring(here) == RING
    assert [p.name for p in here.file.parent.iterdir()] == ["pseudonym.key"]


def test_a_file_that_cannot_be_read_stops(tmp_path: Path) -> None:
    here = place("file", tmp_path)
    here.file.mkdir(parents=True)
    with pytest.raises(KeyMissing, match="cannot be read"):
        read_key_ring(here)
    here.file.rmdir()
    here.file.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyMissing, match="cannot be read"):
        read_key_ring(here)


def test_a_variable_is_read_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place("environment", tmp_path)
    with pytest.raises(KeyMissing, match="there is no key in the variable FT_TEST_KEY"):
        read_key_ring(here)
    monkeypatch.setenv("FT_TEST_KEY", "")
    with pytest.raises(KeyMissing, match="there is no key"):
        read_key_ring(here)
    monkeypatch.setenv("FT_TEST_KEY", RING.to_text())
    assert read_key_ring(here) == RING
    with pytest.raises(KeyMissing, match="cannot be changed from here"):
        here.open().write("x")


def test_a_secret_of_secrets_manager_is_created_read_and_changed(aws: dict[str, str], tmp_path: Path) -> None:
    here = place("aws_secrets_manager:ft/keys", tmp_path)
    with pytest.raises(KeyMissing, match="there is no key in the secret ft/keys of AWS Secrets Manager"):
        read_key_ring(here)
    here.open().write(RING.to_text())
    assert read_key_ring(here) == RING
    here.open().write(RING.rotated().without(1).to_text())
    assert sorted(read_key_ring(here).keys) == [2, 3]


def test_a_file_encrypted_by_kms_is_worth_nothing_without_it(aws: dict[str, str], tmp_path: Path) -> None:
    kms = boto3.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/ft", TargetKeyId=key_id)
    here = place("aws_kms:alias/ft", tmp_path)
    assert here.open().read() is None
    here.open().write(RING.to_text())
    assert read_key_ring(here) == RING
    stored = here.file.read_text()
    assert not any(key.hex() in stored or key in base64.b64decode(stored) for key in RING.keys.values())
    with pytest.raises(KeyMissing, match="neither hexadecimal digits"):
        read_key_ring(place("file", tmp_path))


def test_another_kms_key_a_changed_file_and_a_plain_file_are_refused(aws: dict[str, str], tmp_path: Path) -> None:
    kms = boto3.client("kms")
    one, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    here = place(f"aws_kms:{one}", tmp_path)
    here.open().write(RING.to_text())
    with pytest.raises(KeyMissing, match=r"cannot be used \(\w+\)"):
        read_key_ring(place(f"aws_kms:{other}", tmp_path))
    sealed = bytearray(base64.b64decode(here.file.read_text()))
    sealed[-1] ^= 1
    here.file.write_text(base64.b64encode(bytes(sealed)).decode())
    with pytest.raises(KeyMissing, match="cannot be used"):
        read_key_ring(here)
    here.file.write_text("a plain text")
    with pytest.raises(KeyMissing, match="is not base64"):
        read_key_ring(here)


def test_a_ring_too_large_for_kms_says_what_to_do(aws: dict[str, str], tmp_path: Path) -> None:
    here = place(f"aws_kms:{boto3.client('kms').create_key()['KeyMetadata']['KeyId']}", tmp_path)
    with pytest.raises(KeyMissing, match="ft keys retire"):
        here.open().write(KeyRing({n: bytes(32) for n in range(1, 100)}).to_text())


def test_an_aws_that_does_not_answer_is_a_passing_trouble(
    aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot be reached now"):
        read_key_ring(place("aws_secrets_manager:ft/keys", tmp_path))


def test_the_message_of_aws_is_never_quoted(aws: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(KeyMissing) as caught:
        place("aws_kms:arn:aws:kms:us-east-1:123456789012:key/none", tmp_path).open().write(RING.to_text())
    assert not any(key.hex() in str(caught.value) for key in RING.keys.values())


def test_a_missing_boto3_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"ft-platform\[aws\]"):
        place("aws_secrets_manager:ft/keys", tmp_path).open()
