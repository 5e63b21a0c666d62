"""A Dagster instance whose web servers are guarded."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from ft_platform.errors import FtError
from ft_platform.lake.journal import Keys
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.people.started import signed_tags
from ft_platform.use_case.environment import load_environment


class GuardedInstance(dg.DagsterInstance):
    """Dagster's instance: no web server of Dagster starts on it without the guard of `ft_platform.web`.

    Covered: `dagster dev`, `dg dev` and `dagster-webserver`; they hand the instance to the web server's process, which
    tells it so before it makes its pages. Not covered: a dagster.yaml without `instance_class`, and programs that make
    their own pages from Dagster's parts."""

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        return InstanceRef.config_defaults(base_dir)

    @staticmethod
    def config_schema() -> Mapping[str, Any]:
        return {}

    def optimize_for_webserver(self, *args: Any, **kwargs: Any) -> None:
        """Dagster calls this in the process of a web server only."""
        from ft_platform.people.audit_log.once_needed import audit_log_once_needed

        try:
            environment = load_environment()
            # By name: no other process that opens an instance needs the pages.
            webserver = import_module("ft_platform.web.dagster_webserver")
            webserver.guard_webserver(environment, audit_log_once_needed(environment))
        except FtError as error:
            raise SystemExit(f"Dagster's web server does not start: {' '.join(str(error).split())}") from None
        super().optimize_for_webserver(*args, **kwargs)
        sign_runs(self, signing_keys_of(environment))


def sign_runs(instance: dg.DagsterInstance, keys: Keys) -> None:
    """From now on, each run that this process makes says who started it, with the signature of the installation."""
    runs, write = instance.run_storage, instance.run_storage.add_run

    def add_run(run: dg.DagsterRun) -> dg.DagsterRun:
        return write(run.with_tags(signed_tags(run.run_id, run.tags, keys)))

    runs.add_run = add_run  # type: ignore[method-assign]
