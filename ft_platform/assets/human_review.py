"""human_review: which answers experts preferred. It shows what `ft review` published; a person starts it."""

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import shown
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.errors import DataError
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "human_review"))
    @with_typed_failures
    def human_review(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], evaluation_report: ArtifactVersion
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """How often experts preferred the fine-tuned model's answer to an alternative's, in the portal or on blinded
        sheets, and how far they agree.

        The newest review of this evaluation that `ft review` published. Without one it fails: reviews of older
        answers do not count."""
        from ft_platform.evaluation.review.figures import read_review, reviews_of
        from ft_platform.reporting.review_report import review_sentences

        require_usable(lake, use_case, evaluation_report)
        review = next(iter(reviews_of(lake, evaluation_report)), None)
        if review is None:
            problem = f"{use_case.name} has no review of evaluation {evaluation_report.id}"
            raise DataError(problem, f"Run: ft review start {use_case.name}")
        lake.verify_artifact(review)
        found = read_review(lake, review)
        return shown(
            lake,
            environment,
            use_case,
            review,
            rows=found["rows"],
            conclusion=dg.MetadataValue.md("\n\n".join(sentence["text"] for sentence in review_sentences(found))),
            review=dg.MetadataValue.json(found),
        )

    return [human_review]
