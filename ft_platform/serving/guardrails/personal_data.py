"""Personal data in a request: replaced before the model reads it, as in the records that the model learned from.

The same recognizers and operators as in `anonymized_records`, with keys made of the release instead of the
installation's. So equal requests get equal answers, a server needs no key, and nobody can ask what the model remembers
of a person: a name does not become the pseudonym that it had in training. Test records hold no person of the training
records either, so this is what was evaluated.

Covered: every message of a conversation; names that are found in one message, in all. Not covered: what no recognizer
finds (`ft privacy eval`); single words without their text, which the recognizers remember for speed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.operators import Operators
from ft_platform.privacy.pseudonyms import normalized
from ft_platform.privacy.same_names import in_whole_record
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import PSEUDONYM
from ft_platform.serving.guardrails.refusal import Refused
from ft_platform.use_case.settings.privacy import Privacy

NAME = "personal_data"


@dataclass(frozen=True)
class Replaced:
    """The texts of a conversation without personal data.

    Attributes:
        entities: what was found.
        originals: replacement -> what it stands for in this conversation, where that is one thing.
    """

    texts: list[str]
    entities: frozenset[str] = frozenset()
    originals: dict[str, str] = field(default_factory=dict, repr=False)


class PersonalData:
    """Finds and replaces personal data in conversations. Not for several threads at once.

    Args:
        scanner: of `privacy`.
        release: id of the release that answers.
    """

    def __init__(self, privacy: Privacy, scanner: Scanner, use_case: str, release: str) -> None:
        self._privacy, self._scanner = privacy, scanner
        self._keys = UseCaseKeys(hashlib.sha256(f"requests to {release}".encode()).digest(), use_case)

    def require_none(self, texts: Sequence[str]) -> None:
        """Raises:
        Refused: there is personal data in the texts.
        """
        if found := sorted({span.entity for spans in self._scanner.find(texts) for span in spans}):
            raise Refused(NAME, f"the request contains personal data ({', '.join(found)}), which this model refuses")

    def replaced(self, texts: Sequence[str]) -> Replaced:
        """The texts of one conversation after the operators of the use case."""
        found = in_whole_record(texts, self._scanner.find(texts))
        # Made anew: operators remember what they replaced.
        operators = Operators(self._privacy, self._keys)
        originals: dict[str, tuple[str, str]] = {}
        several: set[str] = set()
        made = []
        for text, spans in zip(texts, found, strict=True):
            parts, end = [], 0
            for span in spans:
                original = text[span.start : span.end]
                new = operators.of(span.entity).replace(span.entity, original, person="")
                same = normalized(span.entity, original)
                if originals.setdefault(new, (original, same))[1] != same or not self._stands_for_one(span.entity, new):
                    several.add(new)
                parts += [text[end : span.start], new]
                end = span.end
            made.append("".join([*parts, text[end:]]))
        written = {new for new in originals if any(new in text for text in texts)}  # by the client itself
        return Replaced(
            made,
            frozenset(span.entity for spans in found for span in spans),
            {new: original for new, (original, _) in originals.items() if new not in several | written},
        )

    def _stands_for_one(self, entity: str, new: str) -> bool:
        """A coarser value, as a year, also means itself."""
        operator = self._privacy.operators.get(entity, self._privacy.default_operator)
        return operator != "generalize" or PSEUDONYM.fullmatch(new) is not None
