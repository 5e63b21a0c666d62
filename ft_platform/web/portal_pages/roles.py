"""The page of roles: who answers for what, who may do what, and who they are."""

from collections.abc import Mapping
from typing import Any

from ft_platform.people.actions import ACTIONS
from ft_platform.people.may import table
from ft_platform.reporting.html import page
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.roles import OWNER_ROLES, ROLES, title


def roles_page(people: People, use_cases: Mapping[str, NamedUseCase]) -> str:
    """The table that `ft may` prints, with the persons and teams behind each role.

    Args:
        people: roles and superiors in the whole installation.
        use_cases: by name, whose owners are listed.
    """
    policy = next((use_case.policy for use_case in use_cases.values()), Policy())
    roles: list[dict[str, Any]] = [
        {
            "title": title(role.name),
            "answers_for": role.answers_for,
            "reports_to": people.superiors.get(role.name) or (title(role.reports_to) if role.reports_to else ""),
            "members": people.having(role.name),
        }
        for role in ROLES.values()
    ]
    actions = [
        {
            "says": ACTIONS[name].says,
            "cells": list(row.values()),
            "limits": [
                words
                for words, holds in (
                    ("people only, no token", ACTIONS[name].by_people),
                    ("a second person confirms", _needs_second(name, policy)),
                )
                if holds
            ],
        }
        for name, row in table().items()
    ]
    owners: list[dict[str, Any]] = [
        {"use_case": name, "href": f"{name}/", "owners": [use_case.settings.owners.of(role) for role in OWNER_ROLES]}
        for name, use_case in use_cases.items()
    ]
    return page(
        "portal_roles.html",
        title="Who may do what",
        here="roles",
        roles=roles,
        actions=actions,
        owners=owners,
        owner_titles=[title(role) for role in OWNER_ROLES],
    )


def _needs_second(action: str, policy: Policy) -> bool:
    """Whether another person confirms an action under the policy in force."""
    by_policy = {
        "waive": bool(policy.signatures.confirm_waivers),
        "look_up_person": "vault" in (policy.looks.second_person or ()),
    }
    return by_policy.get(action, ACTIONS[action].four_eyes)
