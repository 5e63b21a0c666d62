"""Who acts where the operating system has no name for the user, as in containers of OpenShift."""

import os
import pwd
import re

import pytest

from ft_platform.people.person import at_this_machine
from ft_platform.process.account import this_account
from ft_platform_tests.conftest import REPOSITORY

NOBODY_HAS_IT = 1_000_650_000  # the first of a range that OpenShift gives to a project
ASKS = re.compile(r"\bgetuser\(|\bgetpwuid\(|\bgetlogin\(")


def test_a_user_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: NOBODY_HAS_IT)
    with pytest.raises(KeyError):
        pwd.getpwuid(os.getuid())
    assert this_account() == at_this_machine().name == "uid 1000650000"


def test_nobody_gets_another_name_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert this_account() == pwd.getpwuid(os.getuid()).pw_name != "somebody-else"


def test_nothing_else_asks_for_a_name() -> None:
    """`getpass.getuser` raises where there is none."""
    asks = [path for path in (REPOSITORY / "ft_platform").rglob("*.py") if ASKS.search(path.read_text())]
    assert [path.name for path in asks] == ["account.py"]
