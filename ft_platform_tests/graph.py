"""A small real graph for tests: real data stages on a CSV, real ticks, and a stand-in for the compute back end that
publishes at once."""

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.compute.backend import Launch
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import from_dict
from ft_platform.orchestration.loading import load_definitions
from ft_platform.stages import AUDIT_PAGE, STAGES
from ft_platform.use_case.file import FILE_NAME
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

WRITTEN_AT = 1_780_000_000

WORDS = {
    "mortgage": "mortgage escrow house appraisal refinance lender servicer foreclosure payoff deed title closing",
    "credit card": "card cashback statement interest swipe merchant chargeback limit rewards annual fee balance",
    "student loan": "student loan forbearance university deferment repayment tuition grant servicer degree campus",
}


def records(rows_per_label: int = 30, start: int = 0, consent: str = "yes") -> list[dict[str, str]]:
    """Fictitious complaints with distinct texts: no two are near duplicates."""
    made = []
    for label, words in WORDS.items():
        vocabulary = words.split()
        for n in range(start, start + rows_per_label):
            picked = [vocabulary[(n * 7 + k * (n % 5 + 1)) % len(vocabulary)] for k in range(6)]
            text = f"Case {n * 37 + 11} about my {label}: " + " ".join(
                f"{w}{(n * 13 + k) % 97}" for k, w in enumerate(picked)
            )
            made.append(
                {
                    "id": f"{label[:3]}{n}",
                    "text": text,
                    "label": label,
                    "consent": consent,
                    "region": ["north", "south"][n % 2],
                }
            )
    return made


def write_csv(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    rows = list(rows)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.utime(path, (WRITTEN_AT, WRITTEN_AT))  # the sensor waits for files that were changed within the last seconds
    return path


def stand_in_audit(lake: Lake, use_case: NamedUseCase, splits: Any) -> Any:
    """A published audit without a fault, as if there were a tokenizer."""
    from ft_platform.training.audit_faults import Found
    from ft_platform.training.audit_verdict import FIGURES, audit_inputs

    figures = {
        **Found(use_case.settings.audit, splits.rows).numbers(),
        "passed": True,
        "renderer_hash": None,
        "renderer_hashes": {},
        "rows_per_second": 0,
    }
    audit_id, inputs = audit_inputs(use_case, splits)
    with lake.scratch(use_case.name, AUDIT_PAGE) as folder:
        folder.mkdir(parents=True)
        (folder / FIGURES).write_text(json.dumps(figures))
        return lake.publish(
            use_case.name, AUDIT_PAGE, audit_id, folder, parents=[splits], settings_hash="stand-in", input_hash=inputs
        )


class StandInBackend:
    """Publishes what a program would, without a model. Counts what was started, audits of the splits not."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def run(self, launch: Launch) -> dict[str, Any]:
        from ft_platform.evaluation.inputs import evaluation_inputs
        from ft_platform.training.inputs import checkpoint_inputs

        lake, use_case, program = open_lake(launch.environment), launch.use_case, launch.program
        splits = from_dict(launch.handles["splits"])
        if program == "audit":
            return {"artifact": stand_in_audit(lake, use_case, splits).to_dict()}
        self.started.append(program)
        if program == "train":
            name, (artifact_id, inputs) = "adapter_checkpoint", checkpoint_inputs(use_case, splits)
        else:
            name, (artifact_id, inputs) = "base_evaluation", evaluation_inputs(use_case, "base", splits, None, None)
        with lake.scratch(use_case.name, name) as folder:
            folder.mkdir(parents=True)
            figure = {"value": 0.5, "low": 0.4, "high": 0.6}
            (folder / "metrics.json").write_text(
                json.dumps({"systems": {"majority": {"macro_f1": figure}}, "test_rows": 9})
            )
            (folder / "inputs.txt").write_text(inputs)
            made = lake.publish(
                use_case.name,
                name,
                artifact_id,
                folder,
                parents=[splits],
                settings_hash=STAGES[name].settings_hash(use_case),
                input_hash=inputs,
            )
        return {"artifact": made.to_dict()}


def run_here(launch: Launch) -> dict[str, Any]:
    """Does what the programs do, without a process of their own."""
    from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
    from ft_platform.reporting.publishing.privacy import publish_privacy_report
    from ft_platform.reporting.publishing.regression import publish_regression_report
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.reporting.publishing.training_audit import audit_for

    lake, environment, use_case, program, extras = (
        open_lake(launch.environment),
        launch.environment,
        launch.use_case,
        launch.program,
        launch.handles,
    )
    log = launch.context.log
    if program == "regression":
        return {
            "artifact": (
                publish_regression_report(lake, environment, use_case, from_dict(extras["checkpoint"]), log).to_dict()
            )
        }
    handles = {name: from_dict(extras[name]) for name in ("splits", "checkpoint", "base_evaluation") if name in extras}
    where = (lake, environment, use_case, handles["splits"])
    if program == "audit":
        made = audit_for(*where)
    elif program == "train":
        made = checkpoint_for(*where, log).checkpoint
    elif program == "attack":
        made = publish_privacy_report(*where, handles["checkpoint"], log)
    elif extras["which"] == "base":
        made = publish_base_evaluation(*where, log)
    else:
        made = publish_evaluation_report(*where, handles["checkpoint"], handles["base_evaluation"], log)
    return {"artifact": made.to_dict()}


class Graph:
    """One use case on an ephemeral instance, driven by automation ticks as the daemon does it."""

    def __init__(self, environment: Environment, name: str, instance: dg.DagsterInstance) -> None:
        self.environment = environment
        self.name = name
        self.instance = instance
        self.cursor: Any = None
        self.sensor_cursor: str | None = None
        self._loaded: dict[tuple[str, str], dg.Definitions] = {}

    def definitions(self, overrides: dict[str, Any] | None = None) -> dg.Definitions:
        """Loaded once for each content of the YAML, as the daemon does."""
        content = ((self.environment.defs / self.name / FILE_NAME).read_text(), repr(overrides))
        if content not in self._loaded:
            self._loaded[content] = load_definitions(self.environment, only=self.name, overrides=overrides)
        return self._loaded[content]

    def run(self, *stages: str, overrides: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
        selection = [dg.AssetKey([self.name, s]) for s in stages] or None
        return (
            self.definitions(overrides)
            .resolve_job_def(self.name)
            .execute_in_process(instance=self.instance, asset_selection=selection, raise_on_error=False)
        )

    def tick(self, overrides: dict[str, Any] | None = None) -> set[str]:
        """One evaluation of all conditions. Returns the stages that are requested."""
        result = dg.evaluate_automation_conditions(self.definitions(overrides), self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        keys = [dg.AssetKey([self.name, s]) for s in STAGES]
        return {k.path[-1] for k in keys if result.get_num_requested(k)}

    def look_at_source(self, overrides: dict[str, Any] | None = None) -> bool:
        """One evaluation of the source sensor. Returns whether it reported a change."""
        definitions = self.definitions(overrides)
        sensor = definitions.resolve_sensor_def(f"{self.name}_source")
        given = {"environment": self.environment, "lake": open_lake(self.environment)}
        with dg.build_sensor_context(instance=self.instance, cursor=self.sensor_cursor, resources=given) as context:
            result = sensor(context)
        if isinstance(result, dg.SkipReason):
            return False
        assert isinstance(result, dg.SensorResult)
        for event in result.asset_events or []:
            self.instance.report_runless_asset_event(event)
        self.sensor_cursor = result.cursor
        return True

    def settle(self, only: Iterable[str], overrides: dict[str, Any] | None = None, most: int = 20) -> list[set[str]]:
        """Ticks and runs what is requested (among `only`) until three ticks request nothing. Returns the requests."""
        asked: list[set[str]] = []
        quiet = 0
        for _ in range(most):
            requested = self.tick(overrides) & set(only)
            quiet = 0 if requested else quiet + 1
            if quiet == 3:
                return asked
            if requested:
                asked.append(requested)
                self.run(*sorted(requested), overrides=overrides)
        raise AssertionError(f"still asking after {most} ticks: {asked}")
