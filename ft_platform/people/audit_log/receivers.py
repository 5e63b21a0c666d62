"""Hands entries of the audit log to others: as syslog (RFC 5424), or as OpenTelemetry logs.

Covered: order, and that a receiver that is down gets everything later; it may get the newest ones twice. Not covered:
syslog has no acknowledgement, so what was under way when a server went down may be lost, with UDP anything."""

import json
import os
import re
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from ft_platform.errors import TransientError
from ft_platform.people.audit_log.entry import Entry
from ft_platform.use_case.settings.audit_log import OpenTelemetry, Syslog

SECONDS = 10.0
MOST_BYTES = 1 << 16
FACILITY = 13
"""`log audit` (RFC 5424, 6.2.1)."""
NOTICE, WARNING = 5, 4
INFO, WARN = 9, 13
"""Severity numbers of OpenTelemetry."""


def name_of(receiver: Syslog | OpenTelemetry) -> str:
    return (
        receiver.url
        if isinstance(receiver, OpenTelemetry)
        else f"{receiver.transport}://{receiver.host}:{receiver.port}"
    )


def deliver(receiver: Syslog | OpenTelemetry, entries: Sequence[Entry]) -> None:
    """Hands entries over.

    Raises:
        TransientError: the receiver does not take them now.
    """
    (_post if isinstance(receiver, OpenTelemetry) else _log)(receiver, entries)  # type: ignore[operator]


def _log(receiver: Syslog, entries: Sequence[Entry]) -> None:
    messages = [syslog_message(entry, receiver.persons) for entry in entries]
    place = receiver.host, receiver.port
    try:
        if receiver.transport == "udp":
            family, _, _, _, address = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as sending:
                for message in messages:
                    sending.sendto(message, address)
            return
        with socket.create_connection(place, SECONDS) as plain:
            framed = b"".join(f"{len(message)} ".encode() + message for message in messages)  # RFC 6587, 3.4.1
            if receiver.transport == "tcp":
                plain.sendall(framed)
                return
            with ssl.create_default_context().wrap_socket(plain, server_hostname=receiver.host) as sending:
                sending.sendall(framed)
                with suppress(OSError):  # the server may close first (RFC 5425, 4.4)
                    sending.unwrap()
    except OSError as error:
        raise TransientError(
            f"the syslog server {name_of(receiver)} takes no entries ({type(error).__name__})"
        ) from None


def syslog_message(entry: Entry, persons: bool) -> bytes:
    """One entry: header as RFC 5424, 6 has it, and JSON."""
    host = re.sub(r"[^!-~]", "", socket.gethostname())[:255] or "-"
    priority = 8 * FACILITY + (WARNING if entry.kind == "denial" else NOTICE)
    return f"<{priority}>1 {entry.at} {host} ft_platform - {entry.kind} - {json.dumps(told(entry, persons))}".encode()


def _post(receiver: OpenTelemetry, entries: Sequence[Entry]) -> None:
    from ft_platform.process.bounded_http import NoAnswer, ask

    where = f"the collector {receiver.url}"
    body = json.dumps(otlp_request(entries, receiver.persons)).encode()
    try:
        answer = ask("POST", receiver.url, _headers(receiver), body, SECONDS, MOST_BYTES)
    except NoAnswer as error:
        raise TransientError(f"{where} takes no entries: {error}", "It is tried again") from None
    if not 200 <= answer.status < 300:
        raise TransientError(f"{where} answers {answer.status}", "It is tried again")


def _headers(receiver: OpenTelemetry) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if receiver.headers_variable:
        pairs = os.environ.get(receiver.headers_variable, "").split(",")
        found = dict(pair.strip().split("=", 1) for pair in pairs if "=" in pair)
        if not found or not all(re.fullmatch(r"[!-~]+", n) and re.fullmatch(r"[ -~]*", v) for n, v in found.items()):
            problem = f"the environment variable {receiver.headers_variable} has no headers"
            raise TransientError(problem, "Set it as name=value,name=value")
        headers |= found
    return headers


def otlp_request(entries: Sequence[Entry], persons: bool) -> dict[str, Any]:
    """Entries as `ExportLogsServiceRequest` in JSON (https://opentelemetry.io/docs/specs/otlp/)."""
    service = {"key": "service.name", "value": {"stringValue": "ft_platform"}}
    records = [_record(entry, persons) for entry in entries]
    scope = {"scope": {"name": "ft_platform.audit_log"}, "logRecords": records}
    return {"resourceLogs": [{"resource": {"attributes": [service]}, "scopeLogs": [scope]}]}


def _record(entry: Entry, persons: bool) -> dict[str, Any]:
    nanoseconds = int(datetime.fromisoformat(entry.at).timestamp() * 1000) * 1_000_000
    values = {f"ft.audit.{name}": value for name, value in told(entry, persons).items() if name not in ("at", "what")}
    return {
        "timeUnixNano": str(nanoseconds),
        "severityNumber": WARN if entry.kind == "denial" else INFO,
        "eventName": f"ft.audit.{entry.kind}",
        "body": {"stringValue": entry.what},
        "attributes": [{"key": key, "value": _value(value)} for key, value in values.items()],
    }


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": key, "value": _value(one)} for key, one in value.items()]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def told(entry: Entry, persons: bool) -> dict[str, Any]:
    """What leaves the installation of an entry."""
    plain = {name: getattr(entry, name) for name in ("number", "at", "kind", "what", "use_case", "known_by", "hash")}
    named = {"person": entry.person, "details": dict(entry.details or {})} if persons else {}
    return plain | {name: value for name, value in named.items() if value}
