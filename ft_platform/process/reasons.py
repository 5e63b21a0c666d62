"""Why a person did something that stays on record."""

from ft_platform.errors import ConfigError

SHORTEST_REASON = 10


def require_reason(reason: str) -> str:
    """The reason without spaces around it.

    Raises:
        ConfigError: it is too short to say anything.
    """
    said = reason.strip()
    if len(said) < SHORTEST_REASON:
        problem = f"the reason must have at least {SHORTEST_REASON} characters, got {len(said)}"
        raise ConfigError([problem], "Say why: --reason <text>, without personal data")
    return said
