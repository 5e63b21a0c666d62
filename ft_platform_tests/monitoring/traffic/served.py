"""Requests to a served model in a small real lake, with texts and what people said of them. Persons are fictitious."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from ft_platform.assets import anonymized_records, cleaned_records, permitted_records, splits
from ft_platform.assets.raw_records import ingest_source
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import TableVersion
from ft_platform.monitoring.traffic.captured import record_id
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.governance.tables import write_ledger
from ft_platform_tests.graph import records, write_csv
from ft_platform_tests.monitoring.traffic.test_shipping import noted

NOW = datetime.now(UTC)
LABELS = ("mortgage", "credit card", "student loan")
PURPOSE = "complaint routing"


def text(number: int) -> str:
    """Fictitious, and near to no other."""
    return f"Question {number} of a customer: " + " ".join(f"word{(number * 31 + k * 17) % 9973}" for k in range(12))


class Served:
    """A use case with a source of ninety complaints, whose released model is asked."""

    def __init__(self, environment: Environment, ledger: bool = False, **sections: dict[str, Any]) -> None:
        self.environment, self.lake = environment, open_lake(environment)
        self.source = environment.defs.parent / "complaints.csv"
        self.ledger_file = environment.defs.parent / "ledger.csv"
        self.attributes = minimal_attributes(str(self.source))
        self.attributes["source"]["feedback"] = {"join": True, "max_share": 0.5}
        self.attributes["record"]["subject"] = "person"
        capture = {"share": 1.0, "purpose": PURPOSE}
        self.attributes["monitoring"] = {"capture": capture}
        if ledger:
            self.attributes["governance"] |= {
                "consent_ledger": str(self.ledger_file),
                "ledger_columns": {"subject": "person"},
            }
        for name, settings in sections.items():
            self.attributes[name] = {**self.attributes.get(name, {}), **settings}
        self.lines = [{**one, "person": f"p{number}"} for number, one in enumerate(records())]
        write_csv(self.source, self.lines)

    @property
    def case(self) -> NamedUseCase:
        return NamedUseCase(name="tests", settings=UseCase.model_validate(self.attributes))

    @property
    def tables(self) -> TrafficTables:
        return TrafficTables(self.lake, "tests")

    def ask(
        self,
        number: int,
        asked: str,
        label: str | None = "mortgage",
        *,
        at: datetime = NOW,
        decision: str = "mortgage",
        **rights: str | None,
    ) -> str:
        """A request with its text, and a person's label. Returns its record id."""
        request_id = f"classify-{number:032x}"
        stated = {"subject": f"caller{number}", "consent": "yes", "purpose": PURPOSE, **rights}
        about = {"request_id": request_id, "at": at.isoformat(), "release": "release-1"}
        answer = {"decision": decision, "confidence": 0.9, "entropy": 0.1, "abstained": False, "reason": "stop"}
        noting: dict[str, Any] = {
            "requests": {
                **about,
                "status": 200,
                "answers": [{**answer, "characters": 8}],
                "trial": False,
                "share": 1.0,
            },
            "texts": {
                **about,
                **stated,
                "conversations": json.dumps([[{"role": "user", "content": asked}]]),
                "answers": [decision],
            },
        }
        if label:
            opinion = {"feedback_id": str(number), "index": 0, "by": f"digest{number % 3}", "label": label}
            noting["feedback"] = {**about, **opinion}
        noted(spool_path(self.environment), noting, use_case="tests")
        ship(self.lake, spool_path(self.environment))
        return record_id("tests", request_id, 0)

    def write_ledger(self, **status: str) -> None:
        persons = {f"p{number}": "yes" for number in range(len(self.lines))} | status
        write_ledger(self.ledger_file, [{"person": person, "status": value} for person, value in persons.items()])

    def prepare(self) -> TableVersion:
        """The data stages as a run has them, with the checks of permission and of leaks. Returns `splits`."""
        raw, _ = ingest_source(self.lake, self.environment, self.case)
        where: dict[str, Any] = {"lake": self.lake, "environment": self.environment}
        permit, second_look, withdrawn = permitted_records.build(self.case)[:3]
        permitted = permit(**where, raw_records=raw).value
        assert second_look(lake=self.lake, permitted_records=permitted).passed
        withdrawn(**where, permitted_records=permitted)
        cleaned = cleaned_records.build(self.case)[0](**where, permitted_records=permitted).value
        anonymize, no_residual_pii = anonymized_records.build(self.case)[:2]
        anonymized = anonymize(**where, cleaned_records=cleaned).value
        assert no_residual_pii(lake=self.lake, anonymized_records=anonymized).passed
        divided = splits.build(self.case)[0](**where, anonymized_records=anonymized).value
        assert self.leakage(divided).passed
        return divided

    def leakage(self, version: TableVersion) -> dg.AssetCheckResult:
        found: Any = splits.build(self.case)[1](lake=self.lake, splits=version)
        return found

    def sides(self, version: TableVersion) -> dict[str, str]:
        return {one["record_id"]: one["split"] for one in self.rows(version).to_pylist()}

    def rows(self, version: TableVersion) -> pa.Table:
        return self.lake.read_table(version)

    def removed(self, version: TableVersion) -> dict[str, str]:
        """Why `splits` removed records."""
        number = self.lake.manifest(version).info["removed_version"]
        beside = TableVersion("tests", "splits_removed", "shared", number, "", 0, "")
        return {one["record_id"]: one["reason"] for one in self.lake.read_table(beside).to_pylist()}
