"""A use case whose file is gone is found, and erased by whoever has a role in the whole installation. Persons are
fictitious."""

import json
import shutil

import pytest
import yaml

from ft_platform import cli
from ft_platform.erasure.gone import gone_use_cases
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.erasure.test_whole import ANA, BO, ft, house  # noqa: F401

CEM, DEE = "cem@example.org", "dee@example.org"


@pytest.fixture
def without_file(house, tmp_path, monkeypatch):  # noqa: F811
    shutil.rmtree(house.environment.defs / "letters")
    file = tmp_path / "ft_environment.yaml"
    file.write_text(yaml.safe_dump({"people": {"roles": {"compliance": [CEM, DEE]}}}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    return house


def test_it_is_found_and_erased_and_what_is_left_verifies(without_file, capsys):
    home = without_file.environment.home
    assert "letters: 1 records" in ft(capsys, "subject", PERSON, "--dry-run")
    words = ["request", PERSON, "--reason", "Letter of 3 March", "--by", CEM, "--json"]
    (request,) = json.loads(ft(capsys, *words))
    ft(capsys, "approve", request["id"], "--by", DEE)
    found = json.loads(ft(capsys, "subject", PERSON, "--json"))
    assert (found["rows"], found["checkpoints"], found["bytes_found_after"]) == (6, 1, 0) and found["certificate"]
    assert bytes_below(home, PERSON) == 0 and inspect(open_lake(without_file.environment), "letters").problems == []


def test_nobody_who_was_an_owner_may_ask_or_approve(without_file, capsys):
    words = ["request", "letters", PERSON, "--reason", "Letter of 3 March", "--json"]
    assert "may" in ft(capsys, *words, "--by", ANA, fails=1)
    request = json.loads(ft(capsys, *words, "--by", CEM))[0]["id"]
    assert "may" in ft(capsys, "approve", "letters", request, "--by", BO, fails=1)
    assert "asked for it" in ft(capsys, "approve", "letters", request, "--by", CEM, fails=1)


def test_a_use_case_with_a_file_is_not_gone_and_a_wrong_file_is_told(house, capsys):  # noqa: F811
    lake = open_lake(house.environment)
    (house.environment.home / "lake" / "shared" / "No use case").mkdir()
    assert gone_use_cases(lake, house.environment) == []
    (house.environment.defs / "letters" / "defs.yaml").write_text("type: nothing")
    assert gone_use_cases(lake, house.environment) == []
    assert cli.main(["erase", "subject", PERSON, "--dry-run"]) == 0
    assert "letters is left out, because its file is wrong: ft check letters" in capsys.readouterr().err
    assert "the file of letters is wrong" in ft(capsys, "subject", "letters", PERSON, "--dry-run", fails=1)
