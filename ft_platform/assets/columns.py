"""Columns of a table as Dagster shows them: with the definition of an asset what they are, with each version where they
come from."""

from functools import lru_cache
from typing import Any

import dagster as dg

from ft_platform.records.column_lineage import PARENTS, WHAT, column_parents, schema_of
from ft_platform.use_case.named import NamedUseCase


def column_schema(use_case: NamedUseCase, stage: str) -> dict[str, Any]:
    """`dagster/column_schema` of a stage; empty where it writes no table."""
    schema = schema_of(use_case, stage)
    if schema is None:
        return {}
    return {"dagster/column_schema": _shown(stage, schema, tuple(column_parents(use_case, stage).items()))}


@lru_cache(maxsize=64)  # use cases with the same features have the same columns
def _shown(stage: str, schema: Any, made_from: tuple[tuple[str, tuple[str, ...]], ...]) -> dg.TableSchema:
    parents = dict(made_from)

    def described(name: str) -> str | None:
        # Dagster's free UI shows the columns of a table, and not where they come from.
        computed = parents.get(name, (name,)) != (name,)
        of = f"from {', '.join(parents[name])} of {PARENTS[stage]}" if computed else ""
        return "; ".join(filter(None, [WHAT.get(name), of])) or None

    columns = [dg.TableColumn(field.name, str(field.type), description=described(field.name)) for field in schema]
    return dg.TableSchema(columns=columns)


def column_lineage(use_case: NamedUseCase, stage: str) -> dict[str, Any]:
    """`dagster/column_lineage` of a version; empty for the first table, and where a stage writes none."""
    parents = column_parents(use_case, stage)
    if not parents:
        return {}
    parent = dg.AssetKey([use_case.name, PARENTS[stage]])
    lineage = {name: [dg.TableColumnDep(parent, column) for column in found] for name, found in parents.items()}
    return {"dagster/column_lineage": dg.MetadataValue.column_lineage(dg.TableColumnLineage(lineage))}
