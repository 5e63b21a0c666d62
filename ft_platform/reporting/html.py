"""Pages that are one file: styles and pictures inside, nothing loaded from anywhere, values escaped, fit for print, for
a phone, and for dark windows."""

import base64
import html
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_platform.reporting.formats import amount, day, number, percent

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
LONG_PAGE = 5
"""Sections of a page without a table of contents."""
HEADING_OR_TABLE = re.compile(r'<h2>(?P<heading>.*?)</h2>|<div class="scroll">', re.DOTALL)


def page(template: str, **values: Any) -> str:
    """A page from `templates/<template>`. Every value is escaped.

    Args:
        values: for the template; `pictures` maps names to PNG bytes.
    """
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> "Environment":
    """All templates; each is compiled once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from ft_platform.reporting import alt_texts

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["alt"] = alt_texts
    environment.filters |= {
        "number": number,
        "amount": amount,
        "percent": percent,
        "picture": picture,
        "day": day,
        "with_contents": with_contents,
        "short_hash": lambda text: text[:12],
    }
    return environment


def picture(png: bytes) -> str:
    """Source of an `<img>`."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def with_contents(content: "Markup") -> "Markup":
    """The content of a page with an id for each section, a name for each table that scrolls (so that the keyboard
    reaches it), and in long pages a table of contents behind the first section."""
    from markupsafe import Markup, escape

    sections: dict[str, str] = {}
    inside = ""

    def marked(found: re.Match[str]) -> str:
        nonlocal inside
        if found["heading"] is None:
            return f'<div class="scroll" role="group" tabindex="0" aria-label="Table: {inside or "overview"}">'
        inside = str(escape(Markup(found["heading"]).striptags()))
        place = re.sub(r"[^a-z0-9]+", "-", html.unescape(inside).lower()).strip("-")[:60] or "section"
        name = place if place not in sections else f"{place}-{len(sections)}"
        sections[name] = inside
        return f'<h2 id="{name}">{found["heading"]}</h2>'

    text = HEADING_OR_TABLE.sub(marked, str(content))
    if len(sections) > LONG_PAGE:
        links = "\n".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading in sections.items())
        contents = f'<nav class="contents" aria-label="Contents">\n<ul>\n{links}\n</ul>\n</nav>\n'
        before_second = text.index(f'<h2 id="{list(sections)[1]}">')
        text = f"{text[:before_second]}{contents}{text[before_second:]}"
    return Markup(text)
