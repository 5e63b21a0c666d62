"""Puts back into an answer what was replaced in its request."""

import json
import re
from collections.abc import Mapping


class Restoring:
    """Held back is what may be the start of a replacement, so that none is shown in halves.

    Covered: replacements as they stand in the request, as whole words. Not covered: one that the model writes
    otherwise, above all the surname alone of an invented name; it stays as the model wrote it.

    Args:
        originals: replacement -> what stands for it.
        is_json: the answer is JSON and stays it.
    """

    name, withheld = "", False

    def __init__(self, originals: Mapping[str, str], is_json: bool = False) -> None:
        self.changed = False
        self._originals = {
            new: json.dumps(old, ensure_ascii=False)[1:-1] if is_json else old for new, old in originals.items()
        }
        longest_first = sorted(self._originals, key=len, reverse=True)
        self._longest = max(map(len, longest_first), default=0)
        self._any = re.compile("|".join(map(_as_words, longest_first)))
        self._before = self._held = ""

    def push(self, text: str) -> str:
        self._held += text
        return self._let_go(ended=False)

    def rest(self) -> str:
        return self._let_go(ended=True)

    def _let_go(self, ended: bool) -> str:
        if not self._originals:
            shown, self._held = self._held, ""
            return shown
        text = self._before + self._held
        place = len(self._before)
        parts = []
        while place < len(text) and (ended or not self._may_begin(text[place:])):
            found = self._any.match(text, place)
            parts.append(self._originals[found[0]] if found else text[place])
            place = found.end() if found else place + 1
            self.changed = self.changed or found is not None
        self._before, self._held = text[max(place - 1, 0) : place], text[place:]
        return "".join(parts)

    def _may_begin(self, end: str) -> bool:
        """Whether a replacement begins with the whole end of a text. One that is complete waits for the next letter."""
        return len(end) <= self._longest and any(new.startswith(end) for new in self._originals)


def _as_words(text: str) -> str:
    start, end = (r"(?<!\w)" if text[0].isalnum() else ""), (r"(?!\w)" if text[-1].isalnum() else "")
    return f"{start}{re.escape(text)}{end}"
