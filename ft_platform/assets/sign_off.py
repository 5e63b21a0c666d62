"""sign_off: who has signed the decision, of those whom a release asks for, and who is told when one is late."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check, sensor
from ft_platform.assets.report import shown
from ft_platform.assets.stage import judged, key, stage, train_rows, with_typed_failures
from ft_platform.errors.vouched import vouch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

if TYPE_CHECKING:
    from ft_platform.release.sign_off import SignOff


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "sign_off"))
    @with_typed_failures
    def sign_off(
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        release_decision: ArtifactVersion,
        adapter_checkpoint: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Per role that `release.approvals` names: who signed the decision, when, and how it is known who that was; or
        why there is no signature that counts.

        `ft sign` makes it anew. That nobody has signed yet is a result, not a failure: `ft release` refuses."""
        from ft_platform.people.may import Permissions
        from ft_platform.release import sign_off as states
        from ft_platform.reporting.sign_off_page import write_sign_off
        from ft_platform.use_case.file import as_filed

        filed = as_filed(use_case, environment)
        permissions = Permissions(environment.people, {use_case.name: filed})
        found = states.sign_off(lake, filed, release_decision, permissions)
        before = {version.id for version in lake.artifacts(use_case.name, states.STAGE)}
        made = states.publish_sign_off(lake, filed, release_decision, adapter_checkpoint, found, write_sign_off)
        return shown(
            lake,
            environment,
            use_case,
            made,
            reused=made.id in before,
            rows=train_rows(lake, adapter_checkpoint),
            decision=found.decision,
            signatures=dg.MetadataValue.md(_table(found)),
            lacking=vouch("; ".join(found.lacking)) or None,
        )

    @asset_check(
        asset=key(use_case, "sign_off"),
        blocking=True,
        description="Everybody whom a release asks for has signed, and nobody has rejected it.",
    )
    @with_typed_failures
    def signed(lake: dg.ResourceParam[Lake], sign_off: ArtifactVersion) -> dg.AssetCheckResult:
        from ft_platform.release.sign_off import FILE, REJECTED

        found = json.loads(lake.read_file(sign_off, FILE))
        rejected = any(role["state"] == REJECTED for role in found["roles"])
        result = judged(
            lake, use_case, sign_off, "signed", lambda: (not found["lacking"], {"lacking": found["lacking"]})
        )
        # A decision that waits for people is no failed run; one that they rejected is.
        severity = dg.AssetCheckSeverity.ERROR if rejected else dg.AssetCheckSeverity.WARN
        return result._replace(severity=severity)

    return [sign_off, signed, *reminders(use_case)]


def reminders(use_case: NamedUseCase) -> list[dg.SensorDefinition]:
    """The sensor `<use_case>_signatures`, whose alerts `<use_case>_alerts` sends; none where nobody has to sign, or
    nobody is to be told."""
    channels = use_case.settings.monitoring.alerts
    somebody_signs = use_case.signing_roles or use_case.policy.signatures.confirm_waivers
    if not somebody_signs or not channels:
        return []

    @sensor(
        name=f"{use_case.name}_signatures",
        minimum_interval_seconds=3600,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Reminds those who have not signed in {use_case.name}, and then tells their superior.",
    )
    def look(lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment]) -> dg.SkipReason:
        from ft_platform.errors import FtError
        from ft_platform.monitoring.alerts.alert import Alert
        from ft_platform.monitoring.alerts.delivery import alert
        from ft_platform.people.may import Permissions
        from ft_platform.release.overdue import late
        from ft_platform.reporting.report_urls import home_url

        permissions = Permissions(environment.people, {use_case.name: use_case})
        try:
            found = late(lake, use_case, permissions, datetime.now(UTC))
            for one in found:
                what = vouch(f"signature of {one.role} is {'overdue' if one.escalated else 'due'}")
                key = f"signatures/{one.about}/{one.role}/{'escalation' if one.escalated else 'reminder'}"
                severity = "warning" if one.escalated else "info"
                link = home_url(environment, use_case.name)
                told = Alert(use_case.name, what, severity, vouch(one.says), link, key, once=True, to=", ".join(one.to))
                alert(environment, channels, told)
        except FtError as error:
            return dg.SkipReason(str(error))
        return dg.SkipReason(vouch(f"{len(found)} reminders and escalations stand; each is told once"))

    return [look]


def _table(found: "SignOff") -> str:
    """Without reasons, which are texts of people: `ft sign` shows them."""
    rows = []
    for role in found.roles:
        rows += [f"| {role.role} | signed | {one.person} | {one.at[:10]} | {one.known_by} |" for one in role.signatures]
        if not role.signatures:
            rows.append(f"| {role.role} | {role.state} | {role.why} | | |")
    head = ["| role | state | by, or why not | on | known by |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) if rows else "no role has to sign"
