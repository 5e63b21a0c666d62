"""The summary of training content: every heading of the template, figures of the lineage, and what has to be written by
a person."""

import re

import pytest

from ft_platform.reporting.documents import training_data_summary
from ft_platform_tests.reporting.documents.made import facts, with_counts

HEADINGS = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3"]
"""Of the template of 24 July 2025."""


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"<h2[^>]*>([^<]*)</h2>", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_has_every_heading_of_the_template_and_none_is_empty() -> None:
    found = sections(training_data_summary.make(facts()))
    assert [heading.split()[0] for heading in found] == HEADINGS
    assert all("<p" in body for body in found.values())


@pytest.mark.parametrize(
    ("tokens", "size"),
    [
        (5000, "less than 1 billion tokens (5,000"),
        (10**9, "1 billion to 10 trillion tokens"),
        (10**13 + 1, "more than 10 trillion tokens"),
    ],
)
def test_the_size_is_that_of_the_records_trained_on(tokens: int, size: str) -> None:
    train = {"rows": 25, "tokens": tokens, "truncated": 0}
    text = training_data_summary.make(with_counts("adapter_checkpoint", train=train))
    assert size in text


def test_what_nobody_stated_is_left_to_its_owner() -> None:
    found = sections(training_data_summary.make(facts()))
    provider = next(body for heading, body in found.items() if heading.startswith("1.1"))
    assert re.findall(r'<p class="(\w+)"', provider) == ["warning"]
    assert "To be completed by team:complaints (accountable owner)" in provider
    synthetic = next(body for heading, body in found.items() if heading.startswith("2.5"))
    assert "whether the source holds texts that a model generated" in synthetic
