"""`Nora Okafor` in place of a name, `nora.okafor7@ashford.example` in place of an address: a fictitious value of the
same kind."""

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.draw import Draw
from ft_platform.privacy.operators.pseudonym import Pseudonym
from ft_platform.privacy.pseudonyms import normalized
from ft_platform.privacy.surrogates import SURROGATES, plain
from ft_platform.use_case.settings.privacy import Privacy

TRIES = 20


class Surrogate:
    """Covered: the entities of `privacy.surrogates`; every other one gets a pseudonym. Equal originals have equal
    surrogates.

    Not covered: different originals may share one (there are some 30,000 names), so persons are better followed by
    `subject_id`; gender, origin and the region of a number are not kept; a name that was invented may be somebody's.
    """

    reversible = True

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._key = keys.derived("surrogate")
        self._pseudonym = Pseudonym(privacy, keys)

    def replace(self, entity: str, original: str, person: str) -> str:
        invent = SURROGATES.get(entity)
        if invent:
            for number in range(TRIES):
                value = invent(Draw(self._key, f"{entity}\0{normalized(entity, original)}\0{number}"), original)
                if value is None:
                    break
                if plain(value) != plain(original):
                    return value
        return self._pseudonym.replace(entity, original, person)
