"""ft seals: the signatures of manifests, verdicts, waivers and decisions, and the keys that make them."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.lake.signing.keys import SigningKeys
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Verify what was signed in the lake, sign an older lake, take responsibility for a lost file, rotate the signing"
    " key, or write certificates."
)
EXAMPLES = [
    "ft seals verify                                  # every use case: chain, signatures, each file and row",
    "ft seals adopt complaint_routing                 # once, for a lake that was written before there were signatures",
    (
        'ft seals accept complaint_routing shared/complaint_routing/waiver/waiver-0a1b/manifest.json --by "Ana Ruiz"'
        ' --reason "Lost with disk 3"'
    ),
    "ft seals rotate                                  # a new signing key; what older ones signed still verifies",
    "ft seals stolen 0a1b2c3d4e5f6a7b --since 2027-03-01T00:00:00+00:00",
    "ft seals certificates public/                    # others need them to verify models of this installation",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(
        dest="action", metavar="{verify,adopt,accept,keys,rotate,stolen,certificates}", required=True
    )
    verify = actions.add_parser("verify", help="compare everything with what was signed")
    verify.add_argument("use_cases", nargs="*", help="use cases (default: all in the lake)")
    verify.add_argument("--json", action="store_true", help="print JSON")
    adopt = actions.add_parser(
        "adopt", help="compare a lake from before there were signatures with its hashes, and sign it once"
    )
    accept = actions.add_parser(
        "accept", help=("take responsibility for a signed file that was altered or lost; it no longer counts")
    )
    for parser_of in (adopt, accept):
        parser_of.add_argument("use_case", help="name of the use case (ft list)")
    accept.add_argument("file", help="as shown by `ft seals verify`")
    for parser_of in (adopt, accept):
        parser_of.add_argument(
            "--by",
            default="",
            help=("the person who takes responsibility (with adopt: if the folder of seals was lost)"),
        )
        parser_of.add_argument("--reason", default="", help="why; no personal data")
    actions.add_parser("keys", help="list the signing keys, public keys only").add_argument(
        "--json", action="store_true", help="print JSON"
    )
    actions.add_parser("rotate", help="make a new signing key, even if the old one is lost")
    stolen = actions.add_parser("stolen", help="report a key as stolen: what it signed since then no longer counts")
    stolen.add_argument("key", help="its id, as shown by `ft seals keys`")
    stolen.add_argument(
        "--since", required=True, metavar="MOMENT", help="ISO 8601 with an offset, e.g. 2027-03-01T00:00:00+00:00"
    )
    written = actions.add_parser(
        "certificates", help="write the certificates that others need to verify models of this installation"
    )
    written.add_argument(
        "folder", type=Path, help="folder for roots.pem (what to trust) and signers.pem; stolen keys are left out"
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.use_case.environment import load_environment

    return ACTIONS[arguments.action](load_environment(), arguments)


def _verify(environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.lake.inspection import inspect, signed_use_cases
    from ft_platform.lake.opening import open_lake

    lake = open_lake(environment)
    found = [inspect(lake, name, _tell) for name in arguments.use_cases or signed_use_cases(lake)]
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        for one in found:
            state = f"{len(one.problems)} problem{'s' * (len(one.problems) != 1)}" if one.problems else "intact"
            more = f", {one.adopted:,} signed afterwards" * bool(one.adopted) + f", {one.erased:,} erased" * bool(
                one.erased
            )
            print(
                f"{one.use_case}: {state}. {one.entries:,} entries, {one.files:,} files, {one.tables:,} tables,"
                f" {one.artifacts:,} folders{more}"
            )
            for problem in one.problems:
                print(f"  {problem}")
        if not found:
            print("nothing has been written to the lake yet")
    return 1 if any(one.problems for one in found) else 0


def _adopt(environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.inspection import adopt
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note

    lake = open_lake(environment)
    seals = lake.seals(arguments.use_case)
    assert seals is not None
    words = ""
    if lake.fs.exists(f"{lake.folder}/{seals.journal.name}") or seals.journal.head.read() is not None:
        if len(arguments.by.strip()) < 3 or len(arguments.reason.strip()) < 20:
            raise ConfigError(
                [
                    f"{arguments.use_case} is already signed; start a new chain only if its folder of seals or its"
                    " keys were lost"
                ],
                "Say who takes responsibility, and why in 20 characters or more: --by NAME --reason TEXT",
            )
        words = f"{arguments.by.strip()}: {arguments.reason.strip()}"
    told = {"reason": arguments.reason.strip()}
    note(lake, arguments.use_case, "evidence", "signed what lay in the lake", arguments.by.strip(), **told)
    found = adopt(lake, arguments.use_case, _tell, note=words)
    print(
        f"{found.files:,} files of {arguments.use_case} are signed: {found.tables:,} tables and {found.artifacts:,}"
        " folders were compared with their hashes."
    )
    return 0


def _accept(environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note

    lake = open_lake(environment)
    seals = lake.seals(arguments.use_case)
    assert seals is not None
    problems = []
    if arguments.file not in seals.paths():
        problems.append(f"{arguments.file} is not signed; see ft seals verify {arguments.use_case}")
    if len(arguments.by.strip()) < 3 or len(arguments.reason.strip()) < 20:
        problems.append("--by must name a person, and --reason must have 20 characters or more")
    if problems:
        raise ConfigError(problems)
    told = {"file": arguments.file, "reason": arguments.reason.strip()}
    note(lake, arguments.use_case, "evidence", "answered for a file that was altered or lost", arguments.by, **told)
    seals.remove(f"{lake.folder}/{arguments.file}", f"{arguments.by.strip()}: {arguments.reason.strip()}")
    print(f"{arguments.file} no longer counts; the chain of signatures says who takes responsibility.")
    return 0


def _keys(environment: "Environment", arguments: argparse.Namespace) -> int:
    found = [
        {"version": key.version, "key": key.key_id, "public": key.public, "stolen_since": key.stolen_since}
        for key in _of(environment).public.values()
    ]
    if arguments.json:
        print(json.dumps({"folder": str(environment.seals_path), "keys": found}, indent=1))
        return 0
    for one in found:
        print(
            f"version {one['version']:<3} {one['key']}  {one['public']}"
            + (f"  stolen since {one['stolen_since']}" if one["stolen_since"] else "")
        )
    if not found:
        print("there is no signing key yet: the first run creates it")
    return 0


def _rotate(environment: "Environment", _arguments: argparse.Namespace) -> int:
    from ft_platform.errors import KeyMissing
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note

    keys = _of(environment)
    try:
        _ = keys.newest
    except KeyMissing as error:  # nothing can be noted before there is a new one
        key = keys.rotate()
        note(open_lake(environment), "", "key", "replaced a signing key that cannot sign", because=error.message)
    else:
        note(open_lake(environment), "", "key", "rotated the signing key")
        key = keys.rotate()
    print(
        f"version {key.version} ({key.key_id}) signs from now on. What older keys signed still verifies: keep"
        f" {environment.seals_path}."
    )
    return 0


def _stolen(environment: "Environment", arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from ft_platform.errors import ConfigError
    from ft_platform.lake.inspection import signed_use_cases
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.files import FOLDER as AUDIT_LOG
    from ft_platform.people.audit_log.opening import audit_log_of, note

    try:
        since = datetime.fromisoformat(arguments.since)
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        raise ConfigError(
            [f"--since must be a time with an offset, e.g. 2027-03-01T00:00:00+00:00, got {arguments.since!r}"]
        )
    lake = open_lake(environment)
    if arguments.key in _of(environment).public:
        told = {"key": arguments.key, "since": since.isoformat()}
        note(lake, "", "key", "reported a signing key as stolen", **told)
    chains = [seals for name in signed_use_cases(lake) if (seals := lake.seals(name)) and seals.exists()]
    newest = {seals.journal.name: len(seals.journal.entries()) - 1 for seals in chains}
    if head := audit_log_of(lake).head():
        newest[AUDIT_LOG] = head.entries - 1
    _of(environment).report_stolen(arguments.key, since.astimezone(UTC).isoformat(timespec="seconds"), newest)
    print(
        f"What {arguments.key} signed since {arguments.since} no longer counts. Make a new key (ft seals rotate),"
        " then run: ft seals verify"
    )
    return 0


def _certificates(environment: "Environment", arguments: argparse.Namespace) -> int:
    from fsspec.implementations.local import LocalFileSystem

    from ft_platform.errors import ConfigError
    from ft_platform.lake.files import write_bytes

    trusted = [key for key in reversed(_of(environment).public.values()) if key.root and not key.stolen_since]
    if not trusted:
        raise ConfigError(
            ["no signing key of this installation has certificates that can be trusted"],
            "The next run creates them; after a theft: ft seals rotate",
        )
    for name, texts in {
        "roots.pem": [key.root for key in trusted],
        "signers.pem": [key.leaf for key in trusted],
    }.items():
        write_bytes(LocalFileSystem(), str(arguments.folder / name), "".join(texts).encode())
    print(
        f"{arguments.folder} has the certificates of version {', '.join(str(key.version) for key in trusted)}. Whoever"
        " verifies models needs roots.pem."
    )
    return 0


def _of(environment: "Environment") -> "SigningKeys":
    from ft_platform.lake.signing.opening import signing_keys_of

    return signing_keys_of(environment)


def _tell(what: str) -> None:
    """Progress, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="\r", file=sys.stderr, flush=True)


ACTIONS = {
    "verify": _verify,
    "adopt": _adopt,
    "accept": _accept,
    "keys": _keys,
    "rotate": _rotate,
    "stolen": _stolen,
    "certificates": _certificates,
}
