"""`<PERSON>`: the kind of a finding and nothing else."""

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.use_case.settings.privacy import Privacy


class Redact:
    """Two persons of a text cannot be told apart any more; nothing can be linked."""

    reversible = False

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        pass

    def replace(self, entity: str, original: str, person: str) -> str:
        return f"<{entity}>"
