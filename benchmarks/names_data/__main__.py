"""Names of persons and places in public annotated texts: fetches the sources of `sources.json`, writes them as records.

    python -m benchmarks.names_data --folder F               # F/<source>.jsonl; exit 1 if one is not as committed
    python -m benchmarks.names_data --folder F --only en_wikigold en_wnut17
    python -m benchmarks.names_data --folder F --mirror M    # M/<owner>+<name>/repo instead of the network

A record: `{"full_text", "spans": [{"entity_type", "start_position", "end_position"}], "language", "source",
"document"}`. Positions are characters of `full_text`; types are PERSON, LOCATION, ORGANIZATION, OTHER_NAME. A record
is a sentence, a line or a paragraph; those of one `document` stand in its order, null if the source does not tell.
`types` in `sources.json`: the only ones that the source annotates reliably.

Where a source has words but no text, the blanks are a reconstruction (`text.py`): all but UNER, GUM, AnCora, Vasari,
the French novels and the letters. In GUM, LitBank, emailcoref, `fr_litbank_derived` and `nl_openboek_derived` the names
were found in the annotation of all mentions of persons and places: expect 5 to 10 % of these labels to be wrong.

All licences allow commercial use; NKJP (GPL) is for tests only, and nothing is redistributed. Not taken: WNUT16 (WNUT17
contains it) and what is non-commercial, which for Italian leaves nothing. The sentences of `*_pud` are the same in all
languages, so none of them is for training. GermEval, LER, KPWr and Norwegian UNER are parts: their largest files were
not at hand, and AnCora and the training part of EWT are of earlier commits for the same reason."""

import argparse
import hashlib
import importlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.names_data.formats import READERS
from benchmarks.names_data.text import cleaned

SOURCES = Path(__file__).with_name("sources.json")
DOWNLOAD_SECONDS = 1800


class SourceMissing(Exception):
    """A repository, its commit, a file of it, or what unpacks it cannot be had."""


def git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", folder, "-c", "core.autocrlf=false", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)
    if done.returncode:
        raise SourceMissing(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


def repository(entry: dict[str, Any], folder: Path, mirror: Path | None) -> Path:
    """A git folder with the entry's commit: that of the mirror, or fetched without history, once."""
    name = "+".join(entry["url"].split("/")[-2:])
    if mirror:
        return mirror / name / "repo"
    (place := folder / "repositories" / name).mkdir(parents=True, exist_ok=True)
    git(place, "init", "--quiet", "--bare")
    try:
        git(place, "cat-file", "-e", entry["commit"])
    except SourceMissing:
        git(place, "fetch", "--quiet", "--depth", "1", entry["url"], entry["commit"])
    return place


def unpacked(name: str, content: bytes) -> dict[str, bytes]:
    """The files in a file: itself, if it is no archive."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {member: archive.read(member) for member in sorted(archive.namelist())}
    if name.endswith(".7z"):
        try:
            py7zr = importlib.import_module("py7zr")
        except ImportError:
            raise SourceMissing(f"{name} needs py7zr: pip install py7zr") from None
        with tempfile.TemporaryDirectory() as folder, py7zr.SevenZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
            return {one.name: one.read_bytes() for one in sorted(Path(folder).rglob("*")) if one.is_file()}
    return {name: content}


def files_of(entry: dict[str, Any], place: Path) -> dict[str, str]:
    """Path -> text of the entry's files at its commit."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(git(place, "archive", entry["commit"], "--", *entry["files"]))) as archive:
        for member in archive:
            if content := archive.extractfile(member):
                found |= unpacked(member.name, content.read())
    return {path: content.decode(errors="replace") for path, content in found.items()}


def convert(entry: dict[str, Any], files: dict[str, str], target: Path) -> tuple[str, Counter[str]]:
    """Writes the records of a source; their sha256, and how many there are of what."""
    counts, lines = Counter[str](), []
    for passage in READERS[entry["format"]](files, entry):
        text, spans, document = cleaned(passage, entry["language"])
        counts.update({"records": 1, "words": len(text.split())})
        counts.update(span.label for span in spans)
        named = [{"entity_type": s.label, "start_position": s.start, "end_position": s.end} for s in spans]
        record = {"full_text": text, "spans": named, "language": entry["language"], "source": entry["name"]}
        lines.append(json.dumps(record | {"document": document}, ensure_ascii=False) + "\n")
    data = "".join(lines).encode()
    part = target.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, target)
    return hashlib.sha256(data).hexdigest(), counts


def differing(hashes: dict[str, str], entries: list[dict[str, Any]]) -> list[str]:
    """What to say if outputs are not the committed ones; nothing if they are."""
    wrong = [one["name"] for one in entries if one["name"] in hashes and hashes[one["name"]] != one["sha256"]]
    if not wrong:
        return []
    return [
        f"{len(wrong)} of {len(hashes)} sources differ from the sha256 in {SOURCES.name}:",
        "  " + ", ".join(wrong[:10]) + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""),
        "If you changed the conversion, look at the records and commit the new hashes with --commit.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mirror", type=Path, help="git repositories at <owner>+<name>/repo")
    entries = json.loads(SOURCES.read_text(encoding="utf-8"))
    names = [entry["name"] for entry in entries]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="default: all")
    parser.add_argument("--commit", action="store_true", help="write the hashes of the outputs to sources.json")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    hashes: dict[str, str] = {}
    missing = 0
    print(f"{'source':28}{'records':>9}{'words':>10}{'PERSON':>9}{'LOCATION':>10}")
    for entry in (one for one in entries if one["name"] in arguments.only):
        name = entry["name"]
        try:
            files = files_of(entry, repository(entry, arguments.folder, arguments.mirror))
        except SourceMissing as error:
            missing += 1
            print(f"{name:28}missing: {error}")
            continue
        hashes[name], n = convert(entry, files, arguments.folder / f"{name}.jsonl")
        print(f"{name:28}{n['records']:9,}{n['words']:10,}{n['PERSON']:9,}{n['LOCATION']:10,}", flush=True)
    if arguments.commit:
        entries = [entry | {"sha256": hashes.get(entry["name"], entry["sha256"])} for entry in entries]
        SOURCES.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    wrong = differing(hashes, entries)
    print("\n".join(wrong) or f"{len(hashes)} sources as committed")
    raise SystemExit(bool(wrong or missing))


if __name__ == "__main__":
    main()
