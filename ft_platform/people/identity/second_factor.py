"""The second factor: codes of an authenticator app, which change every 30 seconds (TOTP, RFC 6238), and recovery codes
for whoever has lost it."""

import base64
import binascii
import hmac
import secrets
import time
from urllib.parse import quote

from ft_platform.lake.keys.given_out import digest

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20
"""RFC 4226, 4: 160 bits."""
STEPS_AROUND = 1
"""RFC 6238, 5.2: at most one step for clocks that differ."""
RECOVERY_CODES = 10


def code_at(secret: bytes, step: int, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of one step (RFC 4226, 5.3; RFC 6238, 4.2)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), algorithm)
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(code: str, secret: str, after: int, at: float | None = None) -> int | None:
    """The step that a code belongs to, if it is one of now and later than `after`: each code counts once."""
    now = int((time.time() if at is None else at) // STEP_SECONDS)
    found, key = None, decoded(secret)
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        if hmac.compare_digest(code_at(key, step).encode(), _plain(code).encode()) and step > after:
            found = step
    return found


def new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def decoded(secret: str) -> bytes:
    """The bytes of a secret.

    Raises:
        ValueError: it is none.
    """
    try:
        found = base64.b32decode(secret)
    except binascii.Error:
        raise ValueError("not a secret of a second factor") from None
    if len(found) != SECRET_BYTES:
        raise ValueError("not a secret of a second factor")
    return found


def address_for_apps(secret: str, name: str) -> str:
    """What an authenticator app reads (Key URI Format)."""
    return f"otpauth://totp/ft_platform:{quote(name)}?secret={secret}&issuer=ft_platform"


def new_recovery_codes() -> list[str]:
    """Codes of 80 random bits; each counts once."""
    return [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]


def kept(recovery_code: str) -> str:
    """What is kept of a recovery code: its hash."""
    return digest(_plain(recovery_code))


def _plain(code: str) -> str:
    """A code without the blanks that people read it with."""
    return "".join(code.split()).lower()
