"""Keys of the server: how they are kept, and which are good."""

import json
import stat
from pathlib import Path

import pytest

from ft_platform.errors import ConfigError, StateDamaged
from ft_platform.lake.keys import given_out
from ft_platform.serving.api_keys import ApiKeys, KeyRefused, RateExceeded, add_key, read_keys, revoke_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "serving" / "api_keys.json"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_a_hash_is_kept_and_only_its_owner_may_read_it(path: Path) -> None:
    made, key = add_key(path, "claims", "portal", days=30)
    text = path.read_text()
    assert key[12:] not in text and made.digest in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in read_keys(path)] == ["portal"]


def test_two_keys_are_never_the_same_and_both_are_good(path: Path) -> None:
    given = [add_key(path, "all", f"n{number}")[1] for number in range(3)]
    keys = ApiKeys(path)
    assert [keys.check(one).name for one in given] == ["n0", "n1", "n2"]


def test_a_key_is_refused_by_words_that_do_not_quote_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, good = add_key(path, "all", "good")
    ended, revoked = add_key(path, "all", "revoked")
    revoke_key(path, ended.id)
    _, expired = add_key(path, "all", "expired", days=-1)
    keys = ApiKeys(path)
    other = good[:-1] + ("A" if good[-1] != "A" else "B")
    expected = {
        None: "a key is needed",
        "": "a key is needed",
        "sk-123": "has another form",
        f"{good}x": "has another form",
        f"{good}\n": "has another form",
        other: "not known",
        good.replace(good[3:11], "00000000"): "not known",
        revoked: "is revoked",
        expired: "is expired",
    }
    for given, words in expected.items():
        with pytest.raises(KeyRefused, match=words) as refused:
            keys.check(given)
        assert not given or given.strip() not in str(refused.value)


def test_secrets_are_compared_in_constant_time_also_where_the_id_is_unknown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, good = add_key(path, "all", "good")
    keys, compared = ApiKeys(path), []
    monkeypatch.setattr(given_out.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    keys.check(good)
    with pytest.raises(KeyRefused):
        keys.check(good.replace(good[3:11], "ffffffff"))
    assert len(compared) == 2


def test_what_is_revoked_is_noticed_by_a_running_server(path: Path) -> None:
    clock = Clock()
    made, key = add_key(path, "all", "portal")
    keys = ApiKeys(path, clock)
    keys.check(key)
    revoke_key(path, made.id)
    revoke_key(path, made.id)
    clock.now += 1.1
    keys.look()
    with pytest.raises(KeyRefused, match="revoked"):
        keys.check(key)


@pytest.mark.parametrize("harm", ["removed", "damaged", "unreadable rate"])
def test_a_server_with_keys_never_becomes_open(path: Path, harm: str) -> None:
    clock = Clock()
    _, key = add_key(path, "all", "portal")
    keys = ApiKeys(path, clock)
    if harm == "removed":
        path.unlink()
    else:
        path.write_text("{" if harm == "damaged" else path.read_text().replace("600", '"many"'))
    clock.now += 1.1
    keys.look()
    assert keys.required and not keys.has_usable
    with pytest.raises(KeyRefused):
        keys.check(key)


def test_a_server_without_keys_needs_one_once_there_is_one(path: Path) -> None:
    clock = Clock()
    keys = ApiKeys(path, clock)
    assert not keys.required
    _, key = add_key(path, "all", "portal")
    clock.now += 1.1
    keys.look()
    assert keys.required and keys.check(key)


@pytest.mark.parametrize("text", ["{", "[]", '{"keys": [{"id": "x"}]}', '{"keys": 5}', '{"keys": [3]}'])
def test_a_damaged_file_is_no_empty_one(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    for attempt in (read_keys, ApiKeys, lambda path: add_key(path, "all", "x")):
        with pytest.raises(StateDamaged):
            attempt(path)
    assert path.read_text() == text


def test_a_key_that_is_not_there_cannot_be_revoked(path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no key"):
        revoke_key(path, "00000000")


def test_a_key_is_for_its_use_case(path: Path) -> None:
    made, _ = add_key(path, "claims", "portal")
    assert made.allows("claims") and not made.allows("claims2") and not made.allows("all")
    assert add_key(path, "all", "x")[0].allows("claims")


def test_a_rate_is_a_minutes_worth_at_once_and_then_what_time_brings(path: Path) -> None:
    clock = Clock()
    made, _ = add_key(path, "all", "portal", rate=6)
    keys = ApiKeys(path, clock)
    for _ in range(6):
        keys.charge(made)
    with pytest.raises(RateExceeded) as refused:
        keys.charge(made)
    assert refused.value.retry_after == pytest.approx(10)
    clock.now += 10
    keys.charge(made)
    with pytest.raises(RateExceeded):
        keys.charge(made)
    clock.now += 3600
    keys.charge(made, 60)  # more than a minute's worth is allowed from a full bucket, and paid for afterwards
    clock.now += 60
    with pytest.raises(RateExceeded):
        keys.charge(made)


def test_what_is_kept_can_be_read_by_people(path: Path) -> None:
    add_key(path, "claims", "portal", days=30, rate=5)
    (kept,) = json.loads(path.read_text())["keys"]
    assert (kept["use_case"], kept["name"], kept["rate"], kept["revoked"]) == ("claims", "portal", 5, None)
