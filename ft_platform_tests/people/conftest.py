"""Fixtures of the tests of the audit log."""

from pathlib import Path

import pytest

from ft_platform.people.audit_log import log
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.people.logs import SEGMENT, opened, released


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(log, "SEGMENT", SEGMENT)
    return Environment(home=tmp_path / "home")


@pytest.fixture
def audit_log(home: Environment) -> AuditLog:
    """20 entries, the first made by the log itself, in 3 files."""
    found = opened(home)
    for number in range(1, 20):
        found(released(number))
    return found
