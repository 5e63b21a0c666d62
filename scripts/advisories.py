"""The gate of known vulnerabilities: pip-audit asks a database about every pinned package.

python scripts/advisories.py dist/release/requirements.txt                      # PyPI's database
python scripts/advisories.py requirements.txt --osv-url http://mirror/v1/query  # another server with OSV's interface

It ends with 1 where there is an advisory that `scripts/accepted_advisories.toml` does not accept, and where a package
could not be checked: pip-audit itself ends with 0 when the database has no answer for a package.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ACCEPTED = Path(__file__).parent / "accepted_advisories.toml"
FIELDS = {"id": str, "package": str, "reason": str, "until": date}
LEAST_REASON = 20
MOST_DAYS = 180
"""For so long an advisory is accepted, at most."""
SECONDS = 1800
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;+]+)", re.MULTILINE)
"""Name and public version: advisories know no builds such as `+cpu`, and a database has no answer for one."""


@dataclass(frozen=True)
class Audit:
    """What a database said.

    Attributes:
        problems: why there is no release; empty: there may be one.
        found: advisories, each with what was decided.
        unneeded: ids that are accepted and were not found.
    """

    database: str
    checked: int
    problems: list[str] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    unneeded: list[str] = field(default_factory=list)


def accepted(path: Path, today: date) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of the file, and what is wrong with them."""
    entries, problems = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", []), []
    for number, one in enumerate(entries, 1):
        where = f"{path.name}, entry {number}"
        if one.keys() != FIELDS.keys() or any(type(one[name]) is not kind for name, kind in FIELDS.items()):
            problems.append(f"{where}: expected {', '.join(FIELDS)} (until: a day), got {', '.join(sorted(one))}")
        elif len(one["reason"].strip()) < LEAST_REASON:
            problems.append(f"{where} ({one['id']}): the reason needs {LEAST_REASON} characters or more")
        elif one["until"] > today + timedelta(days=MOST_DAYS):
            problems.append(f"{where} ({one['id']}): accepted for longer than {MOST_DAYS} days")
    return ([] if problems else entries), problems


def judge(told: str, pins: dict[str, str], database: str, entries: list[dict[str, Any]], today: date) -> Audit:
    """What an answer of pip-audit (JSON) means for a release.

    Args:
        pins: package -> version, all that must have been checked.
    """
    try:
        answers = {_key(one["name"]): one for one in json.loads(told)["dependencies"]}
    except (ValueError, KeyError, TypeError):
        return Audit(database, 0, [f"not checked: {database} gave no answer that pip-audit could use"])
    checked = {
        name: one for name, one in answers.items() if "skip_reason" not in one and one.get("version") == pins.get(name)
    }
    problems, found, used = [], [], set()
    if missing := sorted(pins.keys() - checked.keys()):
        names = ", ".join(missing[:5]) + f" and {len(missing) - 5} more" * (len(missing) > 5)
        problems.append(f"not checked: {database} has no answer for {len(missing)} of {len(pins)} packages: {names}")
    for name, one in sorted(checked.items()):
        for advisory in one["vulns"]:
            ids = {advisory["id"], *advisory.get("aliases", [])}
            entry = next((each for each in entries if each["id"] in ids and _key(each["package"]) == name), None)
            holds = entry is not None and today <= entry["until"]
            used |= {entry["id"]} if entry else set()
            fixed = ", ".join(advisory["fix_versions"]) or "no version"
            found.append({"package": name, "version": one["version"], "id": advisory["id"], "accepted": holds})
            if not holds:
                ended = f"; it was accepted until {entry['until']}" if entry else ""
                problems.append(f"{name} {one['version']} has {advisory['id']}, fixed in {fixed}{ended}")
    return Audit(database, len(checked), problems, found, sorted({one["id"] for one in entries} - used))


def audit(requirements: Path, osv_url: str = "", accepted_in: Path = ACCEPTED) -> Audit:
    """Asks a database about the packages of a requirements file in which every version is pinned."""
    today = datetime.now(UTC).date()
    database = osv_url or "PyPI"
    pins = {_key(name): version for name, version in PIN.findall(requirements.read_text(encoding="utf-8"))}
    entries, problems = accepted(accepted_in, today)
    if problems or not pins:
        return Audit(database, 0, problems or [f"not checked: {requirements} pins no package"])
    program = shutil.which("pip-audit") or shutil.which("pip-audit", path=str(Path(sys.executable).parent))
    if program is None:
        return Audit(database, 0, ["not checked: pip-audit is not installed (pip install pip-audit)"])
    with tempfile.TemporaryDirectory() as work:
        asked = Path(work, "requirements.txt")
        asked.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        service = ["--vulnerability-service", "osv", "--osv-url", osv_url] if osv_url else []
        options = ["--no-deps", "--disable-pip", "--format", "json", "--desc", "off", "--aliases", "on"]
        command = [
            program,
            "-r",
            str(asked),
            *options,
            "--progress-spinner",
            "off",
            "--cache-dir",
            f"{work}/cache",
            *service,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return Audit(database, 0, [f"not checked: {database} did not answer within {SECONDS} seconds"])
    return judge(done.stdout, pins, database, entries, today)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requirements", type=Path, help="every package with its version, as a release lists them")
    parser.add_argument("--osv-url", default="", help="ask this server, with OSV's interface, instead of PyPI")
    arguments = parser.parse_args()
    found = audit(arguments.requirements, arguments.osv_url)
    for problem in found.problems:
        print(f"advisories: {problem}", file=sys.stderr)
    for one in found.unneeded:
        print(f"advisories: {one} is accepted and was not found: take it out of {ACCEPTED.name}", file=sys.stderr)
    if not found.problems:
        print(f"{found.checked} packages checked with {found.database}: {len(found.found)} advisories, all accepted")
    return 1 if found.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
