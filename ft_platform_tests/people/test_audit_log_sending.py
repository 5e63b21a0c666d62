"""Anchors and receivers of the audit log, on real servers: what arrives, what a fault delays, what `verify` says then.
Persons are fictitious."""

import json
import re
import shutil
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from botocore.exceptions import ClientError

from ft_platform.cli import main
from ft_platform.lake.opening import open_lake
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.orchestration.audit_log import audit_log_watch
from ft_platform.people.audit_log import sending
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.receivers import syslog_message
from ft_platform.people.audit_log.sending import send
from ft_platform.people.audit_log.verify import verify_with_anchors
from ft_platform.people.noted import Noted
from ft_platform.people.person import named
from ft_platform.use_case.settings.audit_log import Anchor, AuditLogSettings, OpenTelemetry
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver, self_signed

ANA = named("ana@example.org")


def installation(folder: Path, **settings: Any) -> Environment:
    return Environment(home=folder / "home", audit_log=AuditLogSettings.model_validate(settings))


def opened(environment: Environment) -> AuditLog:
    return AuditLog(open_lake(environment))


def written(environment: Environment, entries: int = 3) -> AuditLog:
    audit_log = opened(environment)
    audit_log.note([Noted("release", ANA, "released", "complaints", {"release": f"r{n}"}) for n in range(entries - 1)])
    return audit_log


# Anchors


def test_each_checkpoint_gets_to_a_folder_elsewhere_once(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    environment = installation(tmp_path, anchors=[{"uri": str(elsewhere)}])
    audit_log = written(environment)
    assert send(audit_log, environment) == (1, []) and send(audit_log, environment) == (0, [])
    audit_log(Noted("login", ANA, "signed in"))
    assert send(audit_log, environment) == (1, [])
    files = sorted(elsewhere.iterdir())
    head = audit_log.head()
    assert head and len(files) == 2 and files[1].read_text() == head.checkpoint
    found = verify_with_anchors(audit_log, environment)
    assert found.ok and found.entries == 4


def test_an_anchor_tells_of_a_home_that_was_put_back_as_a_whole(tmp_path):
    environment = installation(tmp_path, anchors=[{"uri": str(tmp_path / "elsewhere")}])
    audit_log = written(environment)
    shutil.copytree(environment.home, tmp_path / "before")
    audit_log(Noted("release", ANA, "released"))
    send(audit_log, environment)
    shutil.rmtree(environment.home)
    shutil.copytree(tmp_path / "before", environment.home)
    (problem,) = verify_with_anchors(opened(environment), environment).problems
    assert problem.startswith("the log was cut off or put back: the anchor")


def test_an_anchor_that_lost_a_checkpoint_or_cannot_be_read_is_a_problem(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    environment = installation(tmp_path, anchors=[{"uri": str(elsewhere)}])
    audit_log = written(environment)
    send(audit_log, environment)
    shutil.rmtree(elsewhere)
    problem = f"the anchor {elsewhere} has lost the checkpoint of 3 entries"
    assert verify_with_anchors(audit_log, environment).problems == [problem]
    broken = installation(tmp_path, anchors=[{"uri": "/proc/nowhere"}])
    arrived, problems = send(audit_log, broken)
    assert arrived == 0 and "the anchor /proc/nowhere cannot be used" in problems[0]


@pytest.mark.integration
def test_a_checkpoint_in_a_bucket_with_object_lock_can_neither_be_deleted_nor_hidden(tmp_path, monkeypatch):
    with s3_bucket("lake", monkeypatch) as client:
        client.create_bucket(Bucket="anchors", ObjectLockEnabledForBucket=True)
        environment = installation(tmp_path, anchors=[{"uri": "s3://anchors/audit", "retention_days": 30}])
        audit_log = written(environment)
        assert verify_with_anchors(audit_log, environment).ok  # nothing is there yet
        assert send(audit_log, environment) == (1, [])
        (version,) = client.list_object_versions(Bucket="anchors")["Versions"]
        where = {"Bucket": "anchors", "Key": version["Key"]}
        found = client.head_object(**where)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        assert found["ObjectLockRetainUntilDate"] - datetime.now(UTC) > timedelta(days=29)
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(**where, VersionId=version["VersionId"])
        assert verify_with_anchors(audit_log, environment).ok
        client.delete_object(**where)  # hides it behind a mark
        shutil.rmtree(environment.home)
        written(environment)
        problems = verify_with_anchors(opened(environment), environment).problems
        assert any("signed by no known key" in problem for problem in problems), problems


@pytest.mark.integration
def test_an_object_store_that_is_down_holds_up_nobody_and_gets_the_checkpoint_later(tmp_path, monkeypatch):
    environment = installation(tmp_path, anchors=[{"uri": "s3://anchors/audit"}])
    with s3_bucket("anchors", monkeypatch) as client:
        audit_log = written(environment)
        with monkeypatch.context() as down:
            down.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            arrived, problems = send(audit_log, environment)
            assert arrived == 0 and problems == [
                "the anchor s3://anchors/audit cannot be used (EndpointConnectionError)"
            ]
        audit_log(Noted("login", ANA, "signed in"))
        assert send(audit_log, environment) == (1, [])
        assert client.list_objects_v2(Bucket="anchors")["KeyCount"] == 1


@pytest.mark.parametrize("wrong", [{"uri": "elsewhere"}, {"uri": "/mnt/worm", "retention_days": 3}, {"uri": "/a b"}])
def test_an_anchor_that_could_not_work_is_refused(wrong):
    with pytest.raises(ValueError, match=r"pattern|s3://"):
        Anchor.model_validate(wrong)


# Syslog


class SyslogServer:
    """Keeps the messages that it is sent, as RFC 5424 and RFC 6587 say."""

    def __init__(self, transport: str, port: int = 0, certificate: Path | None = None) -> None:
        self.got: list[dict[str, Any]] = []
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
        if self._context and certificate:
            self._context.load_cert_chain(certificate)
        if transport != "udp":
            self._socket.listen()
        self._thread = threading.Thread(target=self._datagrams if transport == "udp" else self._streams, daemon=True)
        self._thread.start()

    def numbers(self, entries: int) -> list[int]:
        """Of the entries that came, once so many are there: a client has sent before a server has read."""
        until = time.monotonic() + 30
        while len(self.got) < entries and time.monotonic() < until:
            time.sleep(0.01)
        return [one["message"]["number"] for one in self.got]

    def _datagrams(self) -> None:
        while True:
            self.got.append(parsed(self._socket.recv(65_536)))

    def _streams(self) -> None:
        while True:
            accepted = self._socket.accept()[0]
            try:
                with self._context.wrap_socket(accepted, server_side=True) if self._context else accepted as stream:
                    content = b"".join(iter(lambda: stream.recv(65_536), b""))
            except ssl.SSLError:
                continue
            while content:
                length, _, rest = content.partition(b" ")
                self.got.append(parsed(rest[: int(length)]))
                content = rest[int(length) :]


HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}(Z|[+-]\d\d:\d\d)) (?P<host>[!-~]{1,255})"
    r" (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<id>[!-~]{1,32}) - (?P<message>.*)",
    re.ASCII | re.DOTALL,
)
"""RFC 5424, 6, with a nil for structured data."""


def parsed(message: bytes) -> dict[str, Any]:
    found = HEADER.fullmatch(message.decode("ascii"))
    assert found, message
    return {**found.groupdict(), "message": json.loads(found["message"])}


def test_a_message_says_facility_severity_and_who_only_where_asked(tmp_path):
    audit_log = written(installation(tmp_path), entries=2)
    audit_log(Noted("denial", ANA, "may not release", "complaints"))
    _, released, denied = audit_log.entries()
    plain, named_ = parsed(syslog_message(released, persons=False)), parsed(syslog_message(released, persons=True))
    assert (plain["priority"], plain["id"], plain["app"]) == ("109", "release", "ft_platform")
    assert "ana" not in json.dumps(plain)
    assert named_["message"]["person"] == "ana@example.org" and named_["message"]["details"] == {"release": "r0"}
    assert parsed(syslog_message(denied, persons=False))["priority"] == "108"
    audit_log.forget("ana@example.org", Noted("erasure", named("bo@example.org"), "erased"))
    assert "person" not in parsed(syslog_message(list(audit_log.entries())[1], persons=True))["message"]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_syslog_server_gets_each_entry_once_in_order(tmp_path, monkeypatch, transport):
    certificate = self_signed(tmp_path) if transport == "tls" else None
    server = SyslogServer(transport, certificate=certificate)
    receiver = {"kind": "syslog", "host": "localhost" if certificate else "127.0.0.1", "port": server.port}
    environment = installation(tmp_path, forward=[{**receiver, "transport": transport}])
    audit_log = written(environment)
    if certificate:  # nobody vouches for it yet
        assert "SSLCertVerificationError" in send(audit_log, environment)[1][0] and server.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert send(audit_log, environment) == (3, [])
    audit_log(Noted("login", ANA, "signed in"))
    assert send(audit_log, environment) == (1, []) and send(audit_log, environment) == (0, [])
    assert server.numbers(4) == [0, 1, 2, 3]


def test_a_syslog_server_that_was_down_gets_everything_later(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    receiver = {"kind": "syslog", "host": "127.0.0.1", "port": port, "transport": "tcp"}
    environment = installation(tmp_path, forward=[receiver])
    audit_log = written(environment)
    problem = f"the syslog server tcp://127.0.0.1:{port} takes no entries (ConnectionRefusedError)"
    assert send(audit_log, environment) == (0, [problem])
    audit_log(Noted("login", ANA, "signed in"))  # nobody waits for the server
    server = SyslogServer("tcp", port)
    assert send(audit_log, environment) == (4, [])
    assert server.numbers(4) == [0, 1, 2, 3]


# OpenTelemetry


def test_a_collector_gets_entries_that_its_own_parser_takes(tmp_path, monkeypatch):
    proto = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2", reason="comes with MLflow")
    from google.protobuf import json_format

    collector = HttpReceiver()
    monkeypatch.setenv("FT_TEST_HEADERS", "authorization=Bearer abc, tenant=7")
    receiver = {"kind": "otlp", "url": collector.url, "persons": True, "headers_variable": "FT_TEST_HEADERS"}
    environment = installation(tmp_path, forward=[receiver])
    audit_log = written(environment)
    audit_log(Noted("denial", ANA, "may not release", "complaints"))
    assert send(audit_log, environment) == (4, [])
    ((headers, body),) = collector.got
    collector.stop()
    assert (headers["content-type"], headers["authorization"], headers["tenant"]) == (
        "application/json",
        "Bearer abc",
        "7",
    )
    parsed_ = json_format.Parse(body, proto.ExportLogsServiceRequest())
    (resource,) = parsed_.resource_logs
    assert [(one.key, one.value.string_value) for one in resource.resource.attributes] == [
        ("service.name", "ft_platform")
    ]
    records = resource.scope_logs[0].log_records
    assert [one.body.string_value for one in records] == [
        "began the audit log",
        "released",
        "released",
        "may not release",
    ]
    assert [one.severity_number for one in records] == [9, 9, 9, 13]
    first = next(iter(audit_log.entries(1)))
    assert abs(records[1].time_unix_nano / 1e9 - datetime.fromisoformat(first.at).timestamp()) < 0.001
    told = {one.key: one.value for one in records[1].attributes}
    assert told["ft.audit.person"].string_value == "ana@example.org" and told["ft.audit.number"].int_value == 1
    assert told["ft.audit.hash"].string_value == first.hash
    assert told["ft.audit.details"].kvlist_value.values[0].value.string_value == "r0"


def test_a_collector_that_refuses_gets_the_rest_from_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    collector = HttpReceiver()
    environment = installation(tmp_path, forward=[{"kind": "otlp", "url": collector.url}])
    audit_log = written(environment)
    collector.status = 503
    assert send(audit_log, environment) == (0, [f"the collector {collector.url} answers 503"])
    collector.status = 200
    collector.got.clear()
    assert send(opened(environment), environment) == (3, [])
    assert [len(records(body)) for _, body in collector.got] == [2, 1]
    collector.stop()
    audit_log(Noted("login", ANA, "signed in"))
    assert send(audit_log, environment) == (
        0,
        [f"the collector {collector.url} takes no entries: a refused connection"],
    )


def records(body: bytes) -> list[Any]:
    return json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]


def test_headers_are_sent_over_tls_only_and_must_be_there(tmp_path):
    with pytest.raises(ValueError, match="https://"):
        OpenTelemetry(kind="otlp", url="http://otel.example.org/v1/logs", headers_variable="FT_TEST_HEADERS")
    receiver = {"kind": "otlp", "url": "http://127.0.0.1:9", "headers_variable": "FT_TEST_NOTHING"}
    environment = installation(tmp_path, forward=[receiver])
    assert send(written(environment), environment)[1] == ["the environment variable FT_TEST_NOTHING has no headers"]


def test_time_that_is_up_leaves_the_rest_for_the_next_time(tmp_path):
    collector = HttpReceiver()
    environment = installation(tmp_path, forward=[{"kind": "otlp", "url": collector.url}])
    audit_log = written(environment)
    assert send(audit_log, environment, seconds=0) == (0, []) and collector.got == []
    assert send(audit_log, environment) == (3, [])
    collector.stop()


def test_the_sensor_sends_and_says_what_is_wrong(tmp_path):
    assert audit_log_watch(installation(tmp_path)) == []
    elsewhere = tmp_path / "elsewhere"
    down = {"kind": "otlp", "url": "http://127.0.0.1:9/v1/logs"}
    environment = installation(tmp_path, anchors=[{"uri": str(elsewhere)}], forward=[down])
    written(environment)
    (sensor,) = audit_log_watch(environment)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        said = sensor(context)
    assert isinstance(said, dg.SkipReason)
    problem = "the collector http://127.0.0.1:9/v1/logs takes no entries: a refused connection"
    assert said.skip_message == f"1 entries and checkpoints sent; {problem}"
    assert len(list(elsewhere.iterdir())) == 1


# The command


@pytest.fixture
def commanded(tmp_path, monkeypatch) -> Environment:
    elsewhere = tmp_path / "elsewhere"
    file = tmp_path / "ft_environment.yaml"
    file.write_text(yaml.safe_dump({"home": "home", "audit_log": {"anchors": [{"uri": str(elsewhere)}]}}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    environment = installation(tmp_path, anchors=[{"uri": str(elsewhere)}])
    written(environment)(Noted("login", named("bo@example.org"), "signed in"))
    return environment


def test_the_command_shows_what_is_asked_for(commanded, capsys):
    assert (
        main(["audit-log", "--person", "ANA@example.org", "--kind", "release", "--use-case", "complaints", "--json"])
        == 0
    )
    assert [one["number"] for one in json.loads(capsys.readouterr().out)] == [1, 2]
    assert main(["audit-log", "--since", "2999-01-01"]) == 0 and capsys.readouterr().out == ""
    assert main(["audit-log", "--since", "2000-01-01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "ana@example.org (self-declared)  complaints  released: release r0" in lines[1]


def test_the_command_verifies_and_ends_with_1_where_something_is_wrong(commanded, capsys):
    assert main(["audit-log", "send"]) == 0 and "1 entries and checkpoints sent" in capsys.readouterr().out
    assert main(["audit-log", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entries": 4, "ok": True, "problems": []}
    file = next((commanded.home / "lake" / "audit_log" / "entries").iterdir())
    file.write_text(file.read_text().replace("released", "tried", 1))
    assert main(["audit-log", "verify", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"] and said["entries"] == 4 and said["problems"]


def test_the_command_verifies_a_copy_with_the_key_that_it_shows(commanded, capsys, tmp_path):
    shutil.copytree(commanded.home / "lake" / "audit_log", tmp_path / "copy")
    assert main(["audit-log", "checkpoint", "--json"]) == 0
    (key,) = json.loads(capsys.readouterr().out)["keys"]
    assert main(["audit-log", "verify", "--copy", str(tmp_path / "copy"), "--key", key]) == 0
    assert capsys.readouterr().out == "4 entries: intact\n"
    wrong = f"{key[:-4]}AAAA"
    assert main(["audit-log", "verify", "--copy", str(tmp_path / "copy"), "--key", wrong]) == 1
    assert "--key is no verifier key" in capsys.readouterr().err


def test_the_command_erases_a_person_and_needs_a_reason(commanded, capsys):
    assert main(["audit-log", "forget", "--person", "ana@example.org"]) == 1
    assert "reason" in capsys.readouterr().err
    assert main(["audit-log", "forget", "--person", "ana@example.org", "--reason", "Request 4711"]) == 0
    assert capsys.readouterr().out == "2 entries named this person\n"
    assert main(["audit-log", "--json"]) == 0
    assert "ana@example.org" not in capsys.readouterr().out
    assert main(["audit-log", "verify"]) == 0


def test_the_command_begins_again_after_a_loss(commanded, capsys):
    shutil.rmtree(commanded.home / "lake" / "audit_log" / "entries")
    assert main(["audit-log", "verify"]) == 1
    assert main(["audit-log", "begin-again", "--reason", "The disk was lost"]) == 0
    capsys.readouterr()
    assert main(["audit-log", "verify"]) == 0 and "1 entries: intact" in capsys.readouterr().out


def test_a_key_that_is_reported_stolen_later_signed_what_came_before(commanded, capsys):
    (key,) = signing_keys_of(commanded).public
    assert main(["seals", "stolen", key, "--since", "2999-01-01T00:00:00+00:00"]) == 0
    assert dict(signing_keys_of(commanded).public[key].last_entries) == {"audit_log": 5}
    capsys.readouterr()
    assert main(["audit-log", "verify"]) == 0
    assert main(["seals", "rotate"]) == 0
    written(commanded, 2)
    assert main(["audit-log", "verify"]) == 0
