"""The page that compares two checkpoints of a use case."""

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.reporting.portal.comparison import (
    CHECKPOINT,
    Side,
    answers_in_words,
    compare,
    records_in_words,
    shown,
    side,
)
from ft_platform.reporting.published import page_of
from ft_platform.use_case.named import NamedUseCase

MOST_OTHERS = 20
"""Further checkpoints that the page links."""


def compare_page(lake: Lake, use_case: NamedUseCase, wanted: tuple[str, str]) -> str | None:
    """The page, or None where one of the two is not the whole id of a checkpoint or an evaluation."""
    try:
        sides = [side(lake, use_case.name, one) for one in wanted]
    except DataError:
        return None
    if any(name not in _ids(one) for name, one in zip(wanted, sides, strict=True)):
        return None
    a, b = sides
    found = compare(lake, use_case, a, b)
    others = [one.artifact_id for one in lake.artifacts(use_case.name, CHECKPOINT)]
    return page(
        "portal_compare.html",
        title=f"{a.id} and {b.id}",
        use_case=use_case.name,
        found=found,
        pages={"a": _pages(lake, a), "b": _pages(lake, b)},
        records=records_in_words(found),
        answers=answers_in_words(found),
        settings=[(one["name"], shown(one["a"]), shown(one["b"])) for one in found["settings"]],
        others=[name for name in others if name not in (a.id, b.id)][:MOST_OTHERS],
    )


def _ids(one: Side) -> list[str]:
    return [one.id, *([one.evaluation.artifact_id] if one.evaluation else [])]


def _pages(lake: Lake, one: Side) -> dict[str, str | None]:
    """Addresses of reports, from the home page of the use case."""
    evaluation = page_of(lake, one.evaluation) if one.evaluation else None
    return {"checkpoint": page_of(lake, one.checkpoint), "evaluation": evaluation}
