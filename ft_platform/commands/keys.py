"""ft keys: the versions of the pseudonym key. Prints numbers and places, never a key."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.lake.keys.key_ring import KeyRing
    from ft_platform.lake.keys.providers import KeyPlace
    from ft_platform.use_case.settings.environment import Environment

HELP = "List, create, rotate, retire or copy the pseudonym key. Prints version numbers and places, never a key."
EXAMPLES = [
    "ft keys list",
    "ft keys rotate                                   # the next run makes new pseudonyms",
    "ft keys retire 1                                 # nobody can link the pseudonyms of version 1 after that",
    "ft keys copy --to aws_secrets_manager:ft/keys    # then set FT_KEY_PROVIDER to the same value",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="{list,create,rotate,retire,copy}", required=True)
    actions.add_parser("list", help="versions, and where they are kept").add_argument(
        "--json", action="store_true", help="print JSON"
    )
    actions.add_parser("create", help="make the first version, if there is none")
    actions.add_parser("rotate", help="add a new version, which the next run uses; older versions stay")
    actions.add_parser("retire", help="delete an old version for good").add_argument(
        "version", type=int, help="number, as shown by `ft keys list`"
    )
    copy = actions.add_parser("copy", help="write all versions to another key provider")
    copy.add_argument(
        "--to",
        required=True,
        metavar="PROVIDER",
        help="`file`, `aws_kms:<key id>` or `aws_secrets_manager:<secret id>`",
    )
    copy.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="file, for providers that use one (default: this installation's, in place)",
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.use_case.environment import load_environment

    return ACTIONS[arguments.action](load_environment(), arguments)


def _list(environment: "Environment", arguments: argparse.Namespace) -> int:
    place, ring = _ring(environment)
    found: list[dict[str, Any]] = [
        {"version": n, "state": "newest" if n == ring.newest else "kept"} for n in sorted(ring.keys)
    ]
    found += [{"version": n, "state": f"retired on {day}"} for n, day in ring.retired.items()]
    found.sort(key=lambda one: one["version"])
    if arguments.json:
        print(json.dumps({"where": place.open().where, "versions": found}, indent=1))
        return 0
    print(f"kept in {place.open().where}")
    for one in found:
        print(f"version {one['version']:<4} {one['state']}")
    return 0


def _create(environment: "Environment", _arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.keys.key_ring import KeyRing, pseudonym_key_place

    provider = pseudonym_key_place(environment).open()
    if provider.read() is not None:
        raise ConfigError([f"{provider.where} already has a key"], "To make a new version: ft keys rotate")
    _note(environment, "made the pseudonym key", kept=provider.where)
    provider.write(KeyRing({}).rotated().to_text())
    print(
        f"version 1 is kept in {provider.where}. Keep a copy in a safe place: without it, new records cannot get the"
        " pseudonyms of old ones."
    )
    return 0


def _rotate(environment: "Environment", _arguments: argparse.Namespace) -> int:
    place, ring = _ring(environment)
    rotated = ring.rotated()
    _note(environment, "rotated the pseudonym key", version=str(rotated.newest))
    place.open().write(rotated.to_text())
    print(
        f"version {rotated.newest} is now the newest. The next run of each use case with `privacy.key_version: 0` makes"
        " new pseudonyms with it;"
    )
    print("earlier versions of the tables keep theirs. Keep a copy of the key in a safe place.")
    return 0


def _retire(environment: "Environment", arguments: argparse.Namespace) -> int:
    place, ring = _ring(environment)
    left = ring.without(arguments.version)
    _note(environment, "retired a version of the pseudonym key", version=str(arguments.version))
    place.open().write(left.to_text())
    print(f"version {arguments.version} is deleted: nobody can make or link its pseudonyms now. Delete its copies too.")
    return 0


def _copy(environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.keys.key_ring import read_key_ring

    place, ring = _ring(environment)
    target = replace(place, provider=arguments.to, file=arguments.file or place.file)
    in_place = target.file == place.file and _uses_file(place.provider) and _uses_file(target.provider)
    provider = target.open()
    if not in_place and provider.read() is not None and read_key_ring(target) != ring:
        raise ConfigError(
            [f"{provider.where} contains a different key"], "Choose another place, or delete that key first"
        )
    _note(environment, "copied the pseudonym key", to=provider.where)
    provider.write(ring.to_text())
    if read_key_ring(target) != ring:
        raise ConfigError(
            [f"{provider.where} returned a different key from the one written"], ("Restore the key from your copy")
        )
    print(f"{len(ring.keys)} version(s) are kept in {provider.where}.")
    print(
        f"Use them with: FT_KEY_PROVIDER={arguments.to}"
        + (f" FT_KEY_FILE={target.file}" if _uses_file(arguments.to) else "")
    )
    return 0


def _ring(environment: "Environment") -> "tuple[KeyPlace, KeyRing]":
    from ft_platform.lake.keys.key_ring import pseudonym_key_place, read_key_ring

    place = pseudonym_key_place(environment)
    return place, read_key_ring(place)


def _note(environment: "Environment", what: str, **details: str) -> None:
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note

    note(open_lake(environment), "", "key", what, **details)


def _uses_file(provider: str) -> bool:
    return provider.partition(":")[0] in ("file", "aws_kms")


ACTIONS = {"list": _list, "create": _create, "rotate": _rotate, "retire": _retire, "copy": _copy}
