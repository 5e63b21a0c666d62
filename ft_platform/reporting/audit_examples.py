"""A page with training examples as the model sees them."""

from typing import Any

from ft_platform.training.audit_view import ShownExample


def examples_page(title: str, examples: list[ShownExample], figures: dict[str, Any]) -> str:
    """One HTML file with the examples and what the audit found."""
    from ft_platform.reporting.html import page

    return page("audit_examples.html", title=title, examples=examples, figures=figures)
