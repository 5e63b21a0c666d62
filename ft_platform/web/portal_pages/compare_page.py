"""The page that compares two checkpoints of a use case."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.reporting.published import page_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.comparison import (
    CHECKPOINT,
    Side,
    answers_in_words,
    compare,
    records_in_words,
    shown,
    side,
)

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
    pages = {"a": _pages(lake, a), "b": _pages(lake, b)}
    others = [one.artifact_id for one in lake.artifacts(use_case.name, CHECKPOINT)]
    others = [name for name in others if name not in (a.id, b.id)][:MOST_OTHERS]
    links = [{"title": name, "href": f"../{name}/{b.id}"} for name in others]
    return comparison_page(compare(lake, use_case, a, b), pages, f"../{b.id}/{a.id}", links)


def comparison_page(
    found: Mapping[str, Any], pages: Mapping[str, Any], swapped: str, others: Sequence[Mapping[str, str]]
) -> str:
    """The page.

    Args:
        found: of `comparison.compare`.
        pages: side -> addresses of its reports, from the home page of the use case.
        swapped: address of the same the other way round.
        others: links to further comparisons.
    """
    return page(
        "portal_compare.html",
        title=f"{found['a']['checkpoint']} and {found['b']['checkpoint']}",
        found=found,
        pages=pages,
        swapped={"href": swapped},
        others=others,
        records=records_in_words(found),
        answers=answers_in_words(found),
        settings=[(one["name"], shown(one["a"]), shown(one["b"])) for one in found["settings"]],
    )


def _ids(one: Side) -> list[str]:
    return [one.id, *([one.evaluation.artifact_id] if one.evaluation else [])]


def _pages(lake: Lake, one: Side) -> dict[str, str | None]:
    """Addresses of reports, from the home page of the use case."""
    evaluation = page_of(lake, one.evaluation) if one.evaluation else None
    return {"checkpoint": page_of(lake, one.checkpoint), "evaluation": evaluation}
