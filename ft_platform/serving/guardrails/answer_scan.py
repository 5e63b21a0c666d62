"""Personal data and secrets in an answer that are not from its request: learned, or made up.

Covered: what the recognizers of the use case find, as in its training records, and secrets whatever the use case looks
for. In a stream, a sentence is shown when the next one begins, and of a longer one what has 100 characters behind it:
searched together, so that no half of a finding is shown. Not covered: pseudonyms that the model writes
(`<PERSON_k3f9q2ab>`), which the training records hold too; in a stream, what only a later part gives away (a surname in
lower case before the full name); the alternatives in `logprobs`. Canaries of `canary_audit` are not looked for: they
are planted in a training of its own, whose checkpoint is never published."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.json_texts import replace_in_json
from ft_platform.privacy.pseudonyms import SAME_DIGITS, normalized
from ft_platform.privacy.scan import CASED, Scanner
from ft_platform.privacy.spans import Span, outside_pseudonyms, resolve

NAME = "answer_scan"
SECRETS = ("API_KEY", "PASSWORD", "URL_CREDENTIALS")
AHEAD = 100
"""Characters that are read before what stands in front of them is shown: names depend on nine words on both sides."""
BEFORE = 200
"""Characters in front of a part that are read again with it."""
SENTENCE_END = re.compile(r"(?<=[^\W\d_]{3})[.!?\u2026][\"')\]\u201d]*\s+(?=[\"'(\u201c]?[^\W\d_a-zß-öø-ÿ])")
"""Behind a word and before a capital: not in `12. March`, `M. Brinkhoff` or `Hauptstr. 5`."""
SHORTEST = 20
"""Characters after which a sentence is searched: `No. No. No.` is not, each time."""
NEAR = 40
"""Characters before a new part in which a sentence may have ended: longer texts are not looked through for each."""
BREAK = re.compile(r"[\s。！？、，]")
WORD = re.compile(r"\w+")

Find = Callable[[str], list[Span]]


class Finder:
    """Findings of `scanner` in a text, and secrets."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._secrets = [all_recognizers()[name] for name in SECRETS if name not in scanner.entities]

    def __call__(self, text: str) -> list[Span]:
        (found,) = self._scanner.find([text])
        secrets = [span for recognizer in self._secrets for span in recognizer.find(text)]
        return resolve(text, outside_pseudonyms(text, [*found, *secrets])) if secrets else found


class Known:
    """What a model was told, so that its answer gives nothing away with it: a finding counts as known if it stands in a
    text, a name also if all its words do."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = list(texts)
        self._words = {word for text in self._texts for word in WORD.findall(text.casefold())}

    def includes(self, entity: str, value: str) -> bool:
        if entity in CASED and self._words.issuperset(WORD.findall(value.casefold())):
            return True
        value = normalized(entity, value)
        if entity in SAME_DIGITS:
            return any(value in "".join(filter(str.isalnum, normalized("", text))) for text in self._texts)
        return any(value in normalized("", text) for text in self._texts)


class AnswerScan:
    """Args:
    known: texts of the request, and the instruction.
    is_json: the answer is searched as a whole and stays JSON.
    """

    name = NAME

    def __init__(
        self, find: Find, known: Sequence[str], choice: Literal["withhold", "replace"], is_json: bool = False
    ) -> None:
        self.changed = self.withheld = False
        self._find, self._known, self._choice, self._is_json = find, Known(known), choice, is_json
        self._before = self._held = ""
        self._due = BEFORE

    def push(self, text: str) -> str:
        if self.withheld:
            return ""
        self._held += text
        ended = len(self._held) >= SHORTEST and SENTENCE_END.search(self._held[-len(text) - NEAR :])
        if self._is_json or not (ended or len(self._held) >= self._due):
            return ""
        shown = self._let_go(ended=False)
        # Longer waits while nothing can be shown: a text is not searched again for each word that is added.
        self._due = len(self._held) + max(AHEAD, len(self._held) // 2)
        return shown

    def rest(self) -> str:
        return "" if self.withheld else self._let_go(ended=True)

    def _let_go(self, ended: bool) -> str:
        text, start = self._before + self._held, len(self._before)
        found = [
            span
            for span in self._find(text)
            if span.end > start and not self._known.includes(span.entity, text[span.start : span.end])
        ]
        end = len(text) if ended else self._end(text, start, found)
        found = [span for span in found if span.start < end]
        if found:
            self.changed, self.withheld = True, self._choice == "withhold"
        if self.withheld:
            self._held = ""
            return ""
        self._before, self._held = text[max(end - BEFORE, 0) : end], text[end:]
        if self._is_json:
            return replace_in_json(text, found, lambda span, _: f"<{span.entity}>")
        parts, place = [], start
        for span in found:
            parts += [text[place : span.start], f"<{span.entity}>"]
            place = span.end
        return "".join([*parts, text[place:end]])

    @staticmethod
    def _sentence_end(text: str) -> int:
        """Where the last sentence ends that another one follows."""
        return max((match.end() for match in SENTENCE_END.finditer(text)), default=0)

    def _end(self, text: str, start: int, found: Sequence[Span]) -> int:
        """Up to where a text may be shown while more of it comes: in no finding."""
        breaks = [match.end() for match in BREAK.finditer(text, start, max(len(text) - AHEAD, start))]
        end = max(breaks[-1] if breaks else start, start + self._sentence_end(text[start:]))
        for span in reversed(found):
            end = max(span.start, start) if span.start < end < span.end else end
        return end
