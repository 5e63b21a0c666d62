"""Fixtures of the tests of permission."""

import pytest

from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.governance.house import House


@pytest.fixture
def house(environment: Environment, quick_stages: None) -> House:
    """A lake whose records state the consent themselves."""
    return House(environment)


@pytest.fixture
def ledger_house(environment: Environment, quick_stages: None) -> House:
    """A lake whose ledger states the consent."""
    return House(environment, ledger=True)
