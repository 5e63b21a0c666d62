"""Leaves a finding as it is."""

from ft_platform.privacy.operators.redact import Redact


class Keep(Redact):
    """For entities that may stay. The scanner does not even look for them."""

    def replace(self, entity: str, original: str, person: str) -> str:
        return original
