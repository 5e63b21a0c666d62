"""A small lake with every stage from a CSV file to a checkpoint, where only the stages of permission are the real ones.

Later tables hold the record ids of the one before, without stages that would cost time. Persons are fictitious.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.assets import permitted_records as permitted
from ft_platform.assets.raw_records import ingest_source
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.privacy.pseudonyms import subject_pseudonyms
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.governance.tables import write_ledger
from ft_platform_tests.graph import write_csv

LATER = ["cleaned_records", "anonymized_records", "splits"]
KEY = pa.schema([("record_id", pa.string()), ("subject_id", pa.string()), ("split", pa.string())])


def today(days: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def rows(count: int = 6, **changes: dict[int, str]) -> list[dict[str, str]]:
    """Rows `id` 0, 1, ... of persons p0, p1, ...; `changes`: column -> row -> value."""
    made = [
        {
            "id": str(n),
            "text": f"fictitious complaint number {n}",
            "label": "card",
            "consent": "yes",
            "region": "north",
            "person": f"p{n}",
            "expires": "",
        }
        for n in range(count)
    ]
    for column, values in changes.items():
        for row, value in values.items():
            made[row][column] = value
    return made


class House:
    """One use case `tests` in a lake.

    Args:
        ledger: whether a ledger states the consent.
        expires: whether records have a last day.
    """

    def __init__(
        self, environment: Environment, ledger: bool = False, expires: bool = False, name: str = "tests"
    ) -> None:
        self.environment = environment
        self.lake = open_lake(environment)
        self.source = environment.defs.parent / f"{name}.csv"
        self.ledger_file = environment.defs.parent / f"{name}_ledger.csv"
        self.attributes = minimal_attributes(str(self.source))
        self.attributes["record"] |= {"subject": "person", **({"expires": "expires"} if expires else {})}
        if ledger:
            self.attributes["governance"] |= {
                "consent_ledger": str(self.ledger_file),
                "ledger_columns": {"subject": "person"},
            }
        self.name = name

    @property
    def case(self) -> NamedUseCase:
        return NamedUseCase(name=self.name, settings=UseCase.model_validate(self.attributes))

    def write(self, lines: list[dict[str, str]]) -> None:
        write_csv(self.source, lines)

    def write_ledger(self, **status: str) -> Path:
        return write_ledger(self.ledger_file, [{"person": person, "status": value} for person, value in status.items()])

    def permit(self) -> TableVersion:
        """What a run of `raw_records`, `permitted_records` and their checks leaves in the lake."""
        raw, _ = ingest_source(self.lake, self.environment, self.case)
        self.pass_checks(raw)
        permitted_records, only_permitted_records, no_withdrawn_records = permitted.build(self.case)[:3]
        made = permitted_records(lake=self.lake, environment=self.environment, raw_records=raw).value
        assert only_permitted_records(lake=self.lake, permitted_records=made).passed
        no_withdrawn_records(lake=self.lake, environment=self.environment, permitted_records=made)
        return made

    def build(
        self, leave_out: Iterable[str] = (), checkpoint: str | None = "ckpt-a", training_records: bool = True
    ) -> dict[str, Any]:
        """Every stage up to a checkpoint. Returns stage -> version.

        Args:
            leave_out: source keys that go no further than `permitted_records`.
        """
        made: dict[str, Any] = {"permitted_records": self.permit()}
        parent = made["permitted_records"]
        table = self.lake.read_table(parent, ["record_id", "source_key", "subject_id"])
        lines = [row for row in table.to_pylist() if row["source_key"] not in set(leave_out)]
        for name in LATER:
            parent = made[name] = self.table(name, parent, lines)
        if checkpoint:
            made["adapter_checkpoint"] = self.checkpoint(
                checkpoint, parent, [row["record_id"] for row in lines] if training_records else None
            )
        return made

    def table(self, name: str, parent: TableVersion, lines: list[dict[str, str]]) -> TableVersion:
        stage = STAGES[name]
        sides = ("train", "validation", "test")
        told = []
        for number, row in enumerate(lines):
            person = row["subject_id"]
            if stage.zone == "shared" and person:
                person = subject_pseudonyms(self.environment, self.name, person)[1]
            told.append({"record_id": row["record_id"], "subject_id": person, "split": sides[number % 3]})
        schema = KEY if name == "splits" else pa.schema(list(KEY)[:2])
        batches = pa.Table.from_pylist(told, KEY).select(schema.names).to_batches()
        version = self.lake.write_table(
            self.name,
            name,
            batches,
            schema,
            zone=stage.zone,
            parents=[parent],
            settings_hash=stage.settings_hash(self.case),
            input_hash=str(len(lines)),
        )
        self.pass_checks(version)
        return version

    def checkpoint(self, artifact_id: str, splits: TableVersion, record_ids: list[str] | None) -> ArtifactVersion:
        with self.lake.scratch(self.name, "adapter_checkpoint") as folder:
            folder.mkdir()
            (folder / "metrics.json").write_text(f'{{"of": "{artifact_id}"}}')
            if record_ids is not None:
                pq.write_table(pa.table({"record_id": record_ids}), folder / TRAINING_RECORDS)
            settings = STAGES["adapter_checkpoint"].settings_hash(self.case)
            return self.lake.publish(
                self.name,
                "adapter_checkpoint",
                artifact_id,
                folder,
                parents=[splits],
                settings_hash=settings,
                input_hash=artifact_id,
            )

    def save_states(self, checkpoint_id: str, splits: TableVersion, steps: int = 2) -> TrainingStates:
        """What a training leaves that was killed after a few steps."""
        states = TrainingStates(self.lake, splits, checkpoint_id)
        for step in range(1, steps + 1):
            with states.writing(step) as folder:
                (folder / "weights.safetensors").write_bytes(b"weights after some steps")
        return states

    def pass_checks(self, version: TableVersion) -> None:
        for check in STAGES[version.name].checks:
            self.lake.add_verdict(version, check, True, check_settings_hash(self.case, version.name, check))


def later(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)
