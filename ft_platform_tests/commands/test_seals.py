"""ft seals: what people see and do about signatures."""

import json
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.lake.test_seals import table, verdict_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("FT_HOME", str(tmp_path))
    for name in ("FT_LAKE_ROOT", "FT_ENVIRONMENT", "FT_SEALS_FOLDER", "FT_SIGNING_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return Environment(home=tmp_path)


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert cli.main(["seals", *words]) == code
    found = capsys.readouterr()
    return found.out + found.err


def test_an_altered_verdict_is_named_and_somebody_may_answer_for_it(
    home: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = open_lake(home)
    version = table(lake)
    lake.add_verdict(version, "no_leakage", True, "s")
    assert "legal: intact. 3 entries, 2 files, 1 tables, 0 folders" in told(capsys, "verify")
    verdict_file(lake, version).write_text("{}")
    [found] = json.loads(told(capsys, "verify", "legal", "--json", code=1))
    file = "shared/legal/verdicts/splits/splits-0/no_leakage.json"
    assert [problem.split(" since")[0] for problem in found["problems"]] == [f"{file} was altered"]
    assert "--by must name a person" in told(capsys, "accept", "legal", file, code=1)
    assert "is not signed" in told(
        capsys,
        "accept",
        "legal",
        "shared/legal/nothing.json",
        "--by",
        "Ana Ruiz",
        "--reason",
        "a reason of some length",
        code=1,
    )
    told(capsys, "accept", "legal", file, "--by", "Ana Ruiz", "--reason", "damaged when the disk broke")
    assert "intact" in told(capsys, "verify")


def test_a_lake_from_before_is_signed_once_and_a_second_time_needs_a_person(
    home: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    table(Lake(home.lake_uri))
    assert "was written before its versions were signed" in told(capsys, "verify", code=1)
    assert "1 files of legal are signed: 1 tables" in told(capsys, "adopt", "legal")
    assert "is already signed" in told(capsys, "adopt", "legal", code=1)
    assert "1 signed afterwards" in told(capsys, "verify")


def test_keys_are_shown_rotated_and_reported_stolen(home: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no signing key yet" in told(capsys, "keys")
    table(open_lake(home))
    [first] = json.loads(told(capsys, "keys", "--json"))["keys"]
    assert "version 2" in told(capsys, "rotate")
    assert "must be a time with an offset" in told(capsys, "stolen", first["key"], "--since", "yesterday", code=1)
    told(capsys, "stolen", first["key"], "--since", "2000-01-01T00:00:00+00:00")
    assert "stolen since 2000-01-01" in told(capsys, "keys")
    assert "signed by a key that was stolen" in told(capsys, "verify", code=1)
    private = home.signing_key_path.read_text()
    assert home.signing_key_path.stat().st_mode & 0o077 == 0 and private not in told(capsys, "keys", "--json")
