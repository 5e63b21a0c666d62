"""Names of persons."""

from ft_platform.privacy.ner.built_in import built_in
from ft_platform.privacy.spans import Span


class PersonRecognizer:
    """Covered: given names, surnames and both, with initials and particles, in running text, letters, forms, tables and
    JSON, in any case, told by the built-in network; `docs/benchmarks/names.md` has its recall in ten languages.

    Not covered: nicknames and handles (`user_name`); persons that only their role names (`the manager`).
    """

    entity = "PERSON"

    def find(self, text: str) -> list[Span]:
        return [s for s in built_in().find([text])[0] if s.entity == self.entity]
