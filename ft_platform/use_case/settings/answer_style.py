"""How answers should sound: rules that can be checked, and the voice of a brand in words."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from ft_platform.use_case.settings.section import Section

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def require_visible(phrases: Iterable[str]) -> None:
    """
    Raises:
        ValueError: a phrase has no sign that can be seen.
    """
    if not all(any(sign.isprintable() and not sign.isspace() for sign in phrase) for phrase in phrases):
        raise ValueError("a phrase has no sign that can be seen")


class Style(Section):
    """Tone and style of answers. The metric `style` is the share of answers that keep every rule."""

    forbidden: list[Phrase] = Field(
        default_factory=list,
        max_length=500,
        description=(
            "Phrases that no answer may contain. Whole words count, in any case, however apostrophes and blanks are"
            " written."
        ),
    )
    openings: list[Phrase] = Field(
        default_factory=list, max_length=50, description="Every answer begins with one of these phrases. Empty: any."
    )
    closings: list[Phrase] = Field(
        default_factory=list,
        max_length=50,
        description="Every answer ends with one of these phrases, punctuation aside. Empty: any.",
    )
    min_words: int = Field(
        default=1, ge=1, le=100_000, description="Fewest words of an answer (what stands between blanks)."
    )
    max_words: int | None = Field(default=None, ge=1, le=100_000, description="Most words of an answer. Empty: any.")
    max_sentences: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Most sentences of an answer. A line break ends one, too. Empty: any.",
    )
    rubric: str = Field(
        default="",
        max_length=4000,
        description=(
            "The voice in words, for people (`ft review`) and the judge (`judge_report`), who count it in. The metric"
            " does not measure it."
        ),
    )

    @field_validator("forbidden", "openings", "closings")
    @classmethod
    def can_be_seen(cls, phrases: list[str]) -> list[str]:
        require_visible(phrases)
        return phrases

    @model_validator(mode="after")
    def can_be_kept(self) -> "Style":
        if self.max_words is not None and self.max_words < self.min_words:
            raise ValueError(f"`task.style.max_words` must be at least `min_words` ({self.min_words})")
        return self

    @property
    def on(self) -> bool:
        """Whether anything is asked for."""
        return self.checkable or bool(self.rubric.strip())

    @property
    def checkable(self) -> bool:
        """Whether there is a rule beside that an answer is not empty."""
        return bool(
            self.forbidden
            or self.openings
            or self.closings
            or self.min_words > 1
            or self.max_words
            or self.max_sentences
        )

    def in_words(self) -> str:
        """As an instruction says it, one rule a line."""
        lines = [
            f"Begin with {_one_of(self.openings)}." if self.openings else "",
            f"End with {_one_of(self.closings)}." if self.closings else "",
            f"Write at least {self.min_words} words." if self.min_words > 1 else "",
            f"Write at most {self.max_words} words." if self.max_words else "",
            f"Write at most {self.max_sentences} sentences." if self.max_sentences else "",
            f"Never write {_one_of(self.forbidden)}." if self.forbidden else "",
            *(line.strip() for line in self.rubric.splitlines()),
        ]
        return "\n".join(f"- {line}" for line in lines if line)


def _one_of(phrases: list[str]) -> str:
    return " or ".join(f'"{phrase}"' for phrase in phrases)
