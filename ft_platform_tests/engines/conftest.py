from collections.abc import Iterator
from pathlib import Path

import pytest

from ft_platform_tests.engines.spark_sessions import session_in


@pytest.fixture(scope="session")
def spark_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A session of Spark in this process, and where its event log and local files are."""
    yield from session_in(tmp_path_factory.mktemp("spark"))
