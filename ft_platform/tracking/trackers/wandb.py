"""Runs in Weights & Biases: offline in `<home>/wandb` until somebody runs `wandb sync`, or online.

One project per use case; a run's group is the training it belongs to. Sent is what MLflow gets. Not sent: host and user
name, the command, git, code, the screen, statistics of the machine; wandb collects all of these by default.
Credentials come from the environment only (`WANDB_API_KEY`): a key of whoever is logged in on the machine is not used.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.tracking.tracker import GuardedTracker, RunDescription, Tracker
from ft_platform.use_case.settings.environment import Environment

NAME = "wandb"
CREDENTIALS = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")
CLIENTS = ("wandb", "wandb_core", "requests", "urllib3", "google")
FINISH_SECONDS = 120
INIT_SECONDS = 60
_OPEN: set[str] = set()
"""Ids of the runs of this process that have not ended."""


def open_tracker(environment: Environment, run: RunDescription, log: Any) -> Tracker:
    """The tracker of one run.

    Raises:
        MissingExtra: wandb is not installed.
        ConfigError: `wandb_mode: online` without a key in the environment.
    """
    if environment.wandb_mode == "online" and not any(os.environ.get(name) for name in CREDENTIALS):
        problem = f"trackers: wandb is online, but none of {', '.join(CREDENTIALS)} is set"
        raise ConfigError([problem], "Set one, or wandb_mode: offline")
    prepare_variables(environment)
    try:
        import wandb  # noqa: F401
    except ImportError:
        raise MissingExtra("wandb", "wandb") from None
    return WandbTracker(environment, run, log)


def prepare_variables(environment: Environment) -> None:
    """Everything wandb writes lies below `<home>/wandb`, and it reports no errors of its own to its makers. Read when
    it is imported."""
    root = environment.home / "wandb"
    for name in ("DATA", "CACHE", "CONFIG", "ARTIFACT"):
        os.environ[f"WANDB_{name}_DIR"] = str(root / name.lower())
        (root / name.lower()).mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DISABLE_CODE": "true",
    }
    if environment.wandb_mode == "offline":
        os.environ["WANDB_MODE"] = "offline"


class WandbTracker(GuardedTracker):
    """One run of Weights & Biases."""

    def __init__(self, environment: Environment, run: RunDescription, log: Any) -> None:
        super().__init__(
            "Weights & Biases", CLIENTS, "Check WANDB_BASE_URL and the key, or take wandb out of FT_TRACKERS", log
        )
        self._step = -1
        with self.reported("start"):
            import wandb

            self._run = wandb.init(
                project=run.use_case,
                entity=environment.wandb_entity or None,
                name=run.name,
                job_type=run.stage,
                group=run.parents.get(NAME) or run.name,
                config={"use_case": run.use_case, "stage": run.stage, **run.tags},
                dir=str(environment.home),
                reinit="create_new",
                settings=settings(environment),
            )
            _OPEN.add(self._run.id)
            self._state = {
                "tracker": NAME,
                "run_id": self._run.id,
                "experiment": run.use_case,
                "mode": environment.wandb_mode,
            }
            if environment.wandb_mode == "online":
                self._state["url"] = self._run.url
            else:
                self._state["folder"] = Path(self._run.dir).parent.name

    def parameters(self, values: Mapping[str, Any]) -> None:
        if self._run:
            with self.reported("parameters"):
                self._run.config.update(
                    {
                        key: str(value) if isinstance(value, (dict, list, tuple)) else value
                        for key, value in values.items()
                    }
                )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        figures = {key: float(value) for key, value in values.items() if key != "step"}
        if self._run and figures:
            with self.reported("metrics"):
                if step < self._step:  # wandb drops what comes for an earlier step
                    self._run.summary.update(figures)
                else:
                    self._run.log(figures, step=step)
                    self._step = step

    def finish(
        self,
        values: Mapping[str, float],
        folder: Path | None = None,
        tags: Mapping[str, str] | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        if not self._run:
            return
        with self.reported("artifacts"):
            import wandb

            self._run.summary.update({f"final/{key}": value for key, value in values.items()})
            self._run.config.update(dict(tags or {}))
            if folder is not None:
                artifact = wandb.Artifact(
                    str(self._run.name), type=str(self._run.job_type or "artifact"), metadata=dict(tags or {})
                )
                if files is None:
                    artifact.add_dir(str(folder))
                for name in files or ():
                    artifact.add_file(str(folder / name), name=name)
                self._run.log_artifact(artifact)
        self._end(0)

    def abandon(self, reason: str) -> None:
        if self._run:
            with self.reported("end"):
                self._run.config.update({"failed": reason})
            self._end(1)

    def _end(self, exit_code: int) -> None:
        """`finish` of an offline run returns before wandb's service has written it; ending the service, once nothing
        else is open, waits for that."""
        if self._run:
            with self.reported("end"):
                import wandb

                self._run.finish(exit_code=exit_code)
                _OPEN.discard(self._run.id)
                self._run = None
                if not _OPEN:
                    wandb.teardown()


def settings(environment: Environment) -> Any:
    """wandb's settings with everything off that is not about the run."""
    import wandb

    return wandb.Settings(
        mode=environment.wandb_mode,
        console="off",
        silent=True,
        save_code=False,
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_disable_viewer=True,
        host="",
        username="",
        email="",
        program="",
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
    )
