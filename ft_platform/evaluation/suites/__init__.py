"""What every model should still be able to do: general text, multiple choice, instructions.

The texts and items were written for this project and stand under its licence (Apache-2.0). None is taken from a
published benchmark, persons and places are fictitious, and the facts asked for are common knowledge.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ft_platform.errors import SourceError

FOLDER = Path(__file__).parent
TEXT, CHOICE, INSTRUCTIONS = FOLDER / "general_text.txt", FOLDER / "multiple_choice.json", FOLDER / "instructions.json"
MOST_BYTES = 20_000_000
LEAST_PASSAGES = 5


@dataclass(frozen=True)
class ChoiceItem:
    """A question with its options; `right` is the place of the right one."""

    question: str
    options: list[str]
    right: int


@dataclass(frozen=True)
class InstructionItem:
    """An instruction and the words of which the answer must hold one."""

    instruction: str
    accepted: list[str]

    def followed_by(self, answer: str) -> bool:
        """Whether an answer holds one of the accepted words, as a word of its own, in whatever case."""
        return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in self.accepted)


def shipped_hash() -> str:
    """Changes when a text or an item changes."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in (TEXT, CHOICE, INSTRUCTIONS))).hexdigest()


def choice_items() -> list[ChoiceItem]:
    return [ChoiceItem(**one) for one in json.loads(CHOICE.read_text(encoding="utf-8"))]


def instruction_items() -> list[InstructionItem]:
    return [InstructionItem(**one) for one in json.loads(INSTRUCTIONS.read_text(encoding="utf-8"))]


def passages(content: bytes) -> list[str]:
    """Passages of a text, divided by blank lines.

    Raises:
        SourceError: it is too large, no UTF-8, or has too few passages. The message holds nothing of the text.
    """
    if len(content) > MOST_BYTES:
        problem = f"regression.text_file has more than {MOST_BYTES:,} bytes"
        raise SourceError(problem, "Name a smaller text: some hundred passages are plenty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"regression.text_file is not UTF-8 at byte {error.start:,}", "Save the text as UTF-8"
        ) from None
    found = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n")) if part.strip()]
    if len(found) < LEAST_PASSAGES:
        problem = f"regression.text_file has {len(found)} passages, expected {LEAST_PASSAGES} or more"
        raise SourceError(problem, "Divide passages by blank lines")
    return found
