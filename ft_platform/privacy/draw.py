"""Numbers that a key and a text decide: the same for the same text, unforeseeable without the key."""

import hmac


class Draw:
    """A sequence of numbers from HMAC-SHA-256.

    Args:
        key: 32 bytes.
        text: what decides the sequence.
    """

    def __init__(self, key: bytes, text: str) -> None:
        self._key = key
        self._text = text.encode("utf-8", "surrogatepass")
        self._block = 0
        self._left = 0
        self._number = 0

    def below(self, limit: int) -> int:
        """A number in [0, limit). Numbers below a million differ in probability by less than 1e-19."""
        if self._left < limit << 64:
            digest = hmac.digest(self._key, self._block.to_bytes(4, "big") + self._text, "sha256")
            self._number, self._left = int.from_bytes(digest, "big"), 1 << 256
            self._block += 1
        self._number, value = divmod(self._number, limit)
        self._left //= limit
        return value

    def for_text(self, text: str) -> "Draw":
        """Another sequence under the same key, which this text decides."""
        return Draw(self._key, text)

    def of(self, choices: "list[str] | tuple[str, ...] | str") -> str:
        return choices[self.below(len(choices))]

    def digits(self, count: int) -> str:
        return "".join(str(self.below(10)) for _ in range(count))
