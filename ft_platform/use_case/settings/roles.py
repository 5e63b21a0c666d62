"""The roles of people: what each answers for, and to whom it reports. What each may do stands in `people.actions`."""

from dataclasses import dataclass
from typing import Literal

OwnerRole = Literal["accountable", "data_engineering", "data_science", "ml_engineering", "domain_expert", "compliance"]
"""Roles that a use case gives to its owners, and fields of `owners`."""
RoleName = Literal[OwnerRole, "administrator", "auditor"]


@dataclass(frozen=True)
class Role:
    """One role.

    Attributes:
        title: in words, as it stands in a sentence; with a capital at the start of one.
        answers_for: its responsibilities.
        reports_to: the role of its superior. None: to nobody whom the platform knows; the installation may name a
            person in `people.superiors`.
        of_a_use_case: its persons are owners of a use case. The others have their role in the whole installation.
    """

    name: RoleName
    title: str
    answers_for: str
    reports_to: RoleName | None = "accountable"
    of_a_use_case: bool = True


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "accountable",
            "accountable owner",
            "The use case as a whole: what it is for, what it costs, and whether a model is released.",
            None,
        ),
        Role("data_engineering", "data engineer", "Source, cleaning, validation and splits."),
        Role("data_science", "data scientist", "Training, evaluation and experiments."),
        Role("ml_engineering", "ML engineer", "Releases in production: targets, traffic, monitoring and cost."),
        Role("domain_expert", "domain expert", "Whether labels and answers are right, and what they are worth."),
        Role(
            "compliance",
            "compliance officer",
            "Consent, personal data, fairness, evidence, and requests of data subjects.",
            None,
        ),
        Role(
            "administrator",
            "administrator",
            "The installation: people, keys, policy and machines.",
            None,
            of_a_use_case=False,
        ),
        Role(
            "auditor",
            "auditor",
            "Nothing that runs: reads everything but records of persons, and changes nothing.",
            None,
            of_a_use_case=False,
        ),
    )
}
"""Name -> role."""

OWNER_ROLES: tuple[str, ...] = tuple(role.name for role in ROLES.values() if role.of_a_use_case)


def title(role: str) -> str:
    """Of a role, at the beginning of a sentence or a line."""
    words = ROLES[role].title
    return words[0].upper() + words[1:]
