"""Python's collector of cycles while a server starts."""

import gc

import pytest

from ft_platform.serving.starting import without_collector


def test_the_collector_rests_while_a_server_starts_and_works_afterwards() -> None:
    before = gc.get_freeze_count()
    kept = [[] for _ in range(10)]
    with without_collector():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)
    gc.unfreeze()


def test_a_start_that_fails_leaves_the_collector_on() -> None:
    with pytest.raises(ValueError, match="no release"), without_collector():
        raise ValueError("no release")
    assert gc.isenabled()
    gc.unfreeze()
