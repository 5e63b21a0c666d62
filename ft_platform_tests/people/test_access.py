"""Access on request: who asks, who decides, what it gives, and when it ends. Persons are fictitious."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.errors import ConfigError, DataError, FtError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.people import access
from ft_platform.people.access import DECLINED, GRANTED, LOOK, Request, requests
from ft_platform.people.actions import ACTIONS
from ft_platform.people.loading import CurrentPermissions, permissions_of
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person, named
from ft_platform.people.statements import FILE
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.conftest import minimal_attributes, write_use_case

TODAY = datetime.now(UTC).date()
MARIA, ADA, BO, TOM = (f"{name}@example.org" for name in ("maria.lind", "ada", "bo.lund", "tom.okafor"))
"""Accountable, administrator, nobody, domain expert."""
PURPOSE = "Cover for Dana in March"


@dataclass
class Desk:
    """An installation with the use cases `letters` and `claims`.

    Attributes:
        noted: what the audit log was told.
    """

    environment: Environment
    lake: Lake
    noted: list[Noted] = field(default_factory=list)

    @property
    def permissions(self) -> Permissions:
        return permissions_of(self.environment)

    @property
    def letters(self) -> NamedUseCase:
        return self.permissions.use_cases["letters"]

    def ask(self, person: str | Person = BO, what: str = "data_science", days: int = 30, **words: Any) -> Request:
        who = person if isinstance(person, Person) else named(person)
        given = {"purpose": PURPOSE, "until": TODAY + timedelta(days=days), "today": TODAY, **words}
        return access.ask(self.lake, self.letters, who, self.permissions, self.noted.append, what=what, **given)

    def decide(self, request: Request, person: str = MARIA, says: str = GRANTED, **words: Any) -> Request:
        who = (named(person), self.permissions, self.noted.append)
        return access.decide(self.lake, self.letters, request.id, *who, says=says, today=TODAY, **words)

    def end(self, request: Request, person: str = MARIA) -> Request:
        who = (named(person), self.permissions, self.noted.append)
        return access.end(self.lake, self.letters, request.id, *who, reason="Dana is back", today=TODAY)

    def may(self, action: str, use_case: str | None = "letters", person: str | Person = BO) -> bool:
        return bool(self.permissions.may(person if isinstance(person, Person) else named(person), action, use_case))


@pytest.fixture
def desk(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Desk:
    environment = environment.model_copy(update={"people": People(roles={"administrator": [ADA]})})
    for name in ("letters", "claims"):
        owners = {"accountable": MARIA, "domain_expert": TOM}
        write_use_case(environment.defs, name, {**minimal_attributes("x.csv"), "owners": owners})
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    return Desk(environment, open_lake(environment))


def test_a_granted_role_lets_a_person_do_its_work_there_and_nowhere_else(desk: Desk) -> None:
    asked = desk.ask()
    assert not desk.may("start_training")
    granted = desk.decide(asked)
    assert granted.state(TODAY) == GRANTED
    ruling = desk.permissions.may(named("Bo.Lund@Example.org"), "start_training", "letters")
    assert ruling.why == f"as data scientist of letters, as granted until {granted.until} ({asked.id})"
    assert desk.may("see", None) and desk.may("see", "claims"), "as every data scientist of any use case"
    assert not desk.may("start_training", "claims") and not desk.may("start_training", None)
    assert not desk.may("start_data") and not desk.may("start_training", person=TOM)


def test_a_look_is_at_the_reports_of_one_use_case(desk: Desk) -> None:
    desk.decide(desk.ask(what=LOOK))
    found = {action for action in ACTIONS if desk.may(action)}
    assert found == {"see"} and not desk.may("see", "claims") and not desk.may("see", None)


@pytest.mark.parametrize("role", ["accountable", "compliance"])
def test_no_grant_lets_anybody_bind_the_organization(desk: Desk, role: str) -> None:
    desk.decide(desk.ask(what=role))
    separate = {name for name, one in ACTIONS.items() if one.four_eyes or name == "approve"}
    assert separate == {"look_up_person", "show_again", "waive", "approve", "erase", "grant_access"}
    assert not any(desk.may(action) for action in separate)
    assert all(desk.may(action) for action, one in ACTIONS.items() if role in one.roles and action not in separate)
    assert desk.permissions.roles(named(BO), "letters") == [], "signatures ask for these"


def test_nobody_decides_about_their_own_request(desk: Desk) -> None:
    for person in (MARIA, ADA):
        with pytest.raises(ConfigError, match="asked for it, so somebody else has to decide"):
            desk.decide(desk.ask(person, "domain_expert"), person)
    assert [one.what for one in desk.noted if one.kind == "denial"] == ["may not decide about access"] * 2
    granted = desk.decide(desk.ask(ADA, "domain_expert"), MARIA)
    assert granted.state(TODAY) == GRANTED


@pytest.mark.parametrize("person", [BO, TOM, "dana@example.org"])
def test_only_the_accountable_owner_or_an_administrator_decides(desk: Desk, person: str) -> None:
    with pytest.raises(ConfigError, match=r"only the accountable owner .*or the administrator .*may decide"):
        desk.decide(desk.ask("eva@example.org"), person)
    assert not desk.may("start_training", person="eva@example.org")
    desk.decide(requests(desk.lake, desk.letters)[0], ADA)
    assert desk.may("start_training", person="eva@example.org")


def test_a_grant_does_not_let_its_holder_grant_more(desk: Desk) -> None:
    desk.decide(desk.ask(what="accountable"))
    with pytest.raises(ConfigError, match="only the accountable owner"):
        desk.decide(desk.ask("eva@example.org"), BO)


def test_a_grant_ends_with_its_day_and_a_request_lapses(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    granted = desk.decide(desk.ask(days=30), until=TODAY + timedelta(days=3))
    waits = desk.ask("eva@example.org", days=3)
    assert granted.until == (TODAY + timedelta(days=3)).isoformat()

    def on(days: int) -> tuple[bool, str, str]:
        class Then(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + timedelta(days=days)

        monkeypatch.setattr(access, "datetime", Then)
        day = TODAY + timedelta(days=days)
        return desk.may("start_training"), granted.state(day), waits.state(day)

    assert on(3) == (True, "granted", "waiting")
    assert on(4) == (False, "ended", "lapsed")


def test_who_may_decide_or_has_it_ends_a_grant_at_once(desk: Desk) -> None:
    current = CurrentPermissions(lambda: desk.environment)
    assert not current().may(named(BO), "start_training", "letters")
    first = desk.decide(desk.ask())
    assert current().may(named(BO), "start_training", "letters"), "a server that runs knows it"
    with pytest.raises(ConfigError, match="only the accountable owner"):
        desk.end(first, TOM)
    assert desk.end(first, BO).state(TODAY) == "ended"
    assert not current().may(named(BO), "start_training", "letters")
    second = desk.decide(desk.ask())
    desk.end(second, ADA)
    assert not desk.may("start_training")
    with pytest.raises(DataError, match="is ended"):
        desk.end(second)


def test_who_declines_says_why_and_nothing_is_given(desk: Desk) -> None:
    asked = desk.ask()
    with pytest.raises(ConfigError, match="at least 10 characters"):
        desk.decide(asked, says=DECLINED, reason="no")
    declined = desk.decide(asked, says=DECLINED, reason="Ask Tom instead")
    assert declined.state(TODAY) == "declined" and not desk.may("start_training")
    with pytest.raises(DataError, match="is declined"):
        desk.decide(asked)


def test_where_two_decide_at_once_and_one_declines_nothing_is_granted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = desk.ask()
    desk.decide(asked, MARIA)
    with monkeypatch.context() as patch:
        patch.setattr(Request, "state", lambda *_: "waiting")  # as the other one still saw it
        desk.decide(asked, ADA, DECLINED, reason="Ask Tom instead")
    assert requests(desk.lake, desk.letters)[0].state(TODAY) == "declined" and not desk.may("start_training")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"days": 91}, "the last day must be between"),
    ({"days": -1}, "the last day must be between"),
    ({"what": "administrator"}, "one can ask for look, accountable"),
    ({"what": "boss"}, "one can ask for look, accountable"),
    ({"purpose": "why not"}, "at least 10 characters"),
    ({"person": "root"}, "by e-mail address"),
    ({"person": Person("token:ci", known_by="token", actions=frozenset({"see"}))}, "by e-mail address"),
    ({"person": TOM, "what": "domain_expert"}, "may do this already"),
    ({"person": TOM, "what": LOOK}, "may do this already"),
]


@pytest.mark.parametrize(("words", "problem"), WRONG)
def test_what_is_not_clear_is_not_asked_for(desk: Desk, words: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        desk.ask(**words)
    assert requests(desk.lake, desk.letters) == [] and desk.noted == []


def test_nobody_grants_for_longer_than_was_asked_for(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="it was asked for until"):
        desk.decide(desk.ask(days=5), until=TODAY + timedelta(days=6))


def test_where_the_policy_asks_for_logins_a_name_on_a_terminal_decides_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = desk.ask()
    policy = Policy(name="house", signatures=Signatures(signed_in=True))
    strict = desk.letters.model_copy(update={"policy": policy})
    monkeypatch.setattr(Desk, "letters", strict)
    with pytest.raises(ConfigError, match="only persons who signed in count"):
        desk.decide(asked)
    who = (Person(MARIA, known_by="openid"), desk.permissions, desk.noted.append)
    assert access.decide(desk.lake, strict, asked.id, *who, says=GRANTED, today=TODAY).state(TODAY) == GRANTED


def _edited(file: Path) -> None:
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "until": "2999-01-01"}))


def _copied(file: Path) -> None:
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "person": "eva@example.org"}))


@pytest.mark.parametrize("change", [_edited, _copied])
@pytest.mark.parametrize("kind", ["access_request", "access_decision"])
def test_a_record_that_was_changed_grants_nothing_and_says_so(
    desk: Desk, change: Callable[[Path], None], kind: str
) -> None:
    desk.decide(desk.ask())
    assert desk.may("start_training")
    (version,) = desk.lake.artifacts("letters", kind)
    change(Path(version.uri) / FILE)
    ruling = desk.permissions.may(named(BO), "start_training", "letters")
    assert not ruling and ruling.why.endswith("what is granted in letters cannot be read (CorruptVersion)")
    (need,) = (one for one in needs_of(desk.lake, desk.letters, TODAY) if one.kind == "access")
    assert need.role == "accountable" and "Access cannot be read" in need.what


def test_a_grant_written_by_hand_is_none(desk: Desk) -> None:
    granted = desk.decide(desk.ask())
    (version,) = desk.lake.artifacts("letters", "access_decision")
    forged = Path(version.uri).with_name("access_decision-000000000000")
    forged.mkdir()
    for file in Path(version.uri).iterdir():
        (forged / file.name).write_bytes(file.read_bytes())
    desk.end(granted)
    assert not desk.may("start_training") and not desk.may("start_training", person="eva@example.org")


def test_an_open_request_waits_for_whoever_may_decide(desk: Desk) -> None:
    asked = desk.ask()
    (need,) = needs_of(desk.lake, desk.letters, TODAY)
    assert (need.kind, need.role, need.until) == ("access", "accountable", asked.until)
    assert need.what == f"{BO} asks to work as data scientist until {asked.until}: {PURPOSE}"
    assert f"ft access grant letters {asked.id}" in need.next_step
    desk.decide(asked)
    assert needs_of(desk.lake, desk.letters, TODAY) == []
    desk.ask(MARIA, "domain_expert", days=1)
    (need,) = needs_of(desk.lake, desk.letters, TODAY)
    assert need.role == "administrator", "nobody else is accountable"
    assert needs_of(desk.lake, desk.letters, TODAY + timedelta(days=2)) == []


def test_each_word_is_in_the_audit_log_before_it_counts(desk: Desk) -> None:
    asked = desk.ask()
    desk.decide(asked)
    desk.end(asked)
    assert [(one.kind, one.person.name, one.what) for one in desk.noted] == [
        ("people", BO, "asked for access"),
        ("people", MARIA, "granted access"),
        ("people", MARIA, "ended access"),
    ]
    assert desk.noted[1].details["to"] == BO and PURPOSE not in str(desk.noted)

    def broken(noted: Noted) -> None:
        raise FtError("the audit log cannot be written")

    words: Any = {"what": LOOK, "purpose": PURPOSE, "until": TODAY, "today": TODAY}
    with pytest.raises(FtError):
        access.ask(desk.lake, desk.letters, named("eva@example.org"), desk.permissions, broken, **words)
    assert len(requests(desk.lake, desk.letters)) == 1


def test_the_commands_ask_decide_list_and_say_what_somebody_may(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    def ft(*words: str, code: int = 0) -> str:
        assert cli.main([*words]) == code, capsys.readouterr().err
        out = capsys.readouterr()
        return out.out if code == 0 else out.err

    until = (TODAY + timedelta(days=9)).isoformat()
    assert "Nobody has asked" in ft("access", "list", "letters")
    asked = ("access", "request", "letters", "--as", "data_science", "--until", until, "--reason", PURPOSE)
    assert "--by is needed" in ft(*asked, code=1)
    text = ft(*asked, "--by", BO)
    assert f"waiting  {BO}: work as data scientist until {until}" in text and PURPOSE in text
    name = text.split()[0]
    assert "only the accountable owner" in ft("access", "grant", "letters", name, "--by", TOM, code=1)
    assert "which request?" in ft("access", "grant", "letters", "--by", MARIA, code=1)
    (found,) = json.loads(ft("access", "grant", "letters", name, "--by", MARIA, "--json"))
    assert (found["state"], found["decisions"][0]["person"]) == ("granted", MARIA)
    said = json.loads(ft("may", "--as", BO, "--in", "letters", "--json"))
    assert said["granted"] == [{"use_case": "letters", "role": "data_science", "until": until, "id": name}]
    assert said["actions"]["start_training"]["may"] and not said["actions"]["approve"]["may"]
    assert f"granted until {until}: data_science in letters ({name})" in ft("may", "--as", BO)
    assert f"{MARIA}: accountable owner" in ft("may", "--as", MARIA).splitlines()[0]
    assert ft("may", "--as", MARIA).splitlines()[0].endswith(" in letters")
    row = next(line for line in ft("may", "--as", MARIA).splitlines() if line.split()[1:2] == ["release"])
    assert row.split()[0] == "yes"
    assert row.endswith(" in claims, letters")
    maria = json.loads(ft("may", "--as", MARIA, "--json"))
    assert maria["actions"]["release"] == {**maria["actions"]["release"], "may": False, "in": ["claims", "letters"]}
    assert "accountable" in maria["roles_in"]["letters"]
    log = json.loads(ft("audit-log", "--kind", "people", "--json"))
    assert [(one["person"], one["what"]) for one in log] == [(BO, "asked for access"), (MARIA, "granted access")]
    assert "ended" in ft("access", "end", "letters", name, "--by", MARIA, "--reason", "Dana is back")
    assert not json.loads(ft("may", "--as", BO, "--in", "letters", "--json"))["actions"]["start_training"]["may"]
