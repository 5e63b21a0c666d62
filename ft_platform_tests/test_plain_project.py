"""The component where Dagster itself loads it, in a project that is not ours. `test_installed.py` does it with `dg`."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_platform.components import FineTuningUseCase
from ft_platform.orchestration.loading import load_component
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case

CONTEXT: Any = SimpleNamespace()
"""Of Dagster's loader; the component does not look into it."""


@pytest.fixture
def component(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> FineTuningUseCase:
    monkeypatch.setattr("ft_platform.orchestration.fine_tuning.load_environment", lambda: environment)
    return load_component(
        write_use_case(environment.defs, "letters", minimal_attributes("a.csv")).parent, {}, environment
    )


def test_each_use_case_brings_its_resources_and_several_go_together(
    environment: Environment, component: FineTuningUseCase
) -> None:
    other = load_component(
        write_use_case(environment.defs, "claims", minimal_attributes("a.csv")).parent, {}, environment
    )
    project = dg.Definitions(assets=[dg.AssetSpec("of_the_project")], resources={"own": 1})
    loaded = dg.Definitions.merge(project, component.build_defs(CONTEXT), other.build_defs(CONTEXT))
    keys = {key.to_user_string() for key in loaded.get_repository_def().asset_graph.get_all_asset_keys()}
    assert {"of_the_project", "letters/splits", "claims/splits"} <= keys
    assert {"own", "lake", "environment", "versions"} <= set(loaded.resources or {})


def test_a_use_case_with_an_account_of_its_own_is_not_loaded_by_another_one(
    environment: Environment, component: FineTuningUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.orchestration.fine_tuning.is_served_here", lambda _, name: name != "letters")
    assert not component.build_defs(CONTEXT).assets and component.build_defs().assets
