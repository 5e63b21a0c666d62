"""ft feedback and ft traffic --forget, on a small real lake."""

import io
import json
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.governance.feedback_releases import feedback_releases
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import at_this_machine
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.monitoring.traffic.served import Served, text

REASON = ["--reason", "looked at them together"]
pytestmark = pytest.mark.integration


@pytest.fixture
def served(environment: Environment, quick_stages: None, monkeypatch: pytest.MonkeyPatch) -> Served:
    made = Served(environment)
    write_use_case(environment.defs, "tests", made.attributes)
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    for name in ("FT_ENVIRONMENT", "FT_PSEUDONYM_KEY"):
        monkeypatch.delenv(name, raising=False)
    return made


def ft(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_person_sees_what_waits_releases_it_and_takes_it_back(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.ask(1, text(1))
    served.ask(2, text(2), label="credit card")
    (batch,) = ft(capsys, "feedback", "tests")["waiting"]
    assert {name: batch[name] for name in ("records", "agree", "labels")} == {
        "records": 2,
        "agree": 1,
        "labels": {"credit card": 1, "mortgage": 1},
    }
    assert cli.main(["feedback", "tests"]) == 0
    shown = capsys.readouterr().out
    assert batch["batch"] in shown and "50%" in shown and "word" not in shown
    assert cli.main(["feedback", "tests", "--release", batch["batch"]]) == 1
    assert "--reason" in capsys.readouterr().err and not feedback_releases(served.lake, "tests")
    after = ft(capsys, "feedback", "tests", "--release", batch["batch"], *REASON, "--by", "Ana Ruiz")
    (released,) = after["released"]
    assert not after["waiting"] and (released["by"], released["records"]) == ("Ana Ruiz", 2)
    again = ft(capsys, "feedback", "tests", "--revoke", released["release"], *REASON)
    assert again["released"][0]["revoked"] and again["released"][0]["records"] == 0
    assert cli.main(["feedback", "tests", "--revoke", "feedback-000000000000", *REASON]) == 1
    said = [(one.kind, one.what, one.person) for one in AuditLog(served.lake).entries() if one.kind == "evidence"]
    assert said == [
        ("evidence", "released feedback for training", "ana ruiz"),
        ("evidence", "took back released feedback", at_this_machine().name),
    ]


def test_feedback_that_cannot_be_noted_is_not_released(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.ask(1, text(1))
    (batch,) = ft(capsys, "feedback", "tests")["waiting"]
    note(served.lake, "tests", "login", "signed in")
    (AuditLog(served.lake).home / "head.json").unlink()
    assert cli.main(["feedback", "tests", "--release", batch["batch"], *REASON]) == 1
    assert "nothing that has to be noted happens" in " ".join(capsys.readouterr().err.split())
    assert not feedback_releases(served.lake, "tests") and not served.tables.read("released").num_rows


def test_a_person_is_forgotten_with_the_id_on_standard_input(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.ask(1, text(1))
    monkeypatch.setattr("sys.stdin", io.StringIO("caller1\n"))
    assert ft(capsys, "traffic", "tests", "--forget", "-") == {"requests": 1, "tainted": []}
    assert not served.tables.read("texts").num_rows
