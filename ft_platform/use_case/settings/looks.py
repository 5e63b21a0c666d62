"""What an installation asks of whoever looks into the restricted zone or the vault."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ft_platform.use_case.settings.section import Section

Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
PURPOSES = ["data_quality", "label_check", "incident", "request_of_a_person", "legal_duty"]


class Looks(Section):
    """For what, how long and how people look at records of persons."""

    purposes: list[Purpose] = Field(
        default=PURPOSES,
        min_length=1,
        max_length=50,
        description="Purposes that a look can have. Whoever looks names one and says why in words of their own.",
    )
    minutes: int = Field(
        default=60, ge=1, le=1440, description="Most minutes that a look lasts. Default: 60; without `--minutes` 30."
    )
    rows: int = Field(default=100, ge=1, le=10_000, description="Most records that a look shows. Default: 100.")
    second_person: list[Literal["records", "vault"]] | None = Field(
        default=None,
        max_length=2,
        description=(
            "Looks that a second person confirms first (`ft looks confirm`): at records, or into the vault. Default:"
            " `vault` once persons can sign in (`ft users`, `sign_in`), else none, because nobody can tell two persons"
            " apart."
        ),
    )
    signed_in: bool | None = Field(
        default=None,
        description=(
            "Whoever looks signs in first, with the password of `ft users`; `--by` alone names somebody without a"
            " proof. Default: true once there are such users, else false."
        ),
    )
    anywhere: bool = Field(
        default=False,
        description="Records may also be written to a pipe or a file. Default: false, only to a terminal.",
    )
