"""A hook of MkDocs (mkdocs.yml): the marks of blocks that the tests do not run are not part of the website."""

import re

MARK = re.compile(r"^( *```\w+) no-run$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    return MARK.sub(r"\1", markdown)
