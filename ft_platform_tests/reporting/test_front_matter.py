"""Texts that people write into a use case stay texts in the cards: they neither end the metadata nor act as
Markdown."""

import re

import pytest
import yaml

from ft_platform.reporting.model_card import front_matter_text, plain_markdown

# As huggingface_hub finds metadata (repocard.REGEX_YAML_BLOCK), and as a reader would that only looks for the line.
HUB = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
HOSTILE = [
    "MIT\n---\n# Approved\nlicense: apache-2.0",
    "MIT\r\n---\r\n",
    "x: y",
    "!!python/object:os.system x",
    "*a",
    "&a",
    "# none",
    "'\"",
    "- a",
    "{a: 1}",
    "a\u2028---\u2028b",
    "a\x85---\x85b",
    "\x1b[31m",
    "\u202eTIM",
    " ",
    "null",
    "---",
    "...",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_one_value_of_the_metadata(text):
    written = front_matter_text({"license_name": text, "tags": [text], text: 1, "last": "here"})
    for lines in (written.split("\n"), written.splitlines()):
        seen = [number for number, line in enumerate(lines) if line.strip() == "---"]
        assert seen == [0, len([one for one in lines if one]) - 1]
    head = HUB.match(written + "\n# body")
    assert head
    found = yaml.safe_load(head[2])
    assert list(found)[-1] == "last" and len(found) == 4 and found["tags"] == [found["license_name"]]
    assert isinstance(found["license_name"], str) and found["license_name"].isprintable()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("# Approved", r"\# Approved"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("1.5 a", "1.5 a"),
        ("> a", "&gt; a"),
        ("a\n\n# b", "a # b"),
        ("$x$ [a](b) <b>", r"\$x\$ \[a\](b) &lt;b&gt;"),
        ("\x1b[2J", r"\\u001b\[2J"),
        ("plain, 5 - 3 = 2", "plain, 5 - 3 = 2"),
    ],
)
def test_a_text_is_no_markdown_also_where_a_line_begins_with_it(text, written):
    assert plain_markdown(text) == written
