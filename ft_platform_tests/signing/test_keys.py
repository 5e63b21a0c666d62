"""Rotation and theft of the signing key: what is kept, and two people who act at once. Lake and chain:
lake/test_seals.py."""

import json
import threading
import time
from pathlib import Path

import pytest

from ft_platform.lake.keys.providers.file import FileKeys
from ft_platform.lake.signing import keys as module
from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.use_case.settings.environment import Environment


@pytest.fixture
def home(tmp_path: Path) -> Environment:
    return Environment(home=tmp_path)


def at_once(*acts) -> list[Exception]:
    failed: list[Exception] = []

    def run(act) -> None:
        try:
            act()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return failed


def slow(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    original = getattr(owner, name)

    def later(*arguments):
        time.sleep(0.3)
        return original(*arguments)

    monkeypatch.setattr(owner, name, later)


def test_rotation_keeps_no_older_private_key_that_could_be_stolen_with_the_newest(home):
    keys: SigningKeys = signing_keys_of(home)
    first, secret = keys.newest, home.signing_key_path.read_text().strip()
    keys.rotate()
    kept = json.loads(home.signing_key_path.read_text())
    assert list(kept["keys"]) == ["2"] and list(kept["retired"]) == ["1"] and secret not in json.dumps(kept)
    assert list(keys.public) == [first, keys.newest]


def test_two_who_rotate_at_once_do_not_write_over_each_others_key(home, monkeypatch):
    assert signing_keys_of(home).newest
    one, other = signing_keys_of(home), signing_keys_of(home)
    slow(monkeypatch, FileKeys, "write")
    assert at_once(one.rotate, lambda: (time.sleep(0.1), other.rotate())) == []
    assert signing_keys_of(home).sign(b"x") and max(key.version for key in one.public.values()) >= 2


def test_a_theft_reported_while_somebody_rotates_is_not_forgotten(home, monkeypatch):
    first = signing_keys_of(home).newest
    one, other = signing_keys_of(home), signing_keys_of(home)
    slow(monkeypatch, module, "write_bytes")
    assert (
        at_once(
            lambda: one.report_stolen(first, "2027-01-01T00:00:00+00:00", {}), lambda: (time.sleep(0.1), other.rotate())
        )
        == []
    )
    found = list(signing_keys_of(home).public.values())
    assert [bool(key.stolen_since) for key in found] == [True, False]
