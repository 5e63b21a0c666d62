"""What waits is told once a day to those for whom it waits, at real servers on this machine. Persons are fictitious."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.alerts.delivery import deliver
from ft_platform.monitoring.alerts.outbox import opened
from ft_platform.orchestration.needs_watch import needs_watch
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.release.incidents import close, report
from ft_platform.use_case.settings.alerting import Alerting
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import Digest, People
from ft_platform.web.portal_pages.digest import WORDS, due_on, queue_digests
from ft_platform.web.portal_pages.needs import KINDS
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver, Mailbox, mail_server
from ft_platform_tests.reporting.test_home import publish
from ft_platform_tests.tables import use_case

ANA, BO, OPS = "ana.ruiz@example.org", "bo.lund@example.org", "ops@example.org"
OWNERS = {"accountable": "team:letters", "compliance": ANA, "domain_expert": "group-without-persons@example.org"}
SECRET = "Refunds were refused to Mirela Okonjo"
NOW = datetime.now(UTC).replace(hour=12) - timedelta(days=5)
"""What is due is sent by the real clock."""
HOOK, KEY = "FT_TEST_HOOK", "FT_TEST_KEY"


class House:
    """An installation whose digest goes by e-mail and to a webhook."""

    def __init__(self, home: Path, mailbox: Mailbox, port: int, receiver: HttpReceiver) -> None:
        mail = {"kind": "email", "host": "localhost", "port": port, "encryption": "none", "sender": OPS, "to": [OPS]}
        hook = {"kind": "webhook", "url_variable": HOOK, "secret_variable": KEY}
        self.mailbox, self.receiver = mailbox, receiver
        self.environment = Environment(
            home=home / "home",
            defs=home / "defs",
            tracking_uri="none",
            reports_url="https://ml.example.org/reports",
            alerting=Alerting.model_validate({"channels": {"mail": mail, "hook": hook}}),
            people=People(roles={"compliance": [BO, "group:law"]}, digest=Digest(channels=["mail", "hook"])),
        )
        self.lake: Lake = open_lake(self.environment)
        self.case = use_case(owners=OWNERS).model_copy(update={"name": "letters"})

    def incident(self) -> str:
        about = {"severity": "serious", "what": SECRET, "aware": NOW.date(), "today": NOW.date()}
        return report(self.lake, self.case, named(ANA), **about).id

    def failed_check(self) -> None:
        """Of a stage whose role has no person."""
        publish(self.lake, "evaluation_report", "eval-1")
        self.lake.add_verdict(self.lake.artifacts("letters", "evaluation_report")[0], "is_good", False, "s")

    def tell(self, days: float = 0) -> int:
        """Queues and sends on a later day. Returns how many are new."""
        permissions = Permissions(self.environment.people, {"letters": self.case})
        queued = queue_digests(self.environment, self.lake, permissions, NOW + timedelta(days=days))
        assert deliver(self.environment) == {}
        return queued

    def mails(self) -> list[tuple[str, str]]:
        """Recipients and text of each mail since the last look."""
        found = []
        for one in self.mailbox.mails:
            content: Any = one.get_payload(decode=True)
            found.append((str(one["To"]), f"{one['Subject']}\n{content.decode()}"))
        self.mailbox.mails.clear()
        return sorted(found)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    receiver = HttpReceiver()
    monkeypatch.setenv(HOOK, receiver.url)
    monkeypatch.setenv(KEY, "c2VjcmV0LXNlY3JldC1zZWNyZXQ=")
    with mail_server() as (mailbox, port):
        yield House(tmp_path, mailbox, port, receiver)
    receiver.stop()


def test_each_person_gets_what_waits_for_them_and_no_text_of_a_person(house: House) -> None:
    house.incident()
    assert house.tell() == 3
    mails = house.mails()
    assert [to for to, _ in mails] == [ANA, BO]
    last = (NOW.date() + timedelta(days=15)).isoformat()
    for _, text in mails:
        assert "What waits in letters" in text and "1 waiting for the compliance officer" in text
        assert f"1 incident; the first until {last}." in text and "https://ml.example.org/reports/needs" in text
        assert "Mirela" not in text and "Refunds" not in text
    ((headers, body),) = house.receiver.got
    assert headers["webhook-signature"].startswith("v1,") and b"Mirela" not in body and b"@" not in body
    told = json.loads(body)
    assert told["event"] == "needs" and [one["what"] for one in told["alerts"]] == [
        "1 waiting for the compliance officer"
    ]


def test_what_waits_for_a_role_without_a_person_goes_to_the_channel(house: House) -> None:
    house.failed_check()
    house.tell()
    ((to, text),) = house.mails()
    assert to == OPS and "1 failed check." in text


def test_it_is_told_once_a_day_and_only_if_it_has_changed(house: House) -> None:
    first = house.incident()
    assert house.tell() == 3 and house.tell() == 0 and house.tell(days=1) == 0
    second = house.incident()
    assert house.tell() == 0, "it was told today"
    assert house.tell(days=1) == 3 and house.tell(days=1) == 0
    for one in (first, second):
        close(house.lake, house.case, one, named(ANA), reason="The cause is mended")
    assert house.tell(days=2) == 0, "nothing waits"
    house.incident()
    assert house.tell(days=3) == 3
    assert len(house.mails()) == 6


def test_a_message_that_did_not_arrive_is_replaced_by_the_next(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.incident()
    house.receiver.status = 503
    permissions = Permissions(house.environment.people, {"letters": house.case})
    queue_digests(house.environment, house.lake, permissions, NOW)
    assert "status 503" in deliver(house.environment)["hook"]
    house.incident()
    later = NOW + timedelta(days=1)
    queue_digests(house.environment, house.lake, permissions, later)
    with opened(house.environment.home, house.environment.alerting) as outbox:
        waiting = [one for one in outbox.messages("letters") if one["channel"] == "hook" and not one["sent"]]
    assert [one["alerts"][0]["text"].partition(";")[0] for one in waiting] == ["2 incidents"]


def test_before_the_hour_of_the_time_zone_nothing_is_due() -> None:
    settings = Digest(channels=["mail"], at="07:30", time_zone="Asia/Tokyo")
    assert due_on(settings, datetime(2026, 3, 1, 22, 29, tzinfo=UTC)) == ""
    assert due_on(settings, datetime(2026, 3, 1, 22, 30, tzinfo=UTC)) == "2026-03-02"


KILLED = """
import os, signal, sys
from datetime import datetime
from ft_platform.lake.opening import open_lake
from ft_platform.monitoring.alerts.outbox import Outbox
from ft_platform.people.may import Permissions
from ft_platform.web.portal_pages.digest import queue_digests
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase

environment = Environment.model_validate_json(sys.argv[1])
case = NamedUseCase.model_validate_json(sys.argv[2])
queue = Outbox.digest

def one_and_die(*arguments):
    queue(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

Outbox.digest = one_and_die
permissions = Permissions(environment.people, {"letters": case})
queue_digests(environment, open_lake(environment), permissions, datetime.fromisoformat(sys.argv[3]))
"""


def test_a_daemon_that_is_killed_halfway_tells_everybody_once(house: House) -> None:
    house.incident()
    words = [house.environment.model_dump_json(), house.case.model_dump_json(), NOW.isoformat()]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], cwd=REPOSITORY, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert house.tell() == 2, "one was queued before"
    assert [to for to, _ in house.mails()] == [ANA, BO] and len(house.receiver.got) == 1


def test_the_sensor_tells_what_waits_once_and_is_there_only_where_it_is_asked_for(house: House) -> None:
    environment = house.environment
    assert needs_watch(Environment(home=environment.home)) == []
    write_use_case(environment.defs, "letters", {**minimal_attributes("x.csv"), "owners": OWNERS})
    house.incident()
    environment = environment.model_copy(
        update={"people": environment.people.model_copy(update={"digest": Digest(channels=["mail"], at="00:00")})}
    )
    (sensor,) = needs_watch(environment)
    said: list[Any] = []
    for _ in range(2):
        with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()) as context:
            said.append(sensor(context))
    assert [one.skip_message for one in said] == ["2 messages about what waits", "0 messages about what waits"]
    assert [to for to, _ in house.mails()] == [ANA, BO]


def test_a_channel_that_is_not_there_is_told(house: House) -> None:
    people = house.environment.people.model_copy(update={"digest": Digest(channels=["gone"], at="00:00")})
    (sensor,) = needs_watch(house.environment.model_copy(update={"people": people}))
    with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()) as context:
        said: Any = sensor(context)
    assert "gone is no channel of this installation" in said.skip_message


def test_every_kind_of_need_has_words() -> None:
    assert WORDS.keys() == KINDS.keys()
