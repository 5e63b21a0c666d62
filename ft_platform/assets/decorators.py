"""`asset` and `asset_check`: Dagster's decorators, many times as fast for the second and each further use case.

Dagster looks at the signature, the types and the docstring of each function some twenty times. The functions of one
stage differ between use cases in what they refer to only, so what Dagster found for the first is copied: with 200 use
cases the code location loads in a third of the time (`benchmarks/scale.py`)."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.definitions.op_definition import OpDefinition

COPIED = {"name", "key_prefix", "group_name", "ins", "deps", "owners", "kinds", "tags", "metadata", "code_version",
          "freshness_policy", "automation_condition", "io_manager_key", "output_required"}  # fmt: skip
"""Arguments of `asset` that a copy gets. An asset with others is made by Dagster."""
OF_CHECKS = {"asset", "name", "blocking", "description"}

_first: dict[tuple[Any, ...], dg.AssetsDefinition] = {}
Function = Callable[..., Any]


def asset(**arguments: Any) -> Callable[[Function], dg.AssetsDefinition]:
    """As `dg.asset`, with the arguments of `stage` and more."""

    def made(function: Function) -> dg.AssetsDefinition:
        if not arguments.keys() <= COPIED:
            return dg.asset(**arguments)(function)
        same = (_code(function), arguments["io_manager_key"], arguments["output_required"], *arguments["ins"])
        first = _first.get(same)
        if first is None:
            return _first.setdefault(same, dg.asset(**arguments)(function))
        return _asset_like(first, function, **arguments)

    return made


def asset_check(**arguments: Any) -> Callable[[Function], dg.AssetChecksDefinition]:
    """As `dg.asset_check`."""

    def made(function: Function) -> dg.AssetChecksDefinition:
        if not arguments.keys() <= OF_CHECKS:
            return dg.asset_check(**arguments)(function)
        same = (_code(function), "check", arguments.get("name"))
        first = _first.get(same)
        if first is None:
            return _first.setdefault(same, dg.asset_check(**arguments)(function))  # type: ignore[return-value]
        return _check_like(first, function, **arguments)

    return made


def _code(function: Function) -> Any:
    return inspect.unwrap(function).__code__


def _asset_like(first: dg.AssetsDefinition, function: Function, **arguments: Any) -> dg.AssetsDefinition:
    prefix = arguments["key_prefix"]
    key = dg.AssetKey([*([prefix] if isinstance(prefix, str) else prefix), arguments["name"]])
    inputs = {name: given.key for name, given in arguments["ins"].items()}
    inputs |= {"_".join(dep.path): dep for dep in map(dg.AssetKey.from_coercible, arguments.get("deps", ()))}
    (spec,) = first.specs
    op = _op_like(first, function, key.to_python_identifier(), inputs)
    # What Dagster keeps of an asset in its output too.
    op._version = arguments["code_version"]
    (output,) = op._output_defs
    output = copy.copy(output)
    output._code_version = arguments["code_version"]
    output._raw_metadata = arguments["metadata"]
    output._metadata = normalize_metadata(arguments["metadata"], allow_invalid=True)
    op._output_defs, op._output_dict = [output], {output.name: output}
    return dg.AssetsDefinition(
        node_def=op,
        keys_by_input_name=inputs,
        keys_by_output_name={output.name: key},
        specs=[
            dg.AssetSpec(
                key,
                deps=list(inputs.values()),
                description=spec.description,
                metadata=arguments["metadata"],
                skippable=spec.skippable,
                group_name=arguments["group_name"],
                code_version=arguments["code_version"],
                freshness_policy=arguments["freshness_policy"],
                automation_condition=arguments["automation_condition"],
                owners=arguments["owners"],
                tags=arguments["tags"],
                kinds=arguments["kinds"],
            )
        ],
    )


def _check_like(first: dg.AssetsDefinition, function: Function, **arguments: Any) -> dg.AssetChecksDefinition:
    (of_first,) = first.check_specs
    checked = dg.AssetKey.from_coercible(arguments["asset"])
    spec = dg.AssetCheckSpec(
        of_first.name,
        asset=checked,
        description=arguments.get("description") or of_first.description,
        blocking=arguments.get("blocking", False),
    )
    taken = [one.name for one in first.node_def.input_defs if not one.dagster_type.is_nothing]
    inputs = dict.fromkeys(taken or ["_".join(checked.path)], checked)
    op = _op_like(first, function, spec.get_python_identifier(), inputs)
    return dg.AssetChecksDefinition.create(
        keys_by_input_name=inputs,
        node_def=op,
        resource_defs={},
        check_specs_by_output_name={op.output_defs[0].name: spec},
        can_subset=False,
    )


def _op_like(
    first: dg.AssetsDefinition, function: Function, name: str, inputs: Mapping[str, dg.AssetKey]
) -> OpDefinition:
    """Args:
    inputs: those that the function takes, and those that must only be there (`deps`), named after their asset.
    """
    op = copy.copy(first.node_def)
    assert isinstance(op, OpDefinition)
    op._name, op._compute_fn = name, DecoratedOpFunction(function)
    taken = {one.name: one for one in op._input_defs if not one.dagster_type.is_nothing}
    if inputs.keys() != op._input_dict.keys():
        op._input_dict = {name: taken.get(name) or dg.In(dg.Nothing).to_definition(name) for name in sorted(inputs)}
        op._input_defs = list(op._input_dict.values())
    return op
