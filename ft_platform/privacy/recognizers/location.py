"""Names of places."""

from ft_platform.privacy.ner.built_in import built_in
from ft_platform.privacy.spans import Span


class LocationRecognizer:
    """Covered: countries, states, regions, cities, villages, rivers, streets and buildings with a name, told by the
    built-in network; `docs/benchmarks/names.md` has its recall in ten languages.

    Not covered: places without a name (`the station`); nationalities. Whole addresses: `address`.
    """

    entity = "LOCATION"

    def find(self, text: str) -> list[Span]:
        return [s for s in built_in().find([text])[0] if s.entity == self.entity]
