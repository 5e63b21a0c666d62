"""ft vault: what a pseudonym stands for, for the holder of the vault key whose role allows it. Each look-up is noted
before its answer is printed."""

import argparse
import json
from typing import TYPE_CHECKING

from ft_platform.commands.looking import Viewing, add_look_arguments

if TYPE_CHECKING:
    from ft_platform.privacy.vault import Vault
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Look up what a pseudonym stands for, on a terminal (needs the vault key and the role; each look-up is noted), or"
    " list the look-ups."
)
EXAMPLES = [
    "ft vault init                                                               # make the vault key",
    "ft vault read complaint_routing '<PERSON_k3f9q2ab>' --by ana.ruiz@example.org --purpose request_of_a_person"
    " --reason 'Request 4711'    # prints the originals",
    "ft vault audit complaint_routing                                            # who looked up what, when and why",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="{init,rotate,read,audit}", required=True)
    actions.add_parser(
        "init", help="create the vault key if there is none, and write its public key, which use cases seal with"
    )
    actions.add_parser("rotate", help=("add a new version of the vault key for everything that is sealed from now on"))
    read = actions.add_parser("read", help="print what a pseudonym or surrogate stands for")
    read.add_argument("use_case")
    read.add_argument("pseudonym", help="as in the table, e.g. '<PERSON_k3f9q2ab>' or subject_k3f9q2ab7c5d4efg")
    add_look_arguments(read)
    read.add_argument("--json", action="store_true", help="print JSON")
    audit = actions.add_parser("audit", help="list all look-ups, oldest first, without originals")
    audit.add_argument("use_case")
    audit.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.use_case.environment import load_environment

    return ACTIONS[arguments.action](load_environment(), arguments)


def _init(environment: "Environment", _arguments: argparse.Namespace) -> int:
    from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note
    from ft_platform.privacy.vault import VaultKeys, new_vault_ring, write_public_key

    place = vault_key_place(environment)
    provider = place.open()
    made = provider.read() is None
    if made:
        VaultKeys(ring := new_vault_ring())  # before anything is written: is the package there?
        note(open_lake(environment), "", "key", "made the vault key", kept=provider.where)
        provider.write(ring.to_text())
    write_public_key(environment.vault_public_key_path, VaultKeys(read_key_ring(place)).public)
    print(
        f"vault key     {provider.where}"
        f" ({'created: move it to the machine or account of the role that may read' if made else 'already existed'})"
    )
    print(
        f"public half   {environment.vault_public_key_path} (use cases with `privacy.vault: true` seal with it; it"
        " cannot read)"
    )
    return 0


def _rotate(environment: "Environment", _arguments: argparse.Namespace) -> int:
    from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note
    from ft_platform.privacy.vault import VaultKeys, write_public_key

    place = vault_key_place(environment)
    rotated = read_key_ring(place).rotated()
    keys = VaultKeys(rotated)
    note(open_lake(environment), "", "key", "rotated the vault key", version=rotated.newest)
    place.open().write(rotated.to_text())
    write_public_key(environment.vault_public_key_path, keys.public)
    print(
        f"version {rotated.newest} of the vault key seals from now on. Older versions still open what was sealed for"
        " them."
    )
    return 0


def _read(environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import KeyMissing
    from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
    from ft_platform.people.looks.look import VAULT
    from ft_platform.privacy.vault import VaultKeys

    vault = _vault(environment, arguments.use_case)
    viewing = Viewing(arguments, environment, vault.lake, arguments.use_case, VAULT, VAULT, 1)
    try:
        keys = VaultKeys(read_key_ring(vault_key_place(environment)))
    except KeyMissing:
        keys = None
    next(viewing.pages([arguments.pseudonym], str))
    originals = vault.read(arguments.pseudonym, keys, viewing.reason, viewing.person.name)
    if arguments.json:
        print(json.dumps({"pseudonym": arguments.pseudonym, "originals": originals}, indent=1, ensure_ascii=False))
    else:
        print(
            "\n".join(originals)
            if originals
            else f"no vault of {arguments.use_case} contains this pseudonym (the look-up was noted)"
        )
    return 0 if originals else 1


def _audit(environment: "Environment", arguments: argparse.Namespace) -> int:
    notes = _vault(environment, arguments.use_case).notes()
    if arguments.json:
        print(json.dumps(notes, indent=1, ensure_ascii=False))
    else:
        for note in notes:
            print(f"{note['at'][:19]}  {note['by']:12}  {note['pseudonym']:28}  {note['outcome']:24}  {note['reason']}")
        print(f"{len(notes)} look-up(s)")
    return 0


def _vault(environment: "Environment", use_case: str) -> "Vault":
    """The vault of a use case, also of one that has left the folder of the use cases.

    Raises:
        ConfigError: there is none.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.privacy.vault import Vault, use_cases_with_vault

    lake = open_lake(environment)
    names = use_cases_with_vault(lake)
    if use_case not in names:
        problem = f"there is no vault of {use_case!r}; there are {', '.join(names) or 'none'}"
        raise ConfigError([problem], "Use cases with `privacy.vault: true` have one")
    return Vault(lake, use_case)


ACTIONS = {"init": _init, "rotate": _rotate, "read": _read, "audit": _audit}
