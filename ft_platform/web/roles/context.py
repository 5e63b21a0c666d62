"""Dagster's context of a request, with the person who asks: what the pages grey out is what the tables say."""

import re
from collections.abc import Mapping
from typing import Any

from dagster._core.workspace.context import WorkspaceRequestContext
from dagster._core.workspace.permissions import LOCATION_SCOPED_PERMISSIONS, PermissionResult
from starlette.requests import HTTPConnection

from ft_platform.people.started import tags_of
from ft_platform.web.roles.reads import PERMISSIONS
from ft_platform.web.roles.rules import Judge, Rules


class RoleContext(WorkspaceRequestContext):
    """One request of one person.

    Attributes:
        judge: what the person may.
        ruled: a mutation that the table allows is being done, so Dagster's own checks let it through.
        opened: places in the answer that the person may read with all that lies below.
        accepted: how an answer may be packed.
    """

    judge: Judge
    ruled: bool = False
    opened: list[Any]
    accepted: str = ""

    @classmethod
    def of(cls, made: WorkspaceRequestContext, connection: HTTPConnection, rules: Rules) -> "RoleContext":
        """The context that Dagster made, with the person."""
        context = cls(
            instance=made.instance,
            current_workspace=made.get_current_workspace(),
            process_context=made.process_context,
            version=made.version,
            source=connection,
            read_only=made.read_only,
        )
        context.judge = Judge(rules, rules.person(connection.scope))
        context.opened, context.accepted = [], connection.headers.get("accept-encoding", "")
        return context

    @property
    def permissions(self) -> Mapping[str, PermissionResult]:
        """Of the whole installation. A permission that the table does not know is nobody's."""
        return {name: self._result(name, found.enabled) for name, found in super().permissions.items()}

    def permissions_for_location(self, *, location_name: str) -> Mapping[str, PermissionResult]:
        """All use cases lie in one code location: those of the whole installation. Flags of assets, jobs, runs and
        sensors tell use cases apart."""
        return {name: found for name, found in self.permissions.items() if name in LOCATION_SCOPED_PERMISSIONS}

    def _result(self, name: str, enabled: bool) -> PermissionResult:
        actions = PERMISSIONS.get(str(name), ())
        ruling = self.judge.may((action, None) for action in actions)
        return PermissionResult(enabled and (self.ruled or bool(ruling)), None if ruling and enabled else ruling.why)

    def get_viewer_tags(self) -> dict[str, str]:
        return tags_of(self.judge.person) if self.judge.person else {}

    def get_reporting_user_tags(self) -> dict[str, str]:
        """Tags of an event of an asset take fewer signs than those of a run."""
        return {
            key: re.sub(r"[^\w.\-]", "_", name, flags=re.ASCII)[:63] for key, name in self.get_viewer_tags().items()
        }
