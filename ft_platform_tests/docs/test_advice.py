"""Advice that is printed can be typed: every `ft <command> ...` in a text of the package is one that `ft`
understands."""

import argparse
import ast
import re
import shlex
from pathlib import Path

import pytest

import ft_platform
from ft_platform import cli

PACKAGE = Path(ft_platform.__file__).parent
SAID = re.compile(r"(?<![\w-])ft (?!ft )([a-z][a-z-]*(?: (?:(?!\. |: )[^`\"'\n;,()&|])*)?)")
STANDS_FOR = "1"
"""In place of what a text fills in."""


def texts(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and text of every string of a module but its docstrings; what an f-string fills in is `{}`."""
    documented = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts: set[ast.AST] = set()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= set(node.values)
            filled = [one.value if isinstance(one, ast.Constant) else "{}" for one in node.values]
            found.append((node.lineno, "".join(map(str, filled))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented | parts:
            found.append((node.lineno, node.value))
    return found


def advice() -> list[tuple[str, str]]:
    """Place and command of everything that looks like one."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for said in SAID.finditer(text):
                before = text[: said.start()].rstrip()
                typed = "typed" if before.endswith(":") else "named"
                found.append((f"{path.relative_to(PACKAGE)}:{line} {typed}", said[0].rstrip(" .")))
    return found


def parser_of(words: list[str], parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser of the deepest command that the words name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return parser_of(words[1:], action.choices[words[0]]) if words and words[0] in action.choices else parser
    return parser


ADVICE = advice()


def test_every_command_that_a_text_names_is_there_with_its_options() -> None:
    root, wrong = cli.build_parser(), []
    for place, command in ADVICE:
        words = [word.rstrip(".") for word in command.split()[1:]]
        parser = parser_of(words, root)
        options = {option for action in parser._actions for option in action.option_strings}
        missing = [word for word in words if word.startswith("--") and word.split("=")[0] not in options]
        if parser is root or missing:
            wrong.append(f"{place}: {command}" + (f" has no {missing}" if missing else ""))
    assert wrong == [] and len(ADVICE) > 500


def refusal(root: argparse.ArgumentParser, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Why `ft` does not take a command, or the command without words of the sentence behind it; empty: it does."""
    first = ""
    for length in range(len(words), 0, -1):
        if any(word.startswith("--") for word in words[length:]):
            break
        try:
            root.parse_args(words[:length])
        except SystemExit as end:
            said = capsys.readouterr().err
            if not end.code or f"invalid choice: '{STANDS_FOR}'" in said:  # a name that is filled in
                return ""
            first = first or said.strip()
        else:
            return ""
    return first


def test_every_command_that_a_person_is_told_to_type_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    root, wrong = cli.build_parser(), []
    for place, command in ADVICE:
        if not place.endswith("typed"):
            continue
        words = shlex.split(re.sub(r"\{[^}]*\}|<[^>]*>|\.\.\.", STANDS_FOR, command))[1:]
        if problem := refusal(root, [word.rstrip(".:") for word in words], capsys):
            wrong.append(f"{place}: {command}: {problem}")
    assert wrong == []
