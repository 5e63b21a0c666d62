"""What every HTML report must be: one valid page that asks for nothing from outside, names its pictures, and has no
element or attribute of its own making.

Rules are lists of what is allowed, so that nothing gets through because nobody thought of it.
"""

import re
from html.parser import HTMLParser
from typing import Any

ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "h3",
    "p",
    "small",
    "strong",
    "em",
    "code",
    "br",
    "sup",
    "ul",
    "ol",
    "li",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "div",
    "span",
    "img",
    "a",
    "details",
    "summary",
    "section",
    "dl",
    "dt",
    "dd",
    "pre",
    "del",
    "ins",
    "mark",
    "main",
    "nav",
    "header",
}
ATTRIBUTES = {
    "alt",
    "src",
    "class",
    "href",
    "colspan",
    "scope",
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "id",
    "open",
    "title",
    "role",
    "tabindex",
    "aria-current",
    "aria-label",
}
VOID = {"br", "img", "meta"}
SECTIONING = {"table", "div", "ul", "ol", "p", "h1", "h2", "h3", "section", "details", "pre", "dl"}
"""May not stand inside `p`: a parser would close the paragraph before them."""

PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
LINK = re.compile(r"(?![a-zA-Z][a-zA-Z0-9+.-]*:|//|/)[^\s<>\"]+|https?://[^\s<>\"]+|#[\w-]+")
"""To another file of the same folder, or a plain link that a person follows."""


class Tags(HTMLParser):
    """Tags with attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


class Page(HTMLParser):
    """Collects what is wrong with a page, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.ids: set[str] = set()
        if not text.startswith("<!DOCTYPE html>"):
            self.problems.append("it does not begin with <!DOCTYPE html>")
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self.open]
        self.problems += [
            f"{self.count.get(tag, 0)} <{tag}>, expected one"
            for tag in ("title", "h1", "body")
            if self.count.get(tag) != 1
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        given = dict(attrs)
        if tag not in ELEMENTS:
            self.problems.append(f"element <{tag}>")
        self.problems += [f"attribute {name} of <{tag}>" for name in given if name not in ATTRIBUTES]
        if len(given) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if tag in SECTIONING and "p" in self.open:
            self.problems.append(f"<{tag}> inside <p>")
        if tag == "html" and not given.get("lang"):
            self.problems.append("<html> names no language")
        if tag == "img" and not (given.get("alt") or "").strip():
            self.problems.append("a picture without alt text")
        if "src" in given and not (tag == "img" and PICTURE.fullmatch(given["src"] or "")):
            self.problems.append(f"src of <{tag}> is no picture inside the page")
        if "href" in given and not (tag == "a" and LINK.fullmatch(given["href"] or "")):
            self.problems.append(f"href {str(given['href'])[:40]!r} of <{tag}>")
        if tag == "meta" and (given.get("http-equiv") or "").lower() not in ("", "content-security-policy"):
            self.problems.append(f"<meta http-equiv={given['http-equiv']}>")
        if "id" in given:
            if given["id"] in self.ids:
                self.problems.append(f"id {given['id']} twice")
            self.ids.add(given["id"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            if re.search(r"@import|url\s*\(|expression\s*\(|javascript:", data, re.IGNORECASE):
                self.problems.append("the styles load or run something")
        else:
            self.words += data


def problems_of(text: str) -> list[str]:
    """Everything that is wrong with a page. Empty: nothing is."""
    return [*Page(text).problems, *html5_problems(text)]


def html5_problems(text: str) -> list[str]:
    """What the reference parser of HTML 5 says, and elements and attributes as a browser would see them; nothing where
    html5lib is not installed."""
    try:
        import html5lib
    except ImportError:
        return []
    parser: Any = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(text)
    found = [f"{code} at {place}" for place, code, _ in parser.errors]
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue  # a comment
        if element.tag not in ELEMENTS:
            found.append(f"a browser sees an element <{element.tag}>")
        found += [
            f"a browser sees an attribute {name} of <{element.tag}>"
            for name in element.attrib
            if name not in ATTRIBUTES
        ]
    return found
