"""A section whose samples and resamples nobody chooses: who may try seeds finds one that looks well."""

from typing import Any

from ft_platform.use_case.settings.section import Section

SEED = 17


class FixedDraws(Section):
    """Its draws follow from the records alone."""

    @property
    def seed(self) -> int:
        return SEED

    def hashed(self) -> dict[str, Any]:
        """With the seed, which was a field before: what was made with it stays current."""
        return {**self.model_dump(mode="json"), "seed": SEED}
