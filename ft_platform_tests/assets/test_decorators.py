"""Definitions that are copied from the first use case say and do what Dagster would have made of them."""

import json
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from ft_platform.assets import decorators, jobs
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case

OTHER = {
    "record": {"subject": "person"},
    "governance": {"consent_ledger": "ledger.csv"},
    "release": {"mode": "when_accepted"},
}


def several(environment: Environment) -> None:
    for name in ("complaints", "claims"):
        write_use_case(environment.defs, name, minimal_attributes(f"{name}.csv"))
    other = minimal_attributes("letters.csv")
    for section, settings in OTHER.items():
        other[section] = {**other.get(section, {}), **settings}
    write_use_case(environment.defs, "letters", other)


def snapshot(environment: Environment) -> Any:
    """What Dagster's UI and daemon are told of the code location; lists, whose order varies, are sorted."""
    told = RepositorySnap.from_def(load_definitions(environment).get_repository_def())
    return in_order(json.loads(serialize_value(told)))


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(one) for name, one in value.items()}
    return sorted(map(in_order, value), key=repr) if isinstance(value, list) else value


def operations(environment: Environment) -> dict[str, object]:
    """What no snapshot tells of an asset or check: how its function is called."""
    loaded = load_definitions(environment).get_repository_def()
    return {
        node.name: (
            [vars(one) | {"_dagster_type": str(one.dagster_type)} for one in node.input_defs],
            [vars(one) | {"_dagster_type": str(one.dagster_type)} for one in node.output_defs],
            node.positional_inputs,
            node.required_resource_keys,
            node.description,
            node.tags,
            node._version,
            node.config_schema.as_field().config_type.key,
            sorted(made.keys_by_input_name.items()),
            sorted(made.keys_by_output_name.items()),
            [spec._replace(deps=sorted(spec.deps, key=str)) for spec in made.specs],
            sorted(made.resource_defs),
        )
        for made in loaded.asset_graph.assets_defs
        if isinstance(node := made.node_def if made.is_executable else None, dg.OpDefinition)
    }


def test_copies_are_what_dagster_makes(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    several(environment)
    copied, called = snapshot(environment), operations(environment)
    monkeypatch.setattr(decorators, "COPIED", set())
    monkeypatch.setattr(decorators, "OF_CHECKS", set())
    monkeypatch.delattr(jobs._Job, "resolve")
    assert len(called) > 135, "one does not load"
    assert snapshot(environment) == copied
    assert operations(environment) == called


def test_a_copy_calls_the_function_of_its_own_use_case() -> None:
    def build(word: str) -> dg.AssetsDefinition:
        arguments = {"ins": {}, "owners": [], "kinds": set(), "tags": {}, "metadata": {"word": word}}
        none = {"code_version": word, "freshness_policy": None, "automation_condition": None}
        how = {"io_manager_key": "io_manager", "output_required": True, "group_name": word}

        @decorators.asset(name="said", key_prefix=word, **arguments, **none, **how)
        def said() -> str:
            """What it says."""
            return word

        return said

    made = [build(word) for word in ("first", "second")]
    result = dg.materialize(made)
    assert [result.asset_value([word, "said"]) for word in ("first", "second")] == ["first", "second"]
    assert [made[1].specs_by_key[key].metadata["word"] for key in made[1].keys] == ["second"]
