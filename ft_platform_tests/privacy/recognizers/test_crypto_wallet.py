"""Addresses of wallets: those of the specifications and of the first block."""

from ft_platform.privacy.recognizers.crypto_wallet import CryptoWalletRecognizer
from ft_platform_tests.privacy.examples import checks_of, found

BECH32 = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP 173, examples
TAPROOT = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"  # BIP 350, test vectors
FIRST = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
ETHER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55, test cases

FOUND = [
    (f"send it to {FIRST}.", FIRST, "bitcoin"),
    ("send 3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy now", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "pay to script"),
    (f"send it to {BECH32}", BECH32, "segregated witness"),
    (BECH32.upper(), BECH32.upper(), "in capitals"),
    (f"send it to {TAPROOT}", TAPROOT, "taproot"),
    (f"send it to {ETHER}", ETHER, "ether"),
    (ETHER.lower(), ETHER.lower(), "ether without a checksum"),
]
NOT_FOUND = [
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "wrong checksum"),
    (BECH32[:-1] + "5", "wrong checksum of a segregated witness"),
    ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA", "too short"),
    ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "a hash"),
    ("0x" + "ab" * 32, "a hash of 32 bytes"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(CryptoWalletRecognizer(), FOUND, NOT_FOUND)


def test_one_wrong_character_makes_it_invalid() -> None:
    for address in (FIRST, BECH32, TAPROOT):
        changed = [
            address[:place] + ("3" if address[place] != "3" else "4") + address[place + 1 :] for place in range(5, 20)
        ]
        assert [found(CryptoWalletRecognizer(), one) for one in changed] == [[]] * len(changed)
