"""`**** **** **** 1111`: the form of a finding and its last characters."""

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.use_case.settings.privacy import Privacy

LARGEST_SHARE = 3
"""At most one in so many letters and digits stays, whatever the setting: a mask of a short value would show most of
it."""


class Mask:
    """Covered: letters and digits. Not covered: blanks and signs stay, so the length and form of the original can be
    seen."""

    reversible = False

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._keep_last = privacy.mask_keep_last

    def replace(self, entity: str, original: str, person: str) -> str:
        count = sum(c.isalnum() for c in original)
        masked = count - min(self._keep_last, count // LARGEST_SHARE)
        characters = list(original)
        for place, character in enumerate(characters):
            if character.isalnum() and masked:
                characters[place] = "*"
                masked -= 1
        return "".join(characters)
