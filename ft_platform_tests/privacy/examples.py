"""What a recognizer finds in an example, as the tests state it."""

from ft_platform.privacy.entities import Recognizer
from ft_platform.privacy.spans import resolve


def found(recognizer: Recognizer, text: str, min_score: float = 0.5) -> list[str]:
    """The pieces of text found with at least the default score of `privacy.min_score`, in order, without overlaps."""
    spans = resolve(text, [s for s in recognizer.find(text) if s.score >= min_score])
    return [text[s.start : s.end] for s in spans]
