"""Audit logs with files of few entries. Persons are fictitious."""

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.noted import Noted
from ft_platform.people.person import Person, named
from ft_platform.use_case.settings.environment import Environment

ANA, BEN = named("ana@example.org"), Person("ben@example.org", known_by="openid")
SEGMENT = 8


def released(number: int, by: Person = ANA) -> Noted:
    return Noted("release", by, "released", "complaints", {"release": f"release-{number}"})


def opened(home: Environment) -> AuditLog:
    return AuditLog(open_lake(home))
