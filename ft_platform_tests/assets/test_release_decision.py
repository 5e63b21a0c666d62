"""The asset `release_decision`: who is noted for it."""

from pathlib import Path

from ft_platform.assets.order import Order
from ft_platform.assets.release_decision import build
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.person import Person
from ft_platform.release.evidence import REQUIRED
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.release.evidence_case import EvidenceCase


def test_the_audit_log_names_who_started_the_run_that_decided(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path).publish()
    asset, *_ = build(case.use_case)
    asset(
        order=Order(by=Person("ana.ruiz@example.org", known_by="openid")),
        lake=case.lake,
        environment=Environment(home=case.home, tracking_uri="none"),
        **{name: case.versions[name] for name in ("adapter_checkpoint", *REQUIRED)},
    )
    (noted,) = [one for one in AuditLog(case.lake).entries() if one.kind == "decision"]
    assert (noted.person, noted.known_by) == ("ana.ruiz@example.org", "openid")
