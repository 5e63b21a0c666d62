"""`ft retention sweep` judges all versions by date and ledger, and says what it marked. Persons are fictitious."""

import json

import pytest
import yaml

from ft_platform import cli
from ft_platform.governance.taint import tainted_now
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.governance.house import House, rows, today

STAGES = ["permitted_records", "cleaned_records", "anonymized_records", "splits", "adapter_checkpoint"]


@pytest.fixture
def installation(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FT_ENVIRONMENT", raising=False)
    monkeypatch.delenv("FT_PSEUDONYM_KEY", raising=False)
    # Set first, so that it is put back as it was: commands set it, perhaps of a test before.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    return environment


def with_ledger(environment: Environment, name: str) -> House:
    house = House(environment, ledger=True, expires=True, name=name)
    write_use_case(environment.defs, name, house.attributes)
    house.write(rows(3, expires={0: today(5)}))
    house.write_ledger(p0="yes", p1="yes", p2="yes")
    house.build()
    return house


def swept(capsys: pytest.CaptureFixture, *words: str, code: int = 0) -> dict:
    assert cli.main(["retention", "sweep", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_it_marks_what_a_withdrawal_touches_in_every_use_case(installation, capsys):
    letters, claims = with_ledger(installation, "letters"), with_ledger(installation, "claims")
    assert all(one["tainted"] == [] for one in swept(capsys)["sweeps"])
    letters.write_ledger(p0="yes", p1="withdrawn", p2="yes")
    found = swept(capsys)
    assert [(one["use_case"], len(one["tainted"])) for one in found["sweeps"]] == [("claims", 0), ("letters", 5)]
    tainted = found["sweeps"][1]["tainted"]
    assert [one["stage"] for one in tainted] == STAGES
    assert all(one["rows"] == 1 and one["reasons"] == {"consent_withdrawn": 1} for one in tainted)
    assert len(tainted_now(letters.lake, "letters")) == 5 and tainted_now(claims.lake, "claims") == []
    assert cli.main(["retention", "sweep", "letters"]) == 0
    shown = capsys.readouterr().out
    assert "5 tainted, 0 cleared" in shown and "consent_withdrawn 1" in shown and "p1" not in shown
    letters.write_ledger(p0="yes", p1="yes", p2="yes")
    assert len(swept(capsys, "letters")["sweeps"][0]["cleared"]) == 5


def test_it_looks_ahead_without_marking(installation, capsys):
    house = with_ledger(installation, "letters")
    assert swept(capsys, "letters", "--day", today(5), "--dry-run")["sweeps"][0]["tainted"] == []
    found = swept(capsys, "letters", "--day", today(6), "--dry-run")["sweeps"][0]
    assert [one["reasons"] for one in found["tainted"]] == [{"expired": 1}] * 5 and not found["marked"]
    assert tainted_now(house.lake, "letters") == []
    assert "is in the future" in swept(capsys, "--day", today(6), code=1)["failed"]["letters"]


@pytest.mark.integration
def test_one_broken_use_case_does_not_keep_the_marks_from_the_others(installation, capsys):
    letters, claims = with_ledger(installation, "letters"), with_ledger(installation, "claims")
    letters.write_ledger(p0="yes", p1="withdrawn", p2="yes")
    claims.ledger_file.unlink()
    file = installation.defs / "broken" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({"type": "nothing"}))
    found = swept(capsys, code=1)
    assert [one["use_case"] for one in found["sweeps"]] == ["letters"] and set(found["failed"]) == {"claims", "broken"}
    assert len(tainted_now(letters.lake, "letters")) == 5
    assert cli.main(["retention", "sweep", "claims"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "claims was not swept: governance.consent_ledger" in error


@pytest.mark.parametrize(
    ("words", "problem"),
    [(["--day", "tomorrow"], "must be a day as YYYY-MM-DD"), (["nothing_here"], "there is no use case 'nothing_here'")],
    ids=str,
)
def test_wrong_words_are_one_clear_line(installation, capsys, words, problem):
    try:
        code = cli.main(["retention", "sweep", *words])
    except SystemExit as stop:
        code = stop.code
    assert code == 1 and problem in capsys.readouterr().err
