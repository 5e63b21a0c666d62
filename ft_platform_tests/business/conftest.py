"""One evaluated tiny use case for all tests of this folder."""

import pytest

from ft_platform_tests.evaluation.tiny_case import TinyCase, tiny_case


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("roi"), "classification")


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("roi-generation"), "generation")
