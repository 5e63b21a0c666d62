"""ft evidence: everything that is known about a checkpoint as one folder to hand over, and the check of such a
folder."""

import argparse
import json
from typing import Any

HELP = "Write all evidence about a checkpoint as one folder and zip file, or check such a folder without the lake."
EXAMPLES = [
    "ft evidence <checkpoint_id>",
    "ft evidence <checkpoint_id> --out handed_over/routing --json",
    "ft evidence verify handed_over/routing",
    "ft evidence verify handed_over/routing --sha256 <sha256_of_the_zip> --json",
    "ft evidence <checkpoint_id> --sign-with signing_key.pem",
    "ft evidence verify handed_over/routing --public-key public_key.pem",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "ft evidence [-h] [--out FOLDER] [--sign-with KEYFILE] [--json] [use_case] checkpoint\n"
        "       ft evidence verify [--sha256 HEX] [--public-key FILE] [--json] FOLDER"
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[use_case] checkpoint | verify FOLDER",
        help=(
            "checkpoint id (its first characters are enough), with its use case if two use cases have it; or `verify`"
            " and the folder of a pack"
        ),
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder to write; the zip file goes beside it (default: evidence/<checkpoint> below FT_HOME)",
    )
    parser.add_argument(
        "--sha256",
        metavar="HEX",
        help="with `verify`: sha256 of the zip file as it was written, to prove that it is the same pack",
    )
    parser.add_argument(
        "--sign-with",
        metavar="KEYFILE",
        help="sign the pack with this Ed25519 private key (PEM; password in FT_SIGNING_KEY_PASSWORD)",
    )
    parser.add_argument(
        "--public-key",
        metavar="FILE",
        help="with `verify`: the pack must be signed with the private key of this public key (PEM)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError

    verifies = arguments.words[0] == "verify"
    if len(arguments.words) > 2 or (verifies and len(arguments.words) != 2):
        raise ConfigError(
            [
                "expected a checkpoint, a use case and a checkpoint, or `verify` and a folder; got"
                f" {len(arguments.words)} words"
            ]
        )
    if (verifies and (arguments.out or arguments.sign_with)) or (
        not verifies and (arguments.sha256 or arguments.public_key)
    ):
        raise ConfigError(["--out and --sign-with are for writing a pack, --sha256 and --public-key for `verify`"])
    return _verify(arguments) if verifies else _write(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ft_platform.reporting.evidence.layout import SIGNATURE
    from ft_platform.reporting.evidence.signing import PublicKey
    from ft_platform.reporting.evidence.verify import problems_of

    folder, key = Path(arguments.words[1]), PublicKey(Path(arguments.public_key)) if arguments.public_key else None
    problems = problems_of(folder, arguments.sha256, key)
    signed = (
        "checked" if key else "present, not checked: add --public-key" if (folder / SIGNATURE).is_file() else "none"
    )
    if arguments.json:
        print(json.dumps({"ok": not problems, "problems": problems, "signature": signed}, indent=1, ensure_ascii=False))
    elif problems:
        print("\n".join(problems))
    else:
        print("complete: every file is as it was written, and the chain of versions has no gap")
        print(f"signed by the key {key.key_id}" if key else f"signature: {signed}")
    return 1 if problems else 0


def _write(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ft_platform.lake.inspection import signed_use_cases
    from ft_platform.lake.opening import open_lake
    from ft_platform.reporting.evidence.gather import find_known, gather
    from ft_platform.reporting.evidence.pack import write_pack
    from ft_platform.reporting.evidence.signing import Signer
    from ft_platform.use_case.environment import load_environment

    signer = Signer(Path(arguments.sign_with)) if arguments.sign_with else None
    environment = load_environment()
    lake = open_lake(environment)
    *named, wanted = arguments.words
    checkpoint = find_known(lake, named or signed_use_cases(lake), wanted)
    out = Path(arguments.out) if arguments.out else environment.home / "evidence" / checkpoint.artifact_id
    use_case = _use_case(environment, checkpoint.use_case)
    pack = write_pack(lake, use_case, gather(lake, checkpoint), out.absolute(), signer)
    found = {
        "folder": str(pack.folder),
        "files": pack.files,
        "sha256": pack.sha256,
        "zip": str(pack.zip_file),
        "missing": pack.missing,
    }
    found["signed_by"] = signer.key_id if signer else None
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    print(f"{len(pack.files)} files in {pack.folder}; open index.html there")
    print(f"{pack.zip_file}: sha256 {pack.sha256} (keep it separate from the file)")
    if signer:
        print(f"signed by the key {signer.key_id} (sha256 of the public key)")
    for one in pack.missing:
        print(f"missing: {one['what']}: {one['why']}")
    return 0


def _use_case(environment: Any, name: str) -> Any:
    """The use case as its file is now, or None where it is gone; a file with mistakes is an error."""
    from ft_platform.use_case.file import find_use_cases, load_use_case

    folder = next((folder for folder in find_use_cases(environment.defs) if folder.name == name), None)
    return load_use_case(folder, environment=environment) if folder else None
