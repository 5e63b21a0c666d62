"""All pages of a small run whose labels, groups, description, purpose, licence and use are attacks: valid, nothing loaded, nothing runs."""

import re
from pathlib import Path

import pytest
import yaml

from ft_platform.evidence.gather import gather
from ft_platform.evidence.pack import write_pack
from ft_platform_tests.evaluation import tiny_case as tiny
from ft_platform_tests.reporting.browser import browser, opened
from ft_platform_tests.reporting.page_rules import ELEMENTS, Page, html5_problems, problems_of
from ft_platform_tests.reporting.xss import ATTACKS

FREE_TEXT = " ".join(ATTACKS)


def hostile_rows(kind: str) -> list[dict]:
    """Four records of each attack as label: two for training, one for validation, one for test; another attack is its group."""
    sides = ("train", "train", "validation", "test")
    ordinary = enumerate(ORDINARY_ROWS(kind, 4 * len(ATTACKS)))
    return [{**row, "label": ATTACKS[n // 4], "feature_region": ATTACKS[n // 4 % 3 + 6], "split": sides[n % 4]} for n, row in ordinary]


def hostile_attributes(model: Path, kind: str, **evaluation: object) -> dict:
    attributes = ORDINARY_ATTRIBUTES(model, kind, bootstrap_samples=100, few_shot_examples=1, max_prompt_tokens=256, **evaluation)
    attributes["training"]["max_steps"] = 1
    attributes["description"] = FREE_TEXT
    attributes["task"]["instruction"] = "Name the product."
    attributes["release"] = {"intended_use": FREE_TEXT, "not_intended_for": FREE_TEXT, "licence": ATTACKS[8]}
    attributes["governance"] |= {"purpose": ATTACKS[0], "licence": ATTACKS[8], "accepted_consent": ["yes", *ATTACKS]}
    return attributes


ORDINARY_ROWS, ORDINARY_ATTRIBUTES = tiny.rows_for, tiny.attributes_for


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every HTML and Markdown file of the pack of a run with attacks everywhere."""
    from ft_platform.reporting.data_report import publish_data_report
    from ft_platform.reporting.profile_page import publish_profile
    from ft_platform.training.audit import audit_for

    home = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "rows_for", hostile_rows)
        patch.setattr(tiny, "attributes_for", hostile_attributes)
        case = tiny.tiny_case(home, "classification")
    publish_data_report(case.lake, case.use_case, case.splits)
    publish_profile(case.lake, case.use_case, case.splits)
    audit_for(case.lake, case.environment, case.use_case, case.splits)
    pack = write_pack(case.lake, case.use_case, gather(case.lake, case.checkpoint), home / "pack")
    return {name: (pack.folder / name).read_text(encoding="utf-8") for name in pack.files if name.endswith((".html", ".md"))}


def test_every_kind_of_page_is_there(pages: dict[str, str]) -> None:
    kinds = {name.split("/")[1] for name in pages if name.startswith("versions/")}
    assert kinds >= {"adapter_checkpoint", "base_evaluation", "evaluation_report", "fairness_report", "model_card", "data_report", "profile", "training_audit"}
    documents = {"index.html", "documents/technical_documentation.html", "documents/training_data_summary.html", "documents/dataset/README.md"}
    assert documents <= set(pages)


def test_every_page_is_valid_and_has_only_elements_and_attributes_of_the_templates(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        if name.endswith(".html"):
            assert problems_of(text) == [], name


def test_the_attacks_are_shown_as_text(pages: dict[str, str]) -> None:
    """A page that left them out would pass the test above without having been tried."""
    kinds = {"evaluation_report": ATTACKS[:20], "model_card": ATTACKS, "fairness_report": ATTACKS[6:9]}
    for kind, attacks in kinds.items():
        (text,) = (text for name, text in pages.items() if name.startswith(f"versions/{kind}/") and name.endswith(".html"))
        words = " ".join(Page(text).words.split())
        assert [attack for attack in attacks if " ".join(attack.split()) not in words] == [], kind
    assert ATTACKS[0] in Page(pages["documents/technical_documentation.html"]).words


def test_a_browser_shows_every_page_and_runs_and_loads_nothing(pages: dict[str, str], tmp_path: Path) -> None:
    with browser() as chrome:
        for number, (name, text) in enumerate((name, text) for name, text in pages.items() if name.endswith(".html")):
            path = tmp_path / f"{number}.html"
            path.write_text(text, encoding="utf-8")
            seen = opened(chrome, path)
            assert (seen.requests, seen.dialogs, seen.complaints, seen.pictures_not_shown) == ([], [], [], 0), name
            assert seen.wider_by <= 0, name
            assert seen.pdf_bytes > 1000 and len(seen.words) > 100, name


def test_a_script_or_a_request_in_a_page_is_seen_by_the_browser(tmp_path: Path) -> None:
    page = "<!DOCTYPE html><html lang=en><head><title>x</title></head><body><h1>x</h1>%s</body></html>"
    faults = {
        "<script>alert(1)</script>": "dialogs",
        '<p onmouseover="alert(1)">x</p>': "dialogs",
        '<img alt="x" src="http://127.0.0.1:9/p.png">': "requests",
        "<style>body { background: url(http://127.0.0.1:9/p.png) }</style>": "requests",
        '<img alt="x" src="data:image/png;base64,AAAA">': "pictures_not_shown",
        '<div style="width: 3000px">x</div>': "wider_by",
    }
    with browser() as chrome:
        for number, (fault, where) in enumerate({"": "", **faults}.items()):
            path = tmp_path / f"{number}.html"
            path.write_text(page % fault, encoding="utf-8")
            seen = opened(chrome, path)
            bad = {name for name in ("requests", "dialogs", "pictures_not_shown", "wider_by") if getattr(seen, name)}
            assert where in bad if where else not bad, fault


def test_cards_in_markdown_hold_no_markup(pages: dict[str, str]) -> None:
    cards = {name: text for name, text in pages.items() if name.endswith(".md")}
    assert len(cards) >= 3
    for name, text in cards.items():
        _, head, body = text.split("---\n", 2)
        assert isinstance(yaml.safe_load(head), dict), name
        assert not re.search(r"<[a-zA-Z/!?]", body), name
        assert not re.search(r"(?<!\\)\]\((?!(\.\./)+versions/)", body), f"{name}: a link that is not to a version"
        assert not re.search(r"(?<!\\)!\[", body), name


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_that_is_not_escaped_is_found(attack: str) -> None:
    """The rules themselves: each attack in the place of a text, and in that of an attribute."""
    page = '<!DOCTYPE html>\n<html lang="en">\n<head><title>x</title></head>\n<body><h1>x</h1><p>%s</p><p class="%s">x</p></body>\n</html>\n'
    assert problems_of(page % ("x", "x")) == []
    harmless_as_text = not re.search(r"<[a-zA-Z/!]", attack)
    assert bool(Page(page % (attack, "x")).problems) != harmless_as_text
    if '"' in attack:
        assert Page(page % ("x", attack)).problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ('<img src="data:image/png;base64,AAAA">', "without alt"),
        ('<img alt="x" src="https://x.example/a.png">', "no picture inside"),
        ('<a href="javascript:alert(1)">x</a>', "href"),
        ('<a href="//x.example">x</a>', "href"),
        ('<a href="data:text/html,x">x</a>', "href"),
        ("<style>p { background: url(//x.example) }</style>", "styles load"),
        ("<p><table></table></p>", "inside <p>"),
        ("<p>x", "closes another"),
        ('<p id="a">x</p><p id="a">x</p>', "twice"),
        ("<h1>again</h1>", "2 <h1>"),
    ],
)
def test_a_fault_in_a_page_is_found(change: str, problem: str) -> None:
    page = f'<!DOCTYPE html>\n<html lang="en">\n<head><title>x</title></head>\n<body><h1>x</h1>{change}</body>\n</html>\n'
    assert any(problem in found for found in Page(page).problems)


def test_the_reference_parser_sees_what_a_browser_would_see() -> None:
    pytest.importorskip("html5lib", reason="html5lib is not installed (extra dev)")
    page = "<!DOCTYPE html><html lang=en><head><title>x</title></head><body><h1>x</h1><p>%s</p></body></html>"
    assert html5_problems(page % "x") == []
    for attack in ATTACKS:
        element = re.match(r"<([a-zA-Z]+)[ />]", attack)
        if element and (element[1].lower() not in ELEMENTS or re.search(r"\bon[a-z]+=", attack)):
            assert html5_problems(page % attack), attack
    assert "script" not in ELEMENTS
