"""One file per command of `ft`, and `terminal.py`, what several of them show.

At module level commands import the standard library and this file only: `ft --help` must answer at once.
"""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment


def count(text: str) -> int:
    """The type of an argument that counts something: a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number, 1 or more")
    return int(text)


MESSAGE_LINES = 5
MESSAGE_CHARACTERS = MESSAGE_LINES * 120
"""What an error may have on a terminal."""


def shortened(text: str) -> str:
    """A message of at most five lines on a terminal of 120 columns; its end, which says what to do, stays."""
    if len(text) <= MESSAGE_CHARACTERS:
        return text
    start, end = text[: MESSAGE_CHARACTERS * 2 // 3], text[-(MESSAGE_CHARACTERS // 3 - 5) :]
    return f"{start.rsplit(' ', 1)[0]} ... {end.split(' ', 1)[-1]}"


def use_case_and_json(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that shows something of one use case."""
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def changed_settings(parser: argparse.ArgumentParser, meaning: str = "change one setting; may be repeated") -> None:
    """`--set`, whose values `use_case.file.parse_overrides` reads from `overrides`."""
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="overrides", help=meaning)


def opened(name: str) -> "tuple[Environment, NamedUseCase, Lake]":
    """The environment, a use case of it, and its lake."""
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    use_case = load_use_case(use_case_folder(environment.defs, name), environment=environment)
    return environment, use_case, open_lake(environment)
