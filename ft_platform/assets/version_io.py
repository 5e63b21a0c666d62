"""Hands version handles from asset to asset. The handle is kept in the materialization's metadata; data stays in the
lake."""

from typing import Any

import dagster as dg

from ft_platform.errors.vouched import vouch
from ft_platform.lake.versions import Version, from_dict
from ft_platform.people.person import STARTED_BY
from ft_platform.redaction.metadata import vouched_metadata

HANDLE = "handle"


def handle_in(event: Any) -> Version | None:
    """The handle that a materialization event keeps; None: there is no event, or it keeps none."""
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return from_dict(metadata[HANDLE].value) if HANDLE in metadata else None


class VersionIOManager(dg.IOManager):
    """Stores a handle with the materialization event and reads it back, in the same run or a later one."""

    def handle_output(self, context: dg.OutputContext, obj: Version) -> None:
        shown: dict[str, Any] = {HANDLE: dg.MetadataValue.json(obj.to_dict())}
        if person := context.step_context.get_tag(STARTED_BY):
            shown["started_by"] = person
        context.add_output_metadata(vouched_metadata(shown))

    def load_input(self, context: dg.InputContext) -> Version:
        instance: Any = context.instance
        event = self._event_of_this_run(context) or instance.get_latest_materialization_event(context.asset_key)
        if event is None:
            raise dg.Failure(
                vouch(f"{context.asset_key.to_user_string()} was never materialized. Materialize it first."),
                allow_retries=False,
            )
        version = handle_in(event)
        if version is None:
            raise dg.Failure(
                vouch(
                    f"the last materialization of {context.asset_key.to_user_string()} has no version handle."
                    " Materialize it again."
                ),
                allow_retries=False,
            )
        return version

    def _event_of_this_run(self, context: dg.InputContext) -> Any:
        """The event of this run comes first: another run may have written since."""
        upstream = context.upstream_output
        if upstream is None or not upstream.has_asset_key:
            return None
        run_id = context.step_context.run_id
        records = context.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        ).records
        for record in reversed(records):
            entry = record.event_log_entry
            if entry.asset_materialization and entry.asset_materialization.asset_key == context.asset_key:
                return entry
        return None
