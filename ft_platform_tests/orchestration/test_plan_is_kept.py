"""What the plan of a run says is what the run does, after random histories of edits, rows, consents, erasures,
overrides, continued trainings, and changed code.

The graph, the lake and the stages are real. A stand-in takes the place of the programs, writes down which were started
and publishes an artifact at once; what a program makes is not looked at here. Persons are fictitious.
"""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from ft_platform import cli
from ft_platform.compute.backend import Launch
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import from_dict
from ft_platform.orchestration.plan import Plan, plan
from ft_platform.release.erasures import requests
from ft_platform.stages import STAGES
from ft_platform.training.continuing import start_of
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.file import FILE_NAME, load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import NEWEST
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, records, stand_in_audit, write_csv

NAME = "complaints"
DATA = ["raw_records", "permitted_records", "cleaned_records", "quarantined_records", "anonymized_records", "splits"]
STAGES_RUN = [*DATA, "data_report", "base_evaluation", "adapter_checkpoint", "evaluation_report"]
ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
EDITS: dict[str, list[Any]] = {
    "description": ["Routes complaints.", "Sorts complaints of fictitious customers."],
    "cleaning.min_characters": [5, 6, 30],
    "privacy.k": [2, 3],
    "splits.test_fraction": [0.2, 0.25],
    "training.epochs": [1, 2, 3],
    "training.learning_rate": [1e-4, 2e-4],
    "training.continue_from": [None, NEWEST],
    "evaluation.bootstrap_samples": [100, 200],
    "governance.purpose": ["complaint routing", "letters"],
}


class Recorder:
    """In place of the back end: notes the programs that are started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def run(self, launch: Launch) -> dict[str, Any]:
        lake, use_case = open_lake(launch.environment), launch.use_case
        handles = {name: from_dict(value) for name, value in launch.handles.items() if isinstance(value, dict)}
        splits: Any = handles["splits"]
        self.started.append(launch.program)
        if launch.program == "audit":
            return {"artifact": stand_in_audit(lake, use_case, splits).to_dict()}
        info, parents = {}, list(handles.values())
        if launch.program == "train":
            start = start_of(lake, use_case, splits)
            stage, (artifact_id, inputs) = "adapter_checkpoint", checkpoint_inputs(use_case, splits, start)
            content: dict[str, Any] = {"training": use_case.settings.training.model_dump(mode="json"), "labels": []}
            content["base_model"] = {"uri": "none"}
            info = {"continued_from": {"checkpoint": start.id}} if start else {}
            parents += [start] if start else []
        else:
            stage = "base_evaluation" if launch.handles["which"] == "base" else "evaluation_report"
            about = (splits, handles.get("checkpoint"), handles.get("base_evaluation"))
            artifact_id, inputs = evaluation_inputs(use_case, launch.handles["which"], *about)  # type: ignore[arg-type]
            figure = {"value": 0.5, "low": 0.4, "high": 0.6}
            content = {"systems": {"majority": {"macro_f1": figure}}, "test_rows": 9}
        with lake.scratch(use_case.name, stage) as folder:
            folder.mkdir(parents=True)
            (folder / ("training.json" if launch.program == "train" else "metrics.json")).write_text(
                json.dumps({**content, "inputs": inputs})
            )
            made = lake.publish(
                use_case.name,
                stage,
                artifact_id,
                folder,
                parents=parents,
                settings_hash=STAGES[stage].settings_hash(use_case),
                input_hash=inputs,
                info=info,
            )
        return {"artifact": made.to_dict()}


class History:
    """A use case, and what may happen to it between two runs."""

    def __init__(self, environment: Environment, folder: Path, patch: pytest.MonkeyPatch, seed: int) -> None:
        self.environment, self.patch, self.random = environment, patch, random.Random(seed)
        self.rows = [{**row, "person": f"p{row['id']}"} for row in records(12)]
        self.gone: list[dict[str, str]] = []
        self.source, self.recorder = folder / f"{NAME}.csv", Recorder()
        attributes = minimal_attributes(str(self.source))
        attributes["record"] |= {"subject": "person"}
        attributes["owners"] = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}
        write_use_case(environment.defs, NAME, attributes)
        patch.setattr("ft_platform.compute.backends.local.run", self.recorder.run)
        self.graph = Graph(environment, NAME, dg.DagsterInstance.ephemeral())
        self.write()

    def write(self) -> None:
        write_csv(self.source, self.rows)

    def edit(self, path: str, value: Any) -> None:
        file = self.environment.defs / NAME / FILE_NAME
        document = yaml.safe_load(file.read_text())
        section = document["attributes"]
        *above, field = path.split(".")
        for name in above:
            section = section.setdefault(name, {})
        section[field] = value
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def anything(self) -> tuple[str, dict[str, Any]]:
        """Lets something happen. Returns what, and the overrides of the next run."""
        what = self.random.choice(
            [
                "edit",
                "edit",
                "edit",
                "append",
                "vanish",
                "back",
                "withdraw",
                "erase",
                "code",
                "continue",
                "override",
                "-",
            ]
        )
        path = self.random.choice(list(EDITS))
        value = self.random.choice(EDITS[path])
        row = self.random.choice(self.rows)
        if what == "edit":
            self.edit(path, value)
            return f"{path}={value}", {}
        if what == "override":
            return f"for one run {path}={value}", {path: value}
        if what == "continue":
            epochs = self.random.choice([1, 2])
            return "continue", {"training.continue_from": NEWEST, "training.epochs": epochs}
        if what != "-":
            getattr(self, f"_{what}")(row)
        return what, {}

    def _append(self, row: dict[str, str]) -> None:
        start = 100 + self.random.randrange(1000)
        self.rows += [{**one, "person": f"p{one['id']}"} for one in records(2, start=start)]
        self.write()

    def _vanish(self, row: dict[str, str]) -> None:
        self.rows.remove(row)
        self.gone.append(row)
        self.write()

    def _back(self, row: dict[str, str]) -> None:
        self.rows, self.gone = [*self.rows, *self.gone], []
        self.write()

    def _withdraw(self, row: dict[str, str]) -> None:
        row["consent"] = "no"
        self.write()

    def _erase(self, row: dict[str, str]) -> None:
        if open_lake(self.environment).latest(NAME, "splits") is None:
            return
        self.rows.remove(row)
        self.write()
        words = [NAME, row["person"]]
        asked = ["erase", "request", *words, "--reason", "Letter of 3 March", "--by", ANA, "--json"]
        assert cli.main(asked) == 0
        case = load_use_case(self.environment.defs / NAME, None, self.environment)
        newest = max(requests(open_lake(self.environment), case), key=lambda one: one.said["at"])
        assert cli.main(["erase", "approve", NAME, newest.id, "--by", BO]) == 0
        assert cli.main(["erase", "subject", *words]) == 0

    def _code(self, row: dict[str, str]) -> None:
        name = self.random.choice([name for name in STAGES_RUN if name != "quarantined_records"])
        self.patch.setitem(STAGES, name, replace(STAGES[name], version=STAGES[name].version + 1))

    def plan(self, overrides: dict[str, Any], stages: list[str]) -> Plan:
        case = load_use_case(self.environment.defs / NAME, overrides, self.environment)
        return plan(open_lake(self.environment), self.environment, case, stages, self.graph.instance)


def made_and_reused(result: dg.ExecuteInProcessResult) -> tuple[set[str], set[str]]:
    """Stages by what their events say; `quarantined_records` only shows what was written with another table."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    reused = {
        (one.asset_key or dg.AssetKey("none")).path[-1]: bool(one.metadata["reused"].value)
        for one in events
        if "reused" in one.metadata
    }
    reused.pop("quarantined_records", None)
    return {name for name in reused if not reused[name]}, {name for name in reused if reused[name]}


def kept(history: History, overrides: dict[str, Any], stages: list[str]) -> str:
    """Plans and runs these stages. Returns how the run differed from the plan; empty: not at all."""
    planned = history.plan(overrides, stages)
    history.recorder.started.clear()
    history.graph._loaded.clear()  # versions of code are part of the definitions
    result = history.graph.run(*stages, overrides=overrides)
    started, (made, reused) = list(history.recorder.started), made_and_reused(result)
    sure = {one.stage for one in planned.stages if one.why and not one.why.startswith("after ")}
    again = {one.stage for one in planned.stages if not one.why}
    programs = [program for one in planned.stages for program in one.programs]
    # Splits that are made can hold what others held before, whose audit is there.
    certain = [one for one in programs if one == "audit" and "splits" in again]
    certain += [program for one in planned.stages if one.stage in sure - {"splits"} for program in one.programs]
    failed = [event for event in result.all_events if event.is_step_failure]
    refused = [event for event in failed if "VersionRefused" in str(event.step_failure_data.user_failure_data)]
    problems = {
        "it failed": {event.step_key for event in failed if event not in refused},  # not so a continued, tainted one
        "it made what it was to use again": again & made,
        "it used again what it was to make": sure & reused,
        "it started more than was planned": {one for one in started if started.count(one) > programs.count(one)},
        "it did not start what was planned": {one for one in certain if certain.count(one) > started.count(one)}
        if result.success
        else set(),
    }
    return "; ".join(f"{what}: {sorted(which)}" for what, which in problems.items() if which)


def lives(environment: Environment, folder: Path, seed: int, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        history = History(environment, folder, patch, seed)
        happened = ["first run"]
        assert not kept(history, {}, STAGES_RUN)
        for _ in range(steps):
            what, overrides = history.anything()
            happened.append(what)
            few = history.random.random() < 0.2
            stages = sorted(history.random.sample(STAGES_RUN, 3), key=STAGES_RUN.index) if few else STAGES_RUN
            difference = kept(history, overrides, stages)
            assert not difference, f"seed {seed}, after {happened} of {stages}: {difference}"


@pytest.mark.integration
def test_a_continued_training_whose_settings_come_into_the_file_is_not_what_a_plain_run_makes(
    installation: Environment,  # noqa: F811
    tmp_path: Path,
    quick_stages: None,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        history = History(installation, tmp_path, patch, 0)
        history.edit("training.epochs", 1)
        assert not kept(history, {}, STAGES_RUN)
        first = open_lake(installation).artifacts(NAME, "adapter_checkpoint")[0]
        assert not kept(history, {"training.continue_from": NEWEST, "training.epochs": 2}, STAGES_RUN)
        history.edit("training.epochs", 2)
        planned = {one.stage: one for one in history.plan({}, STAGES_RUN).stages}
        assert planned["adapter_checkpoint"].why == "trained from the base model, which the newest was not"
        assert planned["adapter_checkpoint"].programs == ("train",)
        further = history.plan({"training.continue_from": first.artifact_id}, STAGES_RUN)
        assert not further.made, "what a person may type to stay with the continued one"
        assert not kept(history, {}, STAGES_RUN)
        assert history.recorder.started == ["train", "evaluate"]

        history.edit("training.epochs", 1)
        plan_of_the_first = history.plan({}, STAGES_RUN)
        assert f"The checkpoint is {first.artifact_id}" in plan_of_the_first.instead
        assert not kept(history, {}, STAGES_RUN)
        assert history.recorder.started == []


@pytest.mark.integration
def test_an_erasure_trains_anew_and_the_plan_says_so(
    installation: Environment,  # noqa: F811
    tmp_path: Path,
    quick_stages: None,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        history = History(installation, tmp_path, patch, 0)
        assert not kept(history, {}, STAGES_RUN)
        assert not history.plan({}, STAGES_RUN).made
        history._erase(history.rows[3])
        planned = history.plan({}, STAGES_RUN)
        assert planned.stages[0].why == "inputs changed"
        assert "train" in [program for one in planned.stages for program in one.programs]
        assert not kept(history, {}, STAGES_RUN)
        assert "train" in history.recorder.started


def test_every_stage_with_a_program_is_asked_by_the_plan_what_it_uses_again() -> None:
    assert [name for name, stage in STAGES.items() if stage.program and stage.existing is None] == []


@pytest.mark.integration
@pytest.mark.smoke
def test_a_run_does_what_its_plan_says(
    installation: Environment,  # noqa: F811
    tmp_path: Path,
    quick_stages: None,
) -> None:
    lives(installation, tmp_path, seed=1, steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_histories(installation: Environment, tmp_path: Path, quick_stages: None, seed: int) -> None:  # noqa: F811
    """Each of ten lives passes through ten: after one thing, after two, ..."""
    lives(installation, tmp_path, seed=100 + seed, steps=10)
