"""A hook of MkDocs (mkdocs.yml): menus also list the pages that the file does not name, marks for tests are not shown,
and links to files of the repository name the file instead."""

import os.path
import re
from pathlib import Path
from typing import Any

MARK = re.compile(r"^( *```\w+) no-run$", re.MULTILINE)
OUTSIDE = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]*)\)")
MENUS = {"how_to": "How-to guides", "adr": "Decisions", ".": "Explanations"}
"""Folder of a page -> the menu at whose end it is listed. Decisions all are, in the order of their numbers."""


def on_config(config: Any) -> Any:
    docs = Path(config["docs_dir"])
    menus = dict(_menus(config["nav"]))
    for page in sorted(docs.rglob("*.md")):
        path = page.relative_to(docs)
        if not _named(config["nav"], str(path)):
            menus[MENUS[str(path.parent)]].append(str(path))
    return config


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    def named(match: re.Match[str]) -> str:
        path = os.path.normpath(os.path.join("docs", os.path.dirname(page.file.src_uri), match[2]))
        return match[0] if path.startswith("docs/") else f"{match[1]} (`{path}`)"

    return OUTSIDE.sub(named, MARK.sub(r"\1", markdown))


def _menus(nav: list[Any]) -> list[tuple[str, list[Any]]]:
    """Title and entries of every menu, also of those inside others."""
    found = []
    for entry in nav:
        if isinstance(entry, dict):
            for title, inside in entry.items():
                if isinstance(inside, list):
                    found += [(title, inside), *_menus(inside)]
    return found


def _named(nav: Any, path: str) -> bool:
    if isinstance(nav, list):
        return any(_named(entry, path) for entry in nav)
    return any(_named(inside, path) for inside in nav.values()) if isinstance(nav, dict) else nav == path
