"""The section `unity_catalog` of the installation: which tables of the lake are shown in a Unity Catalog."""

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.section import Section

RestrictedTable = Literal["raw_records", "permitted_records", "cleaned_records", "quarantined_records"]
SharedTable = Literal["anonymized_records", "splits"]
SchemaName = Annotated[str, StringConstraints(max_length=400, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
Principal = Annotated[str, StringConstraints(min_length=1, max_length=320)]


class UnityCatalog(Section):
    """A Unity Catalog in which tables of the lake are external tables, `<use case>_<stage>`. DATABRICKS_HOST, and
    DATABRICKS_TOKEN or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, say which one, and who asks."""

    tables: dict[RestrictedTable | SharedTable, SchemaName] = Field(
        default_factory=dict,
        description=(
            "Stage -> `catalog.schema` in which the tables of all use cases appear. `anonymized_records` and `splits`"
            " hold no direct identifiers; every other one needs `restricted_readers`. A stage that is taken out"
            " disappears there with the next look."
        ),
    )
    restricted_readers: list[Principal] = Field(
        default_factory=list,
        max_length=100,
        description=(
            "Groups and principals that may be granted tables with personal data. If somebody else holds a grant on"
            " catalog, schema or table that opens them, these tables are not shown. Default: nobody."
        ),
    )

    @model_validator(mode="after")
    def keeps_personal_data_apart(self) -> "UnityCatalog":
        restricted = {stage: schema for stage, schema in self.tables.items() if stage in get_args(RestrictedTable)}
        if restricted and not self.restricted_readers:
            raise ValueError(f"{', '.join(restricted)} hold personal data: name `restricted_readers`")
        shared = {schema for stage, schema in self.tables.items() if stage not in restricted}
        if both := sorted(shared & set(restricted.values())):
            raise ValueError(
                f"{', '.join(both)} would hold tables with and without personal data: grants are per schema"
            )
        return self
