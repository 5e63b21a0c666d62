"""Codes of authenticator apps are those of the RFCs, and count once."""

import pytest

from ft_platform.people.identity.second_factor import (
    STEP_SECONDS,
    address_for_apps,
    code_at,
    decoded,
    new_recovery_codes,
    new_secret,
    step_of,
)

SEED = b"12345678901234567890"


@pytest.mark.parametrize(
    ("count", "code"),
    enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]),
)
def test_codes_are_those_of_rfc_4226_appendix_d(count: int, code: str) -> None:
    assert code_at(SEED, count) == code


@pytest.mark.parametrize(
    ("seconds", "sha1", "sha256", "sha512"),
    [
        (59, "94287082", "46119246", "90693936"),
        (1111111109, "07081804", "68084774", "25091201"),
        (1111111111, "14050471", "67062674", "99943326"),
        (1234567890, "89005924", "91819424", "93441116"),
        (2000000000, "69279037", "90698825", "38618901"),
        (20000000000, "65353130", "77737706", "47863826"),
    ],
)
def test_codes_are_those_of_rfc_6238_appendix_b(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    seeds = {name: (SEED * 4)[:size] for name, size in (("sha1", 20), ("sha256", 32), ("sha512", 64))}
    made = {name: code_at(seed, seconds // STEP_SECONDS, 8, name) for name, seed in seeds.items()}
    assert made == {"sha1": sha1, "sha256": sha256, "sha512": sha512}


def test_a_code_of_now_and_of_the_steps_beside_it_is_good_once() -> None:
    secret, now = new_secret(), 1_000_000 * STEP_SECONDS + 7
    codes = {step: code_at(decoded(secret), step) for step in range(999_998, 1_000_003)}
    good = {step for step, code in codes.items() if step_of(code, secret, 0, now) == step}
    assert good == {999_999, 1_000_000, 1_000_001}
    assert step_of(codes[1_000_000], secret, 1_000_000, now) is None
    assert step_of(codes[999_999], secret, 1_000_000, now) is None
    assert step_of(codes[1_000_001], secret, 1_000_000, now) == 1_000_001
    spaced = f" {codes[1_000_000][:3]} {codes[1_000_000][3:]} "
    assert step_of(spaced, secret, 0, now) == 1_000_000


@pytest.mark.parametrize("code", ["", "000000", "12345", "１２３４５６", "aaaaaa", "0" * 5000])
def test_what_is_no_code_is_refused(code: str) -> None:
    # A secret whose codes around this time are none of these.
    assert step_of(code, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0, 59) is None


@pytest.mark.parametrize("secret", ["", "AAAA", "not base 32!", "GEZDGNBVGY3TQOJQ", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"])
def test_a_secret_of_another_length_or_alphabet_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="not a secret"):
        decoded(secret)


def test_no_two_secrets_or_recovery_codes_are_the_same() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    codes = new_recovery_codes()
    assert len(set(codes)) == 10 and all(len(code) == 16 for code in codes)


def test_an_app_reads_whose_secret_it_is() -> None:
    assert address_for_apps("AB", "ana@example.org") == (
        "otpauth://totp/ft_platform:ana%40example.org?secret=AB&issuer=ft_platform"
    )
