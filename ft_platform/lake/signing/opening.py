"""The signing keys of an installation."""

from typing import TYPE_CHECKING

from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.lake.signing.keys import SigningKeys


def signing_keys_of(environment: Environment) -> "SigningKeys":
    """What signs and verifies manifests, verdicts and decisions."""
    from ft_platform.lake.keys.providers import KeyPlace

    # It writes with the lake's functions, and the lake is opened with it.
    from ft_platform.lake.signing.keys import SigningKeys

    return SigningKeys(
        KeyPlace(environment.signing_key_provider, environment.signing_key_path, "FT_SIGNING_KEY"),
        environment.seals_path,
    )
