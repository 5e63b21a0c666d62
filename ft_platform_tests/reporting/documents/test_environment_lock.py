"""The environment lock: what pip reads, or nothing where the checkpoint did not note its packages."""

import dataclasses

import pytest

from ft_platform.reporting.documents import environment_lock
from ft_platform.reporting.documents.facts import NotKnown
from ft_platform_tests.reporting.documents.made import facts


def test_pip_reads_every_line() -> None:
    from packaging.requirements import Requirement

    head, *lines = environment_lock.make(facts()).splitlines()
    assert "Python 3.11.7" in head and head.startswith("# adapter_checkpoint-1")
    assert [str(Requirement(line)) for line in lines] == ["numpy==2.4.6", "torch==2.13.0", "typing-extensions==4.15"]


def test_a_checkpoint_that_did_not_note_its_packages_has_no_lock() -> None:
    with pytest.raises(NotKnown, match="did not note which packages"):
        environment_lock.make(dataclasses.replace(facts(), read=lambda *_: None))
