"""`asset` and `asset_check`: Dagster's decorators, many times as fast for the second and each further use case.

Dagster looks at the signature, the types and the docstring of each function some twenty times. The functions of one
stage differ between use cases in what they refer to only, so what Dagster found for the first is copied: with 200 use
cases the code location loads in a third of the time (`benchmarks/scale.py`)."""

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.definitions.op_definition import OpDefinition
from dagster._record import copy as changed

COPIED = {"key", "name", "key_prefix", "group_name", "ins", "deps", "owners", "kinds", "tags", "metadata",
          "code_version", "freshness_policy", "automation_condition", "io_manager_key", "output_required",
          "partitions_def"}  # fmt: skip
"""Arguments of `asset` that a copy gets. An asset with others is made by Dagster."""
OF_CHECKS = {"asset", "name", "blocking", "description"}

Function = Callable[..., Any]


@dataclass
class _Kind:
    """What the copies of one stage or check have in common.

    Attributes:
        first: what Dagster made for the first use case, as it was made: nothing is cached in it yet.
        bound: the resources that a graph offers, and those of them that this stage needs.
    """

    first: dg.AssetsDefinition
    bound: tuple[Any, Any] = (None, None)


class _Copy:
    """Copies are copied again when the graph gets its resources, instead of looked at anew."""

    _kind: _Kind

    def _but(self, **changed: Any) -> Self:
        made = object.__new__(type(self))
        kept = {name: vars(self)[name] for name in vars(self._kind.first)}  # and nothing that was cached since
        vars(made).update(kept, _kind=self._kind, **changed)
        return made

    def with_resources(self, resource_defs: Mapping[str, dg.ResourceDefinition]) -> Self:
        offered, needed = self._kind.bound
        if offered is not resource_defs:
            needed = super().with_resources(resource_defs)._resource_defs  # type: ignore[misc]
            self._kind.bound = (resource_defs, needed)
        return self._but(_resource_defs=needed)


class _Asset(_Copy, dg.AssetsDefinition):
    pass


class _Check(_Copy, dg.AssetChecksDefinition):
    pass


_kinds: dict[tuple[Any, ...], _Kind] = {}
_signatures: dict[Any, inspect.Signature] = {}


def asset(**arguments: Any) -> Callable[[Function], dg.AssetsDefinition]:
    """As `dg.asset`, with the arguments of `stage` and more."""

    def made(function: Function) -> dg.AssetsDefinition:
        if not arguments.keys() <= COPIED:
            return dg.asset(**arguments)(function)
        how = (arguments.get("io_manager_key"), arguments.get("output_required"), arguments.get("partitions_def"))
        same = (_code(function), *how, *arguments.get("ins", ()))
        if kind := _kinds.get(same):
            return _asset_like(kind, function, **arguments)
        first = dg.asset(**arguments)(function)
        _kinds[same] = _Kind(copy.copy(first))
        return first

    return made


def asset_check(**arguments: Any) -> Callable[[Function], dg.AssetChecksDefinition]:
    """As `dg.asset_check`."""

    def made(function: Function) -> dg.AssetChecksDefinition:
        if not arguments.keys() <= OF_CHECKS:
            return dg.asset_check(**arguments)(function)
        same = (_code(function), "check", arguments.get("name"))
        if kind := _kinds.get(same):
            return _check_like(kind, function, **arguments)
        first = dg.asset_check(**arguments)(function)
        _kinds[same] = _Kind(copy.copy(first))
        return first

    return made


def sensor(**arguments: Any) -> Callable[[Function], dg.SensorDefinition]:
    """As `dg.sensor`, which looks at the signature of each function four times."""

    def made(function: Function) -> dg.SensorDefinition:
        code = _code(function)
        if code not in _signatures:
            _signatures[code] = inspect.signature(function)
        function.__signature__ = _signatures[code]  # type: ignore[attr-defined]
        return dg.sensor(**arguments)(function)

    return made


def with_metadata(
    asset: dg.AssetsDefinition, metadata: Callable[[dg.AssetSpec], Mapping[str, Any]]
) -> dg.AssetsDefinition:
    """The same assets, which also say this."""

    def more(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec._replace(metadata={**spec.metadata, **metadata(spec)})

    if isinstance(asset, _Copy):
        return asset._but(_specs_by_key={spec.key: more(spec) for spec in asset.specs})
    return asset.map_asset_specs(more)


def _code(function: Function) -> Any:
    return inspect.unwrap(function).__code__


def _asset_like(kind: _Kind, function: Function, **arguments: Any) -> dg.AssetsDefinition:
    prefix = arguments.get("key_prefix", ())
    key = arguments.get("key") or dg.AssetKey(
        [*([prefix] if isinstance(prefix, str) else prefix), arguments["name"]],
    )
    inputs = {name: given.key for name, given in arguments.get("ins", {}).items()}
    inputs |= {"_".join(dep.path): dep for dep in map(dg.AssetKey.from_coercible, arguments.get("deps", ()))}
    first = kind.first
    (of_first,) = first.specs
    op = _op_like(first, function, key.to_python_identifier(), inputs)
    # What Dagster keeps of an asset in its output too.
    op._version = arguments["code_version"]
    (output,) = op._output_defs
    output = copy.copy(output)
    output._code_version = arguments["code_version"]
    metadata = arguments.get("metadata", {})
    output._raw_metadata, output._metadata = metadata, normalize_metadata(metadata, allow_invalid=True)
    op._output_defs, op._output_dict = [output], {output.name: output}
    spec = _looked_at(
        arguments["group_name"],
        tuple(arguments["owners"]),
        tuple(arguments["tags"].items()),
        frozenset(arguments["kinds"]),
    )._replace(
        key=key,
        deps=[dg.AssetDep(one) for one in dict.fromkeys(inputs.values())],
        description=of_first.description,
        metadata=metadata,
        skippable=of_first.skippable,
        code_version=arguments["code_version"],
        freshness_policy=arguments.get("freshness_policy"),
        automation_condition=arguments.get("automation_condition"),
        partitions_def=arguments.get("partitions_def"),
    )
    made = object.__new__(_Asset)
    computation = changed(
        first._computation,
        node_def=op,
        keys_by_input_name=inputs,
        keys_by_output_name={output.name: key},
        selected_asset_keys={key},
    )
    vars(made).update(vars(first), _kind=kind, _computation=computation, _specs_by_key={key: spec})
    return made


@lru_cache(maxsize=64)  # stages of a use case share them
def _looked_at(
    group: str, owners: tuple[str, ...], tags: tuple[tuple[str, str], ...], kinds: frozenset[str]
) -> dg.AssetSpec:
    """An asset with what people may write, of which Dagster allows not everything."""
    return dg.AssetSpec("any", group_name=group, owners=list(owners), tags=dict(tags), kinds=set(kinds))


def _check_like(kind: _Kind, function: Function, **arguments: Any) -> dg.AssetChecksDefinition:
    first = kind.first
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
    (output,) = op._output_defs
    computation = changed(
        first._computation,
        node_def=op,
        keys_by_input_name=inputs,
        check_keys_by_output_name={output.name: spec.key},
        selected_asset_check_keys={spec.key},
    )
    made = object.__new__(_Check)
    vars(made).update(
        vars(first),
        _kind=kind,
        _computation=computation,
        _check_specs_by_output_name={output.name: spec},
        _check_specs_by_key={spec.key: spec},
    )
    return made


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
