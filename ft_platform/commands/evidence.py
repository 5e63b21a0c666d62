"""ft evidence: everything that is known about a checkpoint as one folder to hand over, and the check of such a folder."""

import argparse
import json
from typing import Any

HELP = "Write all evidence about a checkpoint as one folder and zip file, or check such a folder without the lake."
EXAMPLES = [
    "ft evidence <checkpoint_id>",
    "ft evidence <checkpoint_id> --out handed_over/routing --json",
    "ft evidence verify handed_over/routing",
    "ft evidence verify handed_over/routing --sha256 <sha256_of_the_zip> --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "ft evidence [-h] [--out FOLDER] [--json] [use_case] checkpoint\n       ft evidence verify [--sha256 HEX] [--json] FOLDER"
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[use_case] checkpoint | verify FOLDER",
        help="checkpoint id (its first characters are enough), after its use case where two have it; or `verify` and the folder of a pack",
    )
    parser.add_argument("--out", metavar="FOLDER", help="folder to write; the zip file lies beside it (default: evidence/<checkpoint> below FT_HOME)")
    parser.add_argument("--sha256", metavar="HEX", help="with `verify`: sha256 of the zip file as it was written, to know that it is that pack")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError

    verifies = arguments.words[0] == "verify"
    if len(arguments.words) > 2 or (verifies and len(arguments.words) != 2):
        raise ConfigError([f"expected a checkpoint, a use case and a checkpoint, or `verify` and a folder; got {len(arguments.words)} words"])
    if (arguments.out and verifies) or (arguments.sha256 and not verifies):
        raise ConfigError(["--out goes with writing a pack, --sha256 with `verify`"])
    return _verify(arguments) if verifies else _write(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ft_platform.evidence.verify import problems_of

    problems = problems_of(Path(arguments.words[1]), arguments.sha256)
    if arguments.json:
        print(json.dumps({"ok": not problems, "problems": problems}, indent=1, ensure_ascii=False))
    elif problems:
        print("\n".join(problems))
    else:
        print("whole: every file is there as it was written, and the chain of versions is closed")
    return 1 if problems else 0


def _write(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ft_platform.environment import load_environment
    from ft_platform.evidence.gather import find_known, gather
    from ft_platform.evidence.pack import write_pack
    from ft_platform.lake import Lake
    from ft_platform.reporting.server import Reports

    environment = load_environment()
    lake = Lake(environment.lake_uri, environment.storage_options())
    *named, wanted = arguments.words
    checkpoint = find_known(lake, named or Reports(lake).use_cases(), wanted)
    out = Path(arguments.out) if arguments.out else environment.home / "evidence" / checkpoint.artifact_id
    pack = write_pack(lake, _use_case(environment, checkpoint.use_case), gather(lake, checkpoint), out.absolute())
    found = {"folder": str(pack.folder), "files": pack.files, "sha256": pack.sha256, "zip": str(pack.zip_file), "missing": pack.missing}
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    print(f"{len(pack.files)} files in {pack.folder}; open index.html there")
    print(f"{pack.zip_file}: sha256 {pack.sha256} (keep it apart from the file)")
    for one in pack.missing:
        print(f"missing: {one['what']}: {one['why']}")
    return 0


def _use_case(environment: Any, name: str) -> Any:
    """The use case as its file is now, or None where it is gone; a file with mistakes is an error."""
    from ft_platform.use_case_file import find_use_cases, load_use_case

    folder = next((folder for folder in find_use_cases(environment.defs) if folder.name == name), None)
    return load_use_case(folder, environment=environment) if folder else None
