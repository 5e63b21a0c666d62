"""A text that the gate lets pass is one that no repair changes; the other way round it only costs time."""

import json
import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.cleaning import unicode_repair
from ft_platform.cleaning.gate import NOTHING, REPAIR, WHITESPACE, needs
from ft_platform.cleaning.mojibake_re2 import MOJIBAKE as MOJIBAKE_RE2
from ft_platform.cleaning.repair import repair
from ft_platform.cleaning.tidy_column import tidy_column
from ft_platform.use_case.settings.cleaning import Cleaning

TRICKY = [
    *" \n\t\r\x00\x0b\x0c\x1c\x1b[0m\x7f\x80\x85\x9f<>&;`~ab.A1ÂÃâ€™œöß’“”…–éе́ñвЂ的가\u1161한",
    *(
        "\u00a0",
        "\u00ad",
        "\u0301",
        "\u200b",
        "\u200d",
        "\u2009",
        "\u2028",
        "\u202e",
        "\u2066",
        "\u3000",
        "\ufeff",
        "\ufe0f",
        "\U000e0069",
        "\U0001f3f4",
    ),
    *("\n\n", "\n\n\n", "  ", "<b>", "&amp;", "-- ", "> ", "\nOn Monday Ann wrote:\n", "\nBest regards,\nAnn"),
]
KNOWN = re.compile(f"[{''.join(MOJIBAKE_CATEGORIES.values())}]")
MOJIBAKE = [*filter(KNOWN.match, map(chr, range(0x80, 0x10000))), *"bZ .?"]
ALL_ON = Cleaning(boilerplate=["signatures", "quoted_replies"])


def passes(text: str, cleaning: Cleaning) -> bool:
    return needs(pa.array([text]), cleaning)[0] == NOTHING


@given(st.lists(st.sampled_from(TRICKY), max_size=12).map("".join), st.sampled_from(["user", "assistant", "system"]))
@settings(max_examples=500, deadline=None)
def test_what_the_gate_lets_pass_needs_no_repair(text: str, role: str) -> None:
    assert not passes(text, ALL_ON) or repair(text, ALL_ON, role=role) == (text, [])


@given(st.lists(st.sampled_from(TRICKY), max_size=12).map("".join), st.sampled_from(["user", "assistant", "system"]))
@settings(max_examples=500, deadline=None)
def test_what_needs_its_white_space_tidied_needs_nothing_else(text: str, role: str) -> None:
    array = pa.array([text])
    if needs(array, ALL_ON)[0] == WHITESPACE:
        tidy = tidy_column(array, np.array([role == "assistant"]))[0].as_py()
        assert repair(text, ALL_ON, role=role) == (tidy, ["whitespace"] if tidy != text else [])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a  b", WHITESPACE),
        ("a\tb", WHITESPACE),
        ("ça  va", WHITESPACE),
        ("`a`  b", REPAIR),  # code
        ("a\r\nb", REPAIR),
        ("a  <b>b</b>", REPAIR),
        ("cafÃ©  b", REPAIR),
        ("a\u00a0 b", REPAIR),
        ("a  b\n-- \nAnn", REPAIR),
    ],
)
def test_only_plain_white_space_is_tidied_as_a_column(text: str, kind: int) -> None:
    assert needs(pa.array([text]), ALL_ON).tolist() == [kind]


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_the_gate_lets_pass_needs_no_repair_whatever_the_script(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert not passes(text, ALL_ON) or repair(text, ALL_ON) == (text, [])


@given(st.lists(st.sampled_from(TRICKY), max_size=6).map("".join))
@settings(max_examples=500, deadline=None)
@pytest.mark.parametrize("on", ["fix_unicode", "strip_html", "normalize_whitespace"])
def test_the_gate_of_one_repair_alone_is_sound(on: str, text: str) -> None:
    cleaning = Cleaning(**{name: name == on for name in ("fix_unicode", "strip_html", "normalize_whitespace")})
    assert not passes(text, cleaning) or repair(text, cleaning) == (text, [])


def missed(texts: Iterable[str]) -> list[str]:
    """Texts that ftfy takes for mojibake and one of the two quick tests does not."""
    bad = [text for text in texts if is_bad(text)]
    in_re2 = pc.match_substring_regex(pa.array(bad, pa.string()), MOJIBAKE_RE2).to_pylist()
    return [
        text
        for text, found in zip(bad, in_re2, strict=True)
        if not (found and unicode_repair.MAY_BE_MOJIBAKE.search(text))
    ]


def test_the_quick_tests_for_mojibake_miss_nothing_that_ftfy_sees() -> None:
    """All pairs of the 400 characters that ftfy knows, alone and between letters, and what it knows in threes and
    fours."""
    pairs = [
        x + y for x, y in product(MOJIBAKE, repeat=2) if is_bad(f"a{x}{y}a") or is_bad(f" {x}{y} ") or is_bad(x + y)
    ]
    assert len(pairs) > 10_000 and missed(f"{a}{pair}{b}" for pair in pairs for a, b in ("aa", "  ", ".,")) == []
    assert missed(f"{a}{x}{b}" for a, b in product("ВГРСΒΓΞΟØÙ", repeat=2) for x in MOJIBAKE) == []
    assert (
        missed(f"{a}{x}{b}{y}" for a, b in product("ØÙ", repeat=2) for x, y in product(MOJIBAKE[::7], MOJIBAKE)) == []
    )
    blanks = [character for character in map(chr, range(0x3001)) if character.isspace()]
    assert len(blanks) == 29 and missed(f"a{blank}À€" for blank in blanks) == []


@given(st.lists(st.sampled_from(MOJIBAKE), max_size=6).map("".join))
@settings(max_examples=1000, deadline=None)
def test_the_quick_tests_miss_nothing_in_longer_texts(text: str) -> None:
    assert missed([text]) == []


def test_the_expression_for_re2_takes_hardly_more_for_mojibake_than_ftfy_does() -> None:
    texts = [f"{a}{x}{y}{b}" for x, y in product(MOJIBAKE[::3], repeat=2) for a, b in ("aa", "  ")]
    found = pc.match_substring_regex(pa.array(texts), MOJIBAKE_RE2).to_pylist()
    bad = [is_bad(text) for text in texts]
    assert 0 <= sum(found) - sum(bad) < 0.01 * len(texts) and sum(bad) > 0.1 * len(texts)


@given(st.lists(st.lists(st.sampled_from(TRICKY), max_size=4).map("".join), max_size=6))
@settings(max_examples=100, deadline=None)
def test_the_neighbours_of_a_text_make_no_difference(texts: list[str]) -> None:
    array = pa.array([None, *texts, None], pa.string())
    together = needs(array, ALL_ON).tolist()
    assert together == [NOTHING, *(needs(pa.array([text]), ALL_ON)[0] for text in texts), NOTHING]
    assert needs(array.slice(1, len(texts)), ALL_ON).tolist() == together[1:-1]


@pytest.mark.parametrize(
    "text",
    [
        "plain text, two lines\nand an empty one\n\nbelow",
        "it’s “quoted” – naïve café",
        "Die Größe der Gebühr",
        "Где мой счёт?",
        "我的账户在哪里？",
        "",
        "a",
    ],
)
def test_clean_text_passes(text: str) -> None:
    assert passes(text, ALL_ON)


@pytest.mark.real_data
def test_all_mojibake_of_the_collection_is_stopped(shared_data: Path) -> None:
    files = sorted((shared_data / "ftfy_mojibake").glob("*.json"))
    cases = [case for file in files for case in json.loads(file.read_text())]
    changed = [case["original"] for case in cases if repair(case["original"], ALL_ON)[1]]
    assert len(changed) > 110 and (needs(pa.array(changed), ALL_ON) == REPAIR).all()
