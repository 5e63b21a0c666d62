"""Whether a use case states what permits the use of its records, and whether the licences that it names are licences,
and such as the policy of the installation accepts."""

from ft_platform.errors import ConfigError
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.governance import TO_BE_STATED, Governance
from ft_platform.use_case.settings.licences import PROPRIETARY, canonical_licence
from ft_platform.use_case.settings.policy import Policy

REMEDY = "whoever runs the installation can add a licence: policy.accepted_licences in ft_environment.yaml"


def licence_problems(governance: Governance, policy: Policy) -> list[tuple[tuple[str | int, ...], str]]:
    """Each licence of the section that is none or is not accepted, and each permission that is still to be stated: its
    place in the section, and a sentence."""
    stated: list[tuple[tuple[str | int, ...], str]] = (
        [(("licence",), governance.licence)] if (governance.licence or "").strip() and governance.licence else []
    )
    stated += [
        (("accepted_licences", position), licence) for position, licence in enumerate(governance.accepted_licences)
    ]
    found = governance.unstated()
    found += [
        (place, text) for place, licence in stated if licence != TO_BE_STATED and (text := _problem(licence, policy))
    ]
    if governance.without_consent_column == "licence" and canonical_licence(governance.licence or "") == PROPRIETARY:
        text = (
            "your own records need consent, a ledger or a lawful basis; only the licence of a published dataset"
            " permits use without one"
        )
        found.append((("licence",), f"`{PROPRIETARY}` with without_consent_column: licence permits nothing: {text}"))
    return found


def require_accepted_licences(use_case: NamedUseCase) -> None:
    """Returns if every licence of the use case is accepted, and nothing is still to be stated.

    Raises:
        ConfigError: one is not.
    """
    if found := licence_problems(use_case.settings.governance, use_case.policy):
        place = use_case.path or use_case.name
        raise ConfigError(
            [f"governance.{where[0]} of {place}: {text}" for where, text in found[:3]],
            "To see them with their lines: ft check",
        )


def _problem(licence: str, policy: Policy) -> str:
    name = canonical_licence(licence)
    if name is None:
        return (
            f"{licence!r} is neither an SPDX id (https://spdx.org/licenses/) nor LicenseRef-<name> nor `{PROPRIETARY}`"
        )
    if name not in policy.accepted_licences:
        return f"{name} is not among the licences that policy {policy.title} accepts; {REMEDY}"
    return ""
