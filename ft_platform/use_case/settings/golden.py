"""Golden prompts: what experts know a model must say, or must never say, to a question."""

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from ft_platform.use_case.settings.answer_style import Phrase, require_visible
from ft_platform.use_case.settings.section import Section

Alternatives = Annotated[list[Phrase], Field(min_length=1, max_length=20)]


class GoldenPrompt(Section):
    """A question with what its answer is checked for."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,60}$", description="Name in reports and of its rule, `golden/<name>`."
    )
    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)] = Field(
        description="What a user writes. Reports quote it, so it names no real person."
    )
    must_say: list[Phrase | Alternatives] = Field(
        default_factory=list,
        max_length=50,
        description=(
            "Phrases that the answer must contain, each as whole words in any case; of a list, one is enough. Of labels"
            " (`classification`), those that are right."
        ),
    )
    must_never_say: list[Phrase] = Field(
        default_factory=list,
        max_length=200,
        description="Phrases that the answer may not contain, or labels that are wrong.",
    )

    @field_validator("must_say", "must_never_say")
    @classmethod
    def can_be_seen(cls, phrases: list[Phrase | Alternatives]) -> list[Phrase | Alternatives]:
        require_visible([one for phrase in phrases for one in ([phrase] if isinstance(phrase, str) else phrase)])
        return phrases

    @model_validator(mode="after")
    def can_be_kept(self) -> Self:
        if not self.must_say and not self.must_never_say:
            raise ValueError(f"golden prompt {self.name} needs `must_say` or `must_never_say`")
        never = {phrase.casefold() for phrase in self.must_never_say}
        if any(never.issuperset(one.casefold() for one in any_of) for any_of in self.wanted):
            raise ValueError(f"golden prompt {self.name} must say what it must never say")
        return self

    @property
    def wanted(self) -> list[list[str]]:
        """What the answer must contain: one phrase of each list."""
        return [[one] if isinstance(one, str) else one for one in self.must_say]


class GoldenPrompts(Section):
    """All golden prompts of a use case."""

    prompts: list[GoldenPrompt]

    def hashed(self) -> dict[str, Any]:
        """Nothing where there are none: evaluations that are older than golden prompts stay valid."""
        return {one.name: one.model_dump(mode="json") for one in self.prompts}
