"""An instance behind the edge: made from dagster.yaml, in every way in which Dagster makes one."""

import logging
import os
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ft_platform import cli
from ft_platform.definitions import defs
from ft_platform.errors import ConfigError
from ft_platform.orchestration.instance import prepare_home
from ft_platform.redaction.compute_logs import RestrictedComputeLogs
from ft_platform.redaction.instance import RedactingInstance, edge_of, guard
from ft_platform.redaction.settings_file import INSTANCE_CLASS, instance_problems
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.planted import places_of, readable

OURS = {"instance_class": INSTANCE_CLASS}


@pytest.mark.parametrize("file", ["dagster.yaml", "ft_platform/dagster.yaml", "infra/docker/dagster.yaml"])
def test_every_file_of_settings_that_we_ship_names_the_edge(file: str) -> None:
    assert yaml.safe_load((REPOSITORY / file).read_text())["instance_class"] == INSTANCE_CLASS


def test_other_processes_get_the_edge_with_the_reference_to_the_instance(tmp_path: Path) -> None:
    with (
        dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as made,
        dg.DagsterInstance.from_ref(made.get_ref()) as again,
    ):
        assert isinstance(again, RedactingInstance) and edge_of(again).withheld.folder == tmp_path / "restricted"
        assert isinstance(again.compute_log_manager, RestrictedComputeLogs)


def test_an_instance_is_guarded_once(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        edge = edge_of(guard(instance))
        assert edge_of(guard(instance)) is edge


def test_the_ui_gets_the_place_of_output_and_none_of_it(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as instance:
        manager, key = instance.compute_log_manager, ["run", "compute_logs", "step"]
        assert manager.get_log_data(key).stdout is None
        with manager.capture_logs(key):
            os.write(1, b"Marta canary 7901\n")
        data = manager.get_log_data(key)
        assert data.stdout and b"Marta" not in data.stdout and str(tmp_path / "restricted").encode() in data.stdout
        assert manager.get_log_data(key, cursor=data.cursor).stdout == b""
        (kept,) = (tmp_path / "restricted" / "output" / "run").rglob("step.out")
        assert kept.read_text() == "Marta canary 7901\n"
        manager.delete_logs(prefix=["run"])
        assert not list((tmp_path / "restricted" / "output").rglob("*.out"))
    assert places_of("Marta canary 7901", readable(tmp_path)) == []


@pytest.mark.integration
def test_text_in_the_configuration_of_a_run_is_refused_with_its_place(tmp_path: Path) -> None:
    config = {
        "loggers": {"console": {"config": {"log_level": "INFO", "name": {"env": "KEY"}}}},
        "ops": {
            "letters": {"config": {"who": "Marta", "rows": 3, "all": True, "key": {"env": "KEY"}, "Marta": ["Quirin"]}}
        },
    }
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as instance:
        with pytest.raises(
            ConfigError,
            match=r"text at loggers\.console\.config\.name\.env, ops\.letters\.config\.\.\.\.,"
            r" ops\.letters\.config\.key\.env, ops\.letters\.config\.who, ",
        ) as refused:
            instance.add_run(dg.DagsterRun("job", run_config=config))
        assert "Marta" not in str(refused.value) and "Quirin" not in str(refused.value)
        del config["loggers"]["console"]["config"]["name"]
        for name in ("who", "Marta", "key"):
            del config["ops"]["letters"]["config"][name]
        instance.add_run(dg.DagsterRun("job", run_config=config))


@pytest.mark.integration
def test_system_tags_of_a_run_stay_as_they_are(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as instance:
        run = instance.add_run(
            dg.DagsterRun("job", tags={"dagster/run_key": "1:abc", "ft/worker": "{}", "team": "Marta", "attempt": "3"})
        )
        tags = instance.get_run_by_id(run.run_id).tags  # type: ignore[union-attr]
        found = {name: tags[name] for name in ("dagster/run_key", "ft/worker", "attempt")}
        assert found == {"dagster/run_key": "1:abc", "ft/worker": "{}", "attempt": "3"}
        assert tags["team"].startswith("withheld-")


def test_an_instance_without_the_edge_is_a_problem_of_ft_check_and_stops_the_graph(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = environment.home / "dagster"
    home.mkdir(parents=True)
    for name, value in {"FT_HOME": environment.home, "FT_DEFS": environment.defs, "DAGSTER_HOME": home}.items():
        monkeypatch.setenv(name, str(value))
    assert instance_problems(home) == []
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert cli.main(["check"]) == 1
    assert "Add the line `instance_class:" in capsys.readouterr().err
    monkeypatch.setattr("ft_platform.orchestration.shared.install_hooks", lambda: None)
    with pytest.raises(ConfigError, match="stores texts that may be personal data"):
        defs()
    prepare_home(environment)  # as every command that runs or shows something does
    assert instance_problems(home) == [] and "telemetry: {enabled: false}" in (home / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
    assert instance_problems(home) == []


def materialize_letters(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def letters(context: dg.AssetExecutionContext) -> None:
        context.log.info("Marta canary 7902")

    assert dg.materialize([letters], instance=instance).success


@pytest.mark.integration
def test_a_run_leaves_the_handlers_of_the_process_around_it_open(tmp_path: Path) -> None:
    class Closing(logging.StreamHandler):
        """Closes what it writes to, as absl's handler does."""

        def close(self) -> None:
            self.stream.close()
            super().close()

    (tmp_path / "home").mkdir()
    with (
        dg.DagsterInstance.local_temp(
            str(tmp_path / "home"), overrides={**OURS, "python_logs": {"python_log_level": "INFO"}}
        ) as instance,
        (tmp_path / "log").open("w") as file,
    ):
        handler = Closing(file)
        materialize_letters(instance)
        assert not file.closed
        handler.close()


@pytest.mark.integration
def test_handlers_that_dagster_yaml_names_get_what_the_edge_passes(tmp_path: Path) -> None:
    handlers = {"lines": {"class": "logging.FileHandler", "filename": str(tmp_path / "lines.log"), "level": "DEBUG"}}
    logs = {"python_logs": {"dagster_handler_config": {"handlers": handlers}}}
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), overrides={**OURS, **logs}) as instance:
        materialize_letters(instance)
    lines = (tmp_path / "lines.log").read_text()
    assert "Marta" not in lines and "withheld" in lines and 'Started execution of step "letters"' in lines
