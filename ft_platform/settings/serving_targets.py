"""Where released models are deployed: one section for each kind of target."""

from typing import Annotated, Literal

from pydantic import Field

from ft_platform.settings.section import Section

Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$", max_length=1000)]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=100)]


class Costs(Section):
    """What every target may say."""

    cost_per_hour: float | None = Field(
        default=None, ge=0.0, le=100_000.0, description="What one replica costs an hour, in `currency`. Empty: unknown."
    )
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="An ISO 4217 code.")


class LocalTarget(Costs):
    """The platform's own server on this machine (`ft serve`)."""

    kind: Literal["local"] = Field(default="local", description="The platform's own server on this machine.")
    url: Url = Field(
        default="http://127.0.0.1:8000",
        description="Where it listens. If nothing answers there, `ft deploy` starts a server that is kept running.",
    )
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable with a key of the server. Default: no key is sent."
    )


class OpenAIEndpointTarget(Costs):
    """A server with OpenAI's API that a platform team runs: the model is put there by them."""

    kind: Literal["openai_endpoint"] = Field(description="Any server with OpenAI's API; others put the model there.")
    url: Url = Field(description="Base address, without `/v1`.")
    model: str = Field(
        min_length=1,
        max_length=200,
        description="Name of the model there. `{release}` stands for the release's id, so that several can be there.",
    )
    api_key_env: Variable | None = Field(
        default=None, description="Environment variable with its key. Default: no key is sent."
    )


ServingTarget = Annotated[LocalTarget | OpenAIEndpointTarget, Field(discriminator="kind")]
