"""The playground: a page at `/` on which people ask the models of this server.

It is one file. The policy allows the one script and the one style sheet in it, by their hashes, and requests to this
server; Trusted Types refuse everything that would turn a text into HTML.
"""

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

from ft_platform.reporting.html import TEMPLATES, page

if TYPE_CHECKING:
    from starlette.responses import HTMLResponse

STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@cache
def playground() -> "HTMLResponse":
    from markupsafe import Markup
    from starlette.responses import HTMLResponse

    script = (TEMPLATES / "playground.js").read_text(encoding="utf-8")
    html = page("playground.html", title="ft-platform: playground", script=Markup(script))
    (style,) = STYLE.findall(html)
    policy = POLICY.format(script=_source(script), style=_source(style))
    headers = {"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin"}
    return HTMLResponse(html, headers={**headers, "Cache-Control": "no-cache"})


def _source(text: str) -> str:
    """As CSP 3 names a source by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
