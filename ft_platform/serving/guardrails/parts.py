"""What every guardrail of answers does: it gets an answer in parts and lets parts go."""

from typing import Protocol


class Parts(Protocol):
    """Attributes:
    name: of the guardrail; empty for what only undoes another one.
    changed: what it let go is not what it got.
    withheld: the answer must not be shown.
    """

    name: str
    changed: bool
    withheld: bool

    def push(self, text: str) -> str:
        """What may be shown after one more part."""
        ...

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        ...
