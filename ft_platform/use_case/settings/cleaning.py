"""How texts are repaired and which are removed."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.section import Section

Boilerplate = Literal["signatures", "quoted_replies"]
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
GOPHER = "Gopher (arXiv:2112.11446, A.1.1)"


class Cleaning(Section):
    """How texts are repaired and which are removed."""

    fix_unicode: bool = Field(
        default=True,
        description="Repair mojibake, normalize to NFC, remove control and bidirectional override characters.",
    )
    strip_html: bool = Field(
        default=True,
        description=(
            "Turn HTML markup and entities into plain text; code that is fenced or quoted in Markdown stays. Set"
            " `false` if the model must write HTML: tags in answers are removed too."
        ),
    )
    normalize_whitespace: bool = Field(
        default=True, description="Collapse runs of spaces, trim lines, keep at most one blank line."
    )
    boilerplate: list[Boilerplate] = Field(
        default=[],
        max_length=2,
        description=(
            "What to cut off the end of user messages: `signatures` (after `-- `, phone footers, a"
            " closing phrase and what follows it), `quoted_replies`."
        ),
    )
    min_characters: int = Field(
        default=20, ge=1, le=100_000, description="Shortest user text to keep, in characters after cleaning."
    )
    max_characters: int = Field(
        default=20_000,
        ge=10,
        le=10_000_000,
        description="Longest user text to keep, in characters after cleaning.",
    )
    tokenizer: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "For limits in tokens: the base model's `tokenizer.json`, or a local folder that contains it. A base"
            " model that is not a folder has one in the platform's cache after its first load."
        ),
    )
    min_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="Shortest user text to keep, in tokens of `tokenizer`."
    )
    max_tokens: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Longest user text to keep, in tokens of `tokenizer`."
    )
    allowed_languages: list[LanguageCode] = Field(
        default=[],
        max_length=100,
        description=(
            "ISO 639 codes of the allowed languages of user texts, such as `[en, de]`; others are removed. Empty: all."
        ),
    )
    language_confidence: float = Field(
        default=0.8,
        gt=0.5,
        le=1.0,
        description=(
            "Probability in (0.5, 1] above which a text counts as being in an allowed language, or in none of them."
        ),
    )
    undetermined_language: Literal["keep", "remove"] = Field(
        default="keep",
        description=("What to do with texts where neither is that probable: mostly short ones, names and numbers."),
    )
    max_repeated_share: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            f"Largest share in [0, 1] of a user text's characters in repeated lines and phrases. {GOPHER}: 0.2 of"
            " lines."
        ),
    )
    max_symbols_per_word: float | None = Field(
        default=None,
        ge=0.0,
        le=100.0,
        description=f"Most `#`, bullets and ellipses per word of a user text. {GOPHER}: 0.1.",
    )
    max_capitals_share: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Largest share in [0, 1] of capitals among the letters of a user text with 20 letters or more.",
    )
    max_link_share: float | None = Field(
        default=None, ge=0.0, le=1.0, description="Largest share in [0, 1] of a user text's characters in links."
    )
    min_letter_share: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Smallest share in [0, 1] of letters among the characters of a user text.",
    )
    exact_duplicates: Literal["drop", "keep"] = Field(
        default="drop",
        description=(
            "Keep only the first of records with identical cleaned text and answer: of several labels the one that most"
            " of them have, and where none leads, none of them (`label_conflict`)."
        ),
    )
    near_duplicates: Literal["drop", "keep"] = Field(
        default="drop", description="Keep only the first of records whose texts are near duplicates."
    )
    near_duplicate_threshold: float = Field(
        default=0.85,
        ge=0.5,
        le=1.0,
        description="Jaccard similarity in [0.5, 1] of word 3-grams from which two texts count as near duplicates.",
    )
    max_removed_share: float = Field(
        default=0.9,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records that may be removed; more stop the stage. Duplicates count only if"
            " fewer than 500 records are left."
        ),
    )

    @model_validator(mode="after")
    def bounds_in_order(self) -> "Cleaning":
        if self.min_characters >= self.max_characters:
            raise ValueError("`min_characters` must be below `max_characters`")
        if self.min_tokens is not None and self.max_tokens is not None and self.min_tokens >= self.max_tokens:
            raise ValueError("`min_tokens` must be below `max_tokens`")
        return self

    @model_validator(mode="after")
    def tokens_have_a_tokenizer(self) -> "Cleaning":
        if (self.min_tokens or self.max_tokens) and not self.tokenizer:
            raise ValueError("`min_tokens` and `max_tokens` need `tokenizer`")
        return self
