"""Writes infra/buckets/s3.yaml, an example of `ft lake policies`, from the table of rights. `--check` says whether it
is up to date instead."""

import argparse
from pathlib import Path

from ft_platform.people.bucket_rights import Bucket, template, text_of
from ft_platform.use_case.settings.looks import PURPOSES

FILE = Path(__file__).parent.parent / "infra" / "buckets" / "s3.yaml"
BUCKET = Bucket("example-lake", "lake", "111122223333")
"""Of nobody: a number that AWS uses in its own examples."""
USE_CASES = ["complaint_routing"]
HEAD = """# Who may do what in a bucket with a lake, with one use case: written by scripts/write_bucket_policies.py.
# For yours: ft lake policies --account <number> --out lake.yaml (README.md)
"""


def text() -> str:
    """The whole file."""
    return HEAD + text_of(template(BUCKET, USE_CASES, PURPOSES))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; end with 1 if the file is not up to date")
    if parser.parse_args().check:
        fresh = FILE.exists() and FILE.read_text(encoding="utf-8") == text()
        advice = "is up to date" if fresh else "is not up to date. Run: python scripts/write_bucket_policies.py"
        print(f"{FILE.name} {advice}")
        return 0 if fresh else 1
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
