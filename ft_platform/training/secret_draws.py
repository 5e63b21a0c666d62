"""Random numbers that nobody can predict without a secret, and that are the same again for the same secret, step and
purpose.

Differential privacy needs noise that an attacker cannot know. `training.seed` is in the YAML, and torch's generator
gives its later numbers away to whoever sees 624 of the earlier ones; so each number here is a piece of SHAKE-256 (FIPS
202) of a secret. Nothing but the secret must be saved for a killed training to draw the same numbers again.
"""

import hashlib
import os

import numpy as np

SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret, as hex digits."""
    return os.urandom(SECRET_BYTES).hex()


class SecretDraws:
    """Draws from one secret.

    Args:
        secret: from `new_secret`.
    """

    def __init__(self, secret: str) -> None:
        self._secret = bytes.fromhex(secret)
        if len(self._secret) != SECRET_BYTES:
            raise ValueError(f"a secret has {SECRET_BYTES} bytes, got {len(self._secret)}")

    def uniform(self, step: int, purpose: str, count: int) -> np.ndarray:
        """Numbers in (0, 1), each a multiple of 2^-53. Shape `(count,)`, float64."""
        # The secret has a fixed length, so it and what follows cannot be taken apart otherwise.
        drawn = hashlib.shake_256(self._secret + f"{step} {purpose}".encode()).digest(8 * count)
        return ((np.frombuffer(drawn, dtype="<u8") >> np.uint64(12)) + 0.5) * 2.0**-52

    def normal(self, step: int, purpose: str, count: int) -> np.ndarray:
        """Numbers of the standard normal distribution, by its inverse function. Shape `(count,)`, float64; none lies
        beyond 8.2."""
        from scipy.special import ndtri

        return ndtri(self.uniform(step, purpose, count))
