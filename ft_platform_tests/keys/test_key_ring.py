"""Keys have versions, are told apart, and never leave the process."""

import json
import pickle
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, KeyMissing
from ft_platform.lake.keys.key_ring import (
    KeyRing,
    UseCaseKeys,
    key_handle,
    pseudonym_key_place,
    read_key_ring,
    require_known_key,
)
from ft_platform.lake.keys.providers import KeyPlace
from ft_platform.privacy.pseudonyms import Pseudonyms, subject_pseudonyms
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment

ONE, TWO = bytes(range(32)), bytes(range(1, 33))


def info_of(secret: bytes, version: int = 1) -> dict[str, str]:
    """What the manifest of a version that was made with a key says."""
    return {"key_version": str(version), "key_fingerprint": UseCaseKeys(secret, "complaints").fingerprint}


def test_a_key_file_of_the_first_release_is_version_1(environment: Environment) -> None:
    """`ft init` wrote plain hexadecimal digits, and still does."""
    ring = read_key_ring(pseudonym_key_place(environment))
    text = environment.key_path.read_text()
    assert ring.keys == {1: bytes.fromhex(text)} and ring.newest == 1
    assert ring.to_text() == text
    assert not create_pseudonym_key(environment) and environment.key_path.read_text() == text


def test_a_ring_is_the_same_after_it_was_stored() -> None:
    ring = KeyRing({1: ONE}).rotated().rotated().without(2)
    assert KeyRing.from_text(ring.to_text(), "here") == ring
    assert sorted(ring.keys) == [1, 3] and list(ring.retired) == [2]


def test_a_rotated_ring_keeps_the_old_key_and_numbers_are_never_used_again() -> None:
    ring = KeyRing({1: ONE}).rotated()
    assert ring.keys[1] == ONE and ring.newest == 2 and len(ring.keys[2]) == 32 and ring.keys[2] != ONE
    assert ring.without(1).rotated().newest == 3
    with pytest.raises(ConfigError, match="version 2 cannot be retired"):
        ring.without(2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "less than 32 bytes"),
        ("00ff", "less than 32 bytes"),
        ("not hexadecimal", "contains neither hexadecimal digits nor"),
        ("{}", "contains neither"),
        ('{"keys": {}}', "or none"),
        ('{"keys": {"one": "00"}}', "contains neither"),
        ('{"keys": {"1": "zz"}}', "contains neither"),
        ('{"keys": [1]}', "contains neither"),
    ],
)
def test_a_damaged_key_stops_and_is_not_quoted(text: str, problem: str) -> None:
    with pytest.raises(KeyMissing, match=problem) as caught:
        KeyRing.from_text(text, "the file")
    assert "zz" not in str(caught.value) and "not hexadecimal" not in str(caught.value)


def test_a_missing_key_stops(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"there is no key in .*key\. Create one once with: ft init"):
        read_key_ring(KeyPlace("file", tmp_path / "key", "NO_SUCH_VARIABLE"))


@pytest.mark.parametrize(
    ("ring", "info"),
    [
        (KeyRing({1: ONE}), info_of(ONE)),
        (KeyRing({1: ONE, 2: TWO}), info_of(ONE)),  # rotated since
        (KeyRing({2: TWO}, {1: "2026-01-01"}), info_of(ONE)),  # rotated, and the old one retired
        (
            KeyRing({1: ONE}),
            {"key_fingerprint": UseCaseKeys(ONE, "complaints").fingerprint},
        ),  # a manifest of the first release
    ],
)
def test_the_key_of_earlier_versions_is_known(ring: KeyRing, info: dict[str, str]) -> None:
    require_known_key(ring, "complaints", info)


@pytest.mark.parametrize(
    "ring",
    [
        KeyRing({1: TWO}),  # another key in the same place
        KeyRing({2: ONE}),  # the version is gone without a trace
        KeyRing({1: TWO, 2: ONE}),
    ],
)
def test_another_key_is_noticed(ring: KeyRing) -> None:
    with pytest.raises(KeyMissing, match="with a different key, the same person would get a different pseudonym"):
        require_known_key(ring, "complaints", info_of(ONE))


def test_a_version_that_is_not_there_is_refused() -> None:
    ring = KeyRing({2: TWO}, {1: "2026-01-01"})
    assert ring.version(0) == ring.version(2) == 2
    with pytest.raises(KeyMissing, match="version 1 of the pseudonym key was retired on 2026-01-01"):
        ring.version(1)
    with pytest.raises(KeyMissing, match=r"there is no version 3 of the pseudonym key, only \[2\]"):
        ring.version(3)


def test_keys_of_two_use_cases_and_purposes_differ_and_the_fingerprint_gives_nothing_away() -> None:
    keys = UseCaseKeys(ONE, "complaints")
    made = [
        keys.derived(""),
        keys.derived("surrogate"),
        keys.derived("date_shift"),
        UseCaseKeys(ONE, "support").derived(""),
    ]
    assert len(set(made)) == 4
    assert keys.fingerprint != UseCaseKeys(ONE, "support").fingerprint
    assert not any(keys.fingerprint in key.hex() for key in [ONE, *made])


def test_a_short_key_is_refused() -> None:
    with pytest.raises(KeyMissing, match="at least 32 bytes, got 31"):
        UseCaseKeys(ONE[:31], "complaints")


def test_keys_are_neither_pickled_nor_shown() -> None:
    keys = UseCaseKeys(ONE, "complaints")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keys)
    assert ONE.hex() not in repr(KeyRing({1: ONE})) and repr(ONE) not in repr(KeyRing({1: ONE}))
    assert ONE.hex() not in repr(keys)


def test_a_handle_holds_no_key_and_opens_it_where_it_is_used(tmp_path: Path) -> None:
    place = KeyPlace("file", tmp_path / "key", "")
    place.open().write(KeyRing({1: ONE}).to_text())
    sent = pickle.dumps(key_handle(read_key_ring(place), place, "complaints"))
    assert ONE not in sent and ONE.hex().encode() not in sent
    handle = pickle.loads(sent)  # noqa: S301
    assert handle.open().fingerprint == UseCaseKeys(ONE, "complaints").fingerprint
    place.open().write(KeyRing({1: TWO}).to_text())
    with pytest.raises(KeyMissing, match="this process reads a different pseudonym key from the step"):
        handle.open()
    (tmp_path / "key").unlink()
    with pytest.raises(KeyMissing, match="there is no key"):
        handle.open()


def test_a_handle_stays_with_its_version_when_the_key_is_rotated_meanwhile(tmp_path: Path) -> None:
    place = KeyPlace("file", tmp_path / "key", "")
    place.open().write(KeyRing({1: ONE}).to_text())
    handle = key_handle(read_key_ring(place), place, "complaints")
    place.open().write(KeyRing({1: ONE}).rotated().to_text())
    assert handle.open().fingerprint == UseCaseKeys(ONE, "complaints").fingerprint


def test_a_person_is_found_under_the_pseudonyms_of_all_versions(environment: Environment) -> None:
    ring = KeyRing({1: ONE, 3: TWO}, {2: "2026-01-01"})
    environment.key_path.write_text(ring.to_text())
    assert subject_pseudonyms(environment, "complaints", "customer-17") == {
        1: Pseudonyms(UseCaseKeys(ONE, "complaints")).subject("customer-17"),
        3: Pseudonyms(UseCaseKeys(TWO, "complaints")).subject("customer-17"),
    }


def test_the_stored_form_of_a_rotated_ring_is_what_the_documentation_says() -> None:
    assert json.loads(KeyRing({1: ONE, 2: TWO}).to_text()) == {"keys": {"1": ONE.hex(), "2": TWO.hex()}, "retired": {}}
