"""Addresses of wallets."""

import hashlib
import re

from ft_platform.privacy.spans import Span

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE58 = re.compile(r"(?<![A-Za-z0-9])[13][1-9A-HJ-NP-Za-km-z]{25,34}+(?![A-Za-z0-9])")
BECH32 = re.compile(
    r"(?<![A-Za-z0-9])(?:bc1[02-9ac-hj-np-z]{11,71}+|BC1[02-9AC-HJ-NP-Z]{11,71}+)(?![A-Za-z0-9])",
)
BECH32_DIGITS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
ETHER = re.compile(r"(?<![A-Za-z0-9])0[xX][0-9a-fA-F]{40}(?![A-Za-z0-9])")


def base58_is_valid(address: str) -> bool:
    """Bitcoin's Base58Check: 25 bytes, of which the last four start the double SHA-256 of the others."""
    number = 0
    for char in address:
        number = number * 58 + ALPHABET.index(char)
    if number >= 1 << 200:
        return False
    content = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(content[:-4]).digest()).digest()[:4] == content[-4:]


def bech32_is_valid(address: str) -> bool:
    """The checksum of BIP 173 (segregated witness) or BIP 350 (taproot)."""
    lowered = address.lower()
    values = [3, 3, 0, 2, 3, *(BECH32_DIGITS.index(char) for char in lowered[3:])]  # `bc`, expanded
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> place & 1 else 0
    return check in (1, 0x2BC830A3)


class CryptoWalletRecognizer:
    """Covered: bitcoin addresses with a valid checksum (`1...`, `3...`, `bc1...`); `0x` and 40 hexadecimal digits
    (ether and what shares its form; the checksum of EIP-55 is optional and not asked for).

    Not covered: other currencies, and recovery phrases.
    """

    entity = "CRYPTO_WALLET"
    hint = "[13][1-9A-HJ-NP-Za-km-z]{25}|(?i:bc1)[0-9A-Za-z]{11}|0[xX][0-9a-fA-F]{40}"

    def find(self, text: str) -> list[Span]:
        matches = [m for m in BASE58.finditer(text) if base58_is_valid(m.group())]
        matches += [m for m in BECH32.finditer(text) if bech32_is_valid(m.group())]
        matches += ETHER.finditer(text)
        return [Span(m.start(), m.end(), self.entity, 0.95, "crypto_wallet") for m in matches]
