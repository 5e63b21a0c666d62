"""How texts are repaired and which are removed."""

from typing import Literal

from pydantic import Field, model_validator

from ft_platform.settings.section import Section


class Cleaning(Section):
    """How texts are repaired and which are removed."""

    fix_unicode: bool = Field(default=True, description="Repair mojibake, normalize to NFC, remove control and bidirectional override characters.")
    strip_html: bool = Field(default=True, description="Turn HTML markup and entities into plain text.")
    normalize_whitespace: bool = Field(default=True, description="Collapse runs of blanks, trim lines, keep at most one blank line.")
    min_characters: int = Field(default=20, ge=1, le=100_000, description="Shortest user text that is kept, in characters after cleaning.")
    max_characters: int = Field(default=20_000, ge=10, le=10_000_000, description="Longest user text that is kept, in characters after cleaning.")
    exact_duplicates: Literal["drop", "keep"] = Field(default="drop", description="Keep only the first of records with identical cleaned text and answer.")
    near_duplicates: Literal["drop", "keep"] = Field(default="drop", description="Keep only the first of records whose texts are near duplicates.")
    near_duplicate_threshold: float = Field(
        default=0.85, ge=0.5, le=1.0, description="Jaccard similarity in [0.5, 1] of word 3-grams at which two texts count as near duplicates."
    )

    @model_validator(mode="after")
    def bounds_in_order(self) -> "Cleaning":
        if self.min_characters >= self.max_characters:
            raise ValueError("`min_characters` must be below `max_characters`")
        return self
