"""Checks the documentation: relative links lead somewhere, anchors exist, and what is generated is up to date."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
FENCE = re.compile(r"^(```+).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("*.md")])


def problems_of(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    problems = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"^[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            problems.append(f"{page.relative_to(ROOT)}: {target} does not exist")
        elif anchor and file.suffix == ".md" and anchor not in anchors_of(file):
            problems.append(f"{page.relative_to(ROOT)}: {target} names a heading that does not exist")
    return problems


def anchors_of(page: Path) -> set[str]:
    """Anchors of the headings, as code hosts make them: lower case, punctuation dropped, blanks to hyphens."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def main() -> int:
    found = pages()
    problems = [problem for page in found for problem in problems_of(page)]
    for problem in problems:
        print(problem, file=sys.stderr)
    stale = sum(
        subprocess.run([sys.executable, str(ROOT / "scripts" / script), "--check"], check=False).returncode
        for script in ("write_reference.py", "write_picture.py", "write_rights.py", "write_bucket_policies.py")
    )
    print(f"{len(found)} pages, {len(problems)} broken links")
    return 1 if problems or stale or not found else 0


if __name__ == "__main__":
    raise SystemExit(main())
