"""Texts that would run a script if a page took them for markup. Written for these tests."""

from collections.abc import Collection, Mapping
from typing import Any
from zlib import crc32

ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//x.example/a.js></sCrIpT>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</td></table><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus='alert(1)",
    "<svg/onload=alert(1)>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<object data=data:text/html,x>",
    "<embed src=//x.example>",
    "<a href=javascript:alert(1)>x</a>",
    "[x](javascript:alert(1))",
    "![x](//x.example/p.png)",
    "<meta http-equiv=refresh content=0>",
    "<base href=//x.example/>",
    "<link rel=stylesheet href=//x.example>",
    "<form action=//x.example><input>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext><script>alert(1)</script>",
    "<style>@import '//x.example'</style>",
    "{{ 7 * 7 }}{% raw %}<b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e<script>alert(1)\u2028</script>",
]

BREAKS_OUT = "\"'<b>"
"""Ends an attribute with either quotation mark, and is an element that no page has."""


class Attack(str):
    """An attack in the place of a text. It is shown as the attack, and compares and is found in a mapping as the text,
    so that code takes the same branches."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Attack":
        made = super().__new__(cls, ATTACKS[crc32(text.encode()) % len(ATTACKS)] + BREAKS_OUT)
        made.text = text
        return made

    def __getnewargs__(self) -> tuple[str]:
        return (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == (other.text if isinstance(other, Attack) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.text)


def hostile(value: Any, kept: Collection[str] = ()) -> Any:
    """A copy of figures, or of the values of a template, with an attack in the place of every text, keys included.

    Args:
        kept: keys whose values stay as they are.
    """
    if isinstance(value, str):
        return value if isinstance(value, Attack) else Attack(value)
    if isinstance(value, Mapping):
        return {hostile(key): one if key in kept else hostile(one, kept) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(hostile(one, kept) for one in value)
    return value
