"""Passwords: hashed with Argon2id, and the rules for new ones."""

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP Password Storage Cheat Sheet: Argon2id with at least 19 MiB, 2 iterations, 1 thread. A change here reaches each
user at the next login."""
AT_ONCE = threading.BoundedSemaphore(2)
"""Hashes that are computed at a time: many logins at once must not take all memory."""
FEWEST, MOST = 15, 256
"""Characters of a password: NIST SP 800-63B-4, 3.1.1.2, wants 15 where it is the only factor."""
FEWEST_DIFFERENT = 6
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of first passwords: no sign that looks like another."""


def hashed(password: str) -> str:
    with AT_ONCE:
        return HASHER.hash(password)


@cache
def nobodys() -> str:
    """The hash that the password of an unknown user is compared with, so that both take the same time."""
    return hashed(secrets.token_hex(32))


def matches(kept: str, password: str) -> bool:
    """Whether a password is the one that was hashed. One that is too long to be a password is compared in part, so that
    nobody makes the server hash megabytes."""
    try:
        with AT_ONCE:
            return HASHER.verify(kept, password[: MOST + 1])
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(kept)


def first_password() -> str:
    """A password for the first login: 100 random bits in five groups."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(5))


def problem_of(password: str, name: str) -> str:
    """Why a new password cannot be taken; empty if it can."""
    if not FEWEST <= len(password) <= MOST:
        return f"It must have {FEWEST} to {MOST} characters. Several words are easy to remember."
    if len(set(password)) < FEWEST_DIFFERENT:
        return f"It must have {FEWEST_DIFFERENT} different characters or more."
    if name.partition("@")[0].casefold() in password.casefold():
        return "It must not contain your name."
    return ""
