"""`approval/<field>@<hash>`: a person of compliance has approved the reason that a field of the file gives.

Never holds by itself, so a waiver is the approval. The hash is that of the field's words: an approval is not for other
words."""

from collections.abc import Iterator

from ft_platform.release.policy import unapproved
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.use_case.named import NamedUseCase


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    for path, digest in unapproved(use_case).items():
        needed = "a person of compliance approves it by name, for this checkpoint (ft waiver grant)"
        why = f"{path} counts only if a person has approved what it says."
        yield Rule(f"approval/{path}@{digest}", needed, lambda found, why=why: Finding(False, why))


KIND = Kind(names=("approval",), owner="compliance", order=(31, 0), rules=_rules)
