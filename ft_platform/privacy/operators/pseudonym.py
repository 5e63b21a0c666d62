"""`<PERSON_k3f9q2ab>`: equal for equal originals of a use case."""

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.pseudonyms import Pseudonyms
from ft_platform.use_case.settings.privacy import Privacy


class Pseudonym:
    """Who is meant can be followed through all records; who it is says the key or the vault only."""

    reversible = True

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._pseudonyms = Pseudonyms(keys, privacy.pseudonym_characters)

    def replace(self, entity: str, original: str, person: str) -> str:
        return self._pseudonyms.token(entity, original)
