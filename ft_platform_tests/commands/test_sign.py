"""`ft sign`: what people type, and what it prints. Who may: tests of `release.signatures`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.release.test_signatures import ANA, BO, REASON, TOM, Case, stale


class Sign:
    """The command, on a lake with a decision; its runs of the asset `sign_off`."""

    def __init__(self, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
        self.case, self.capsys = case, capsys
        self.runs: list[list[str]] = []
        self.environment = Environment(home=case.home)

    def __call__(self, *words: str, by: str = "") -> str:
        """What it prints where it succeeds, else the error."""
        code = cli.main(["sign", "complaints", *(["--by", by] if by else []), *words])
        out = self.capsys.readouterr()
        assert (code == 0) == (out.err == ""), out.err
        return out.out or out.err

    def run(self, name: str, overrides: None, select: list[str], environment: Environment) -> RunOutcome:
        self.runs.append(select)
        return RunOutcome(success=True)


@pytest.fixture
def sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sign:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    case = Case(tmp_path).decided()
    made = Sign(case, capsys)
    monkeypatch.setattr("ft_platform.commands.sign.opened", lambda _: (made.environment, case.use_case, case.lake))
    monkeypatch.setattr("ft_platform.cli._become_account", lambda _: None)
    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", made.run)
    return made


def test_it_says_who_has_signed_and_who_may_and_then_what_comes_next(sign: Sign) -> None:
    assert f"still needed: compliance has not signed ({ANA} may sign); domain_expert" in sign() and sign.runs == []
    said = sign(by=ANA)
    assert f"{ANA} approved {sign.case.decision.id} as compliance (self-declared)" in said
    assert sign.runs == [["sign_off"]], "the graph shows it"
    assert "next: ft release complaints" in sign(by=TOM)
    found = json.loads(sign("--json"))
    assert found["lacking"] == [] and {one["state"] for one in found["roles"]} == {"signed"}


def test_a_rejection_is_shown_with_its_reason_and_taken_back(sign: Sign) -> None:
    said = sign("--reject", "--reason", REASON, by=ANA)
    assert f"rejected {sign.case.decision.id}" in said and REASON in said
    statement = said.partition(":")[0]
    assert f"--take-back {statement}" in sign(by=ANA)
    assert "is taken back" in sign("--take-back", statement, "--reason", REASON, by=ANA)
    assert "compliance         waiting" in sign()


def test_a_decision_that_does_not_hold_any_more_is_not_offered(sign: Sign) -> None:
    stale(sign.case)
    said = sign()
    assert f"nothing to sign: {sign.case.decision.id} release no longer accepted: " in said
    assert "still needed" not in said and "ft release" not in said
    assert "release no longer accepted" in sign(by=ANA) and sign.runs == []
    assert json.loads(sign("--json"))["standing"] == "release no longer accepted"


def test_where_persons_sign_in_without_passwords_it_says_where_to_sign(sign: Sign) -> None:
    signatures = Signatures(approvals=["compliance"], signed_in=True)
    policy = Policy(name="ours", signatures=signatures)
    sign.environment = sign.environment.model_copy(update={"policy": policy})
    said = sign(by=ANA)
    assert "only persons who signed in count here" in said and "do it there (ft ui)" in said


def test_a_delegation_names_role_and_last_day(sign: Sign) -> None:
    until = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    assert f"{BO} may sign as compliance until {until}" in sign("--delegate-to", BO, "--until", until, by=ANA)
    assert f"{BO} approved" in sign(by=BO)


@pytest.mark.parametrize(
    ("words", "by", "says"),
    [
        (("--reject", "--reason", REASON), "", "--by is needed"),
        (("--delegate-to", BO), ANA, "--until is needed"),
        (("--decision", "decision-none"), ANA, "has no such decision"),
        (("--reject",), ANA, "the reason must have"),
        (("--as", "accountable"), ANA, "not of accountable"),
        ((), "eve@example.org", "only the"),
    ],
)
def test_what_is_wrong_is_said(sign: Sign, words: tuple[str, ...], by: str, says: str) -> None:
    assert says in sign(*words, by=by) and sign.runs == []
