"""No assertion of the tests says less than it seems to: `assert a, b == c` compares nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def hollow_assertions(source: str) -> Iterator[int]:
    """Lines of assertions whose message makes a comparison, and of those that are always true: a tuple, a constant."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            always = isinstance(node.test, ast.Tuple | ast.JoinedStr) or (
                isinstance(node.test, ast.Constant) and bool(node.test.value)
            )
            if always or (isinstance(node.msg, ast.Compare | ast.BoolOp)):
                yield node.lineno


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("assert a, b == c", [1]),
        ("assert a, b.error and c == d", [1]),
        ("\\nassert (a, b == c)", [2]),
        ("assert 'always'", [1]),
        ("assert f'{a}'", [1]),
        ("assert a == b, c", []),
        ("assert a, f'{b == c}'", []),
        ("assert a, (b if c == d else e)", []),
        ("assert False, 'never reached'", []),
    ],
)
def test_an_assertion_that_compares_in_its_message_is_seen(source: str, lines: list[int]) -> None:
    assert list(hollow_assertions(source.replace("\\n", "\n"))) == lines


def test_every_assertion_of_the_tests_asserts_what_it_compares() -> None:
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 500
    found = [
        f"{file.relative_to(TESTS)}:{line}"
        for file in files
        for line in hollow_assertions(file.read_text(encoding="utf-8"))
    ]
    assert found == []
