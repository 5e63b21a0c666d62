"""Whether the fields that a policy names are fields of a use-case file."""

from ft_platform.use_case.settings.policy import APPROVALS, AT_LEAST, AT_MOST, Policy

NUMBERS = (
    "a number",
    "a whole number",
    "a mapping of names to a number",
    "a mapping of names to a whole number",
)


def require_known_fields(policy: Policy) -> None:
    """Returns if a use-case file has the fields that a policy names.

    Raises:
        ValueError: it limits a field that holds no number, or asks for approval of one that is not there.
    """
    for name, of_default, what in (
        ("at_most", AT_MOST, " that holds a number"),
        ("at_least", AT_LEAST, " that holds a number"),
        ("approvals", APPROVALS, ""),
    ):
        kinds = {path: _kind_of(path) for path in getattr(policy, name) if path not in of_default}
        if unknown := [
            path for path, kind in kinds.items() if (kind not in NUMBERS if what else kind in (None, "section"))
        ]:
            raise ValueError(
                f"{name}: {', '.join(unknown)}: not a field of a use-case file{what} (`ft schema` lists them)"
            )


def _kind_of(path: str) -> str | None:
    """What a field of a use-case file holds; None where there is none."""
    from ft_platform.use_case.fields import (
        fields,
    )  # the schema takes a moment to build; the default policy needs it not

    return fields()[path].kind if path in fields() else None
