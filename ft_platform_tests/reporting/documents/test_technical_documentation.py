"""Technical documentation: every point of Annex IV, statements linked to their version, open points marked, nothing
made up."""

import re

from ft_platform.reporting.documents import technical_documentation
from ft_platform_tests.reporting.documents.made import facts, with_use_case, without

POINTS = [*(f"1 ({letter})" for letter in "abcdefgh"), *(f"2 ({letter})" for letter in "abcdefgh"), *"3456789"]


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"<h2[^>]*>([^<]*)</h2>", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_it_has_every_point_of_annex_iv_and_none_is_empty() -> None:
    found = sections(technical_documentation.make(facts()))
    assert [re.match(r"\d( \([a-h]\))?", heading).group() for heading in found] == POINTS  # type: ignore[union-attr]
    assert all("<p" in body for body in found.values())


def test_every_statement_is_linked_to_its_version_or_marked_as_open() -> None:
    text = technical_documentation.make(facts())
    paragraphs = re.findall(r"<p( class=\"warning\")?>(.*?)</p>", text)
    assert len(paragraphs) > 40
    for is_open, content in paragraphs:
        assert bool(is_open) != ("<small>[" in content), content
        assert bool(is_open) == content.startswith("To be completed by "), content
    assert 'href="../versions/evaluation_report/evaluation_report-1/manifest.json"' in text


def test_figures_come_with_their_interval_and_missing_ones_are_said_to_be_missing() -> None:
    assert "fine_tuned: macro_f1 0.750 (0.500 to 0.900)" in technical_documentation.make(facts())
    text = technical_documentation.make(without("evaluation_report", "fairness_report"))
    assert "Quality: not measured, there is no evaluation of this checkpoint." in text
    assert "Groups of persons: not measured, there is no fairness report." in text


def test_a_use_that_the_card_does_not_state_is_open() -> None:
    assert "Intended purpose: Suggests the product of a complaint" in technical_documentation.make(facts())
    for given in (with_use_case(release={"intended_use": "Something else."}), without("model_card")):
        text = technical_documentation.make(given)
        assert "Intended purpose:" not in text and "Something else" not in text
