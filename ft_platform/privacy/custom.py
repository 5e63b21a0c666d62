"""Entities that only one use case has: a pattern or a word list in its YAML (`privacy.custom`)."""

import re
from collections.abc import Iterable, Iterator

from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

TOKEN = re.compile(r"\w+|[^\w\s]")


class CustomRecognizer:
    """Covered: matches of the pattern; words and phrases of the list where they stand whole, with any blanks between.

    Not covered: inflected forms of words (`Falcons` for `Falcon`).

    Args:
        entity: name in `privacy.custom`.
        pattern: regular expression, or None.
        words: words and phrases.
        ignore_case: find both in any case.
    """

    def __init__(self, entity: str, pattern: str | None, words: Iterable[str], ignore_case: bool) -> None:
        self.entity = entity
        self._ignore_case = ignore_case
        self._pattern = re.compile(pattern, re.IGNORECASE if ignore_case else 0) if pattern else None
        self._phrases: dict[str, list[tuple[str, ...]]] = {}
        """First token -> phrases that start with it, the longest first: the time does not grow with the list."""
        for phrase in sorted({tuple(TOKEN.findall(self._folded(word))) for word in words}, key=len, reverse=True):
            self._phrases.setdefault(phrase[0], []).append(phrase)

    def find(self, text: str) -> list[Span]:
        spans = (
            [Span(m.start(), m.end(), self.entity, 1.0, "custom") for m in self._pattern.finditer(text) if m.group()]
            if self._pattern
            else []
        )
        return [*spans, *self._listed(text)] if self._phrases else spans

    def _listed(self, text: str) -> Iterator[Span]:
        tokens = list(TOKEN.finditer(text))
        words = [self._folded(m.group()) for m in tokens]
        for index, word in enumerate(words):
            for phrase in self._phrases.get(word, ()):
                last = index + len(phrase)
                if tuple(words[index:last]) == phrase:
                    yield Span(tokens[index].start(), tokens[last - 1].end(), self.entity, 1.0, "custom")
                    break

    def _folded(self, text: str) -> str:
        return text.lower() if self._ignore_case else text


def custom_recognizers(privacy: Privacy) -> list[CustomRecognizer]:
    """One recognizer per entity of `privacy.custom`."""
    return [CustomRecognizer(entity, c.pattern, c.words, c.ignore_case) for entity, c in privacy.custom.items()]
