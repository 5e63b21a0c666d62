"""HTML as plain text: what a reader of the page would see. Text that only looks a little like HTML stays as it is.

Covered: tags, comments, entities, scripts and styles (dropped with their content), blocks as lines. Whole documents go
through an HTML5 parser; in other texts only well-formed tags of HTML count, so that `a < b` and `<name@example.org>`
stay. Not covered: markup that is not HTML, such as `<question>`. Code that is fenced or quoted in Markdown stays too:
it is what a model that answers with code shall learn.
"""

import html
import re

from selectolax.lexbor import LexborHTMLParser

BLOCKS = (
    "address|article|aside|blockquote|body|br|caption|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|html|legend|li|main|"
    "nav|ol|optgroup|option|p|pre|section|table|tbody|tfoot|thead|tr|ul"
)
INLINE = (
    "abbr|acronym|area|audio|a|base|bdi|bdo|big|button|b|canvas|cite|code|colgroup|col|data|datalist|del|details|dfn|dialog|embed|em|font|head|"
    "img|input|ins|i|kbd|label|link|map|mark|meta|meter|object|output|param|picture|progress|q|samp|select|small|source|span|"
    "strike|strong|sub|summary|sup|s|textarea|time|title|tt|u|var|video|wbr"
)
DROPPED = ("script", "style", "template", "iframe", "svg", "noscript")
"""Elements whose content is not text. Without an end tag they stay: `I typed <script> and lost the rest`."""
BARE = (
    "async|autofocus|autoplay|checked|controls|defer|disabled|hidden|loop|"
    "multiple|muted|nowrap|noshade|novalidate|open|readonly|required|selected"
)
# An attribute has a value or is one of those that need none: in `if a <b and c> d` the word `and` is neither, so this
# is no tag. Quantifiers are possessive, so that a text made to look like thousands of tags takes linear time.
ATTRIBUTE = rf"""(?>\s++(?:[A-Za-z_:@][\w:.\-]*+\s?=\s?(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++)|(?:{BARE})(?=[\s/>])))"""
END = rf"(?:{ATTRIBUTE})*+\s*+/?>"
BLOCK_TAG = re.compile(rf"</?(?:{BLOCKS}){END}", re.IGNORECASE)
CELL_TAG = re.compile(rf"</?t[dh]{END}", re.IGNORECASE)
INLINE_TAG = re.compile(rf"</?(?:{INLINE}){END}|<!doctype\s[^<>]*+>", re.IGNORECASE)
DROPPED_TAG = re.compile(rf"<(/?)({'|'.join(DROPPED)}){END}|<(!--)|(--)>", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
DOCUMENT = re.compile(r"<(?:html|body|!doctype html)[\s>]", re.IGNORECASE)
DOCUMENT_END = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)
MAIL_ADDRESS = re.compile(r"<(?=[^\s<>@]{1,64}@)")
CODE = re.compile(r"(```.*?```|~~~.*?~~~|`[^`\n]+`)", re.DOTALL)
"""Fenced blocks and quoted code of Markdown."""


def html_to_text(text: str) -> str:
    """The text without HTML tags and with entities resolved once; unchanged where there are none."""
    if "<" not in text and not ENTITY.search(text):
        return text
    if "`" not in text and "~~~" not in text:
        return _to_text(text)
    return "".join(part if CODE.fullmatch(part) else _to_text(part) for part in CODE.split(text))


def _to_text(text: str) -> str:
    if DOCUMENT.search(text) and DOCUMENT_END.search(text):
        return _document_text(text)
    text = INLINE_TAG.sub("", CELL_TAG.sub(" ", BLOCK_TAG.sub("\n", _without_dropped(text))))
    return ENTITY.sub(lambda found: html.unescape(found[0]), text)


def _document_text(text: str) -> str:
    apart = CELL_TAG.sub(lambda found: " " + found[0], BLOCK_TAG.sub(lambda found: "\n" + found[0], text))
    tree = LexborHTMLParser(MAIL_ADDRESS.sub("&lt;", apart))
    tree.strip_tags(list(DROPPED))
    return tree.body.text(deep=True, separator="") if tree.body else ""


def _without_dropped(text: str) -> str:
    """Cuts comments and elements such as scripts with all that is in them, where they end at all."""
    if "<!--" not in text and not DROPPED_TAG.search(text):
        return text
    kept, position, inside = [], 0, ""
    tags = [(m.start(), m.end(), *_boundary(m)) for m in DROPPED_TAG.finditer(text)]
    last_end = {name: start for start, _, name, is_end in tags if is_end}
    for start, end, name, is_end in tags:
        if not inside and not is_end and start < last_end.get(name, -1):
            kept.append(text[position:start])
            inside = name
        elif inside == name and is_end:
            position, inside = end, ""
    return "".join([*kept, text[position:]])


def _boundary(found: re.Match[str]) -> tuple[str, bool]:
    """Name of the dropped element and whether this is its end."""
    if found[3] or found[4]:
        return "--", bool(found[4])
    return found[2].lower(), bool(found[1])
