"""Leaves a finding as it is."""

from ft_platform.keys.key_ring import UseCaseKeys
from ft_platform.settings.privacy import Privacy


class Keep:
    """For entities that may stay. The scanner does not even look for them."""

    reversible = False

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        pass

    def replace(self, entity: str, original: str, person: str) -> str:
        return original
