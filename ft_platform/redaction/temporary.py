"""Dagster's commands without DAGSTER_HOME: on the instance of the installation, as `ft` uses it.

Dagster would make a temporary instance and remove it when the command ends: `dg launch` would leave no run behind."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster._cli.utils import TMP_DAGSTER_HOME_PREFIX
from dagster._core.instance.ref import InstanceRef

from ft_platform.use_case.environment import load_environment


def installed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an instance is made from; in place of a temporary one those of the installation's.

    Where the installation has none yet, the temporary one stays, with a line on standard error."""
    ref = arguments.get("ref")
    if os.environ.get("DAGSTER_HOME") or ref is None or not _is_temporary(ref):
        return dict(arguments)
    home = load_environment().dagster_home
    if not (home / "dagster.yaml").exists():
        print(
            "The runs of this command are lost when it ends: there is no installation yet. Run: ft init",
            file=sys.stderr,
        )
        return dict(arguments)
    own = InstanceRef.from_dir(str(home))
    storage = own.storage
    print(f"Not in a temporary directory but in {home}, as ft ui", file=sys.stderr)
    return {
        **arguments,
        "ref": own,
        "local_artifact_storage": own.local_artifact_storage,
        "run_storage": storage.run_storage if storage else own.run_storage,
        "event_storage": storage.event_log_storage if storage else own.event_storage,
        "schedule_storage": storage.schedule_storage if storage else own.schedule_storage,
        "scheduler": own.scheduler,
        "settings": own.settings,
        "secrets_loader": own.secrets_loader,
        "defs_state_storage": own.defs_state_storage,
    }


def _is_temporary(ref: InstanceRef) -> bool:
    return Path(ref.local_artifact_storage.base_dir).name.startswith(TMP_DAGSTER_HOME_PREFIX)
