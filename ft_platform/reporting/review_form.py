"""The sheet that experts fill in as a page that needs no server and no network."""

import base64
import hashlib
import json
import re
from typing import Any

from ft_platform.evaluation.review.sheets import VOICE, Sheet
from ft_platform.reporting.html import TEMPLATES


def as_html(sheet: Sheet) -> bytes:
    """A page with one form per row, which saves the answers as a CSV file.

    Texts stand in a block of JSON and are put into the page as text; the only script is ours, and the page allows no
    other."""
    script = (TEMPLATES / "review_form.js").read_text(encoding="utf-8")
    page = (TEMPLATES / "review_form.html").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = {"sheet": sheet.sheet, "rater": sheet.rater, "rows": [[row.row, *row.texts()] for row in sheet.rows]}
    data["voice"] = f"{VOICE} {sheet.voice}" if sheet.voice else ""
    values = {"SCRIPT_HASH": f"sha256-{digest}", "SCRIPT": script, "DATA": json_in_html(data)}
    return re.sub(r"\{\{ ([A-Z_]+) \}\}", lambda found: values[found[1]], page).encode()


def json_in_html(value: Any) -> str:
    """JSON that can stand in a `<script>` block: no sign in it can end the block or begin a tag or comment."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
