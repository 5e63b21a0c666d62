"""What the pages of the report server cost in processor time, with few and with many use cases: the first time, and
once the server has seen the lake. Figures of the reports are made up.

python benchmarks/portal.py --use-cases 1 50
"""

import argparse
import json
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.costs.ledger import Ledger
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import Version
from ft_platform.monitoring.day_reports import Accuracy, DayReport
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.report_server import report_server
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.reporting.test_home import BODY, decision, metrics

TABLES = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
REPORTS = ("regression_report", "data_report", "model_card")
GAPS = {"gaps": {"region": {"value": 0.03}}, "gap_metric": "accuracy", "max_gap": 0.2}
RATE = {"at_1_percent": {"value": 0.012, "low": 0.0, "high": 0.04}}
ATTACKS = {"members": 700, "membership": {"loss": RATE}, "membership_status": "measured"}
ROWS = pa.table({"record_id": ["r1"], "split": ["train"]})
ANSWERS = 1000
PREDICTIONS = pa.table(
    {
        "record_id": [f"t{number}" for number in range(ANSWERS)],
        "system": ["fine_tuned"] * ANSWERS,
        "label": ["praise"] * ANSWERS,
        "predicted": [("praise", "problem")[number % 7 == 0] for number in range(ANSWERS)],
        "confidence": [0.9] * ANSWERS,
    }
)
HOW: dict[str, Any] = {"settings_hash": "s", "input_hash": "i"}


def main() -> None:
    """Prints cpu-milliseconds of each page: of the first request, and the median of the next ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use-cases", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--versions", type=int, default=5, help="trained, evaluated and decided, of each use case")
    parser.add_argument("--days", type=int, default=30, help="monitored, of each use case")
    arguments = parser.parse_args()
    for count in arguments.use_cases:
        with tempfile.TemporaryDirectory() as folder:
            environment = Environment(home=Path(folder) / "home", defs=Path(folder) / "defs", tracking_uri="none")
            names = [f"case_{number:02d}" for number in range(count)]
            for name in names:
                write_use_case(environment.defs, name, minimal_attributes("letters.csv"))
                fill(open_lake(environment), name, arguments.versions, arguments.days)
            print(json.dumps({"use_cases": count, **measured(environment, names[0])}))


def measured(environment: Environment, name: str) -> dict[str, Any]:
    """Page -> `{"first", "next"}`."""
    found = {}
    with report_server(environment, "127.0.0.1", 0) as server:
        for path in ("/", "/needs", "/register", "/board", f"/{name}/", f"/{name}/compare/ckpt-0/ckpt-1"):
            times = [milliseconds(server, path) for _ in range(6)]
            found[path] = {"first": times[0], "next": round(statistics.median(times[1:]), 1)}
    return found


def milliseconds(server: Any, path: str) -> float:
    started = time.process_time()
    assert server.pages.portal.page(path) or server.pages.reports.page(path), path
    return round(1000 * (time.process_time() - started), 1)


def fill(lake: Lake, name: str, versions: int, days: int) -> None:
    """A use case with as many control files as one that has been served for a while."""
    parents: list[Version] = []
    for table in TABLES:
        zone = STAGES[table].zone
        made = lake.write_table(name, table, ROWS.to_batches(), ROWS.schema, zone=zone, parents=parents, **HOW)
        for check in STAGES[table].checks:
            lake.add_verdict(made, check, True, "s")
        parents = [made]
    for number in range(versions):
        trained = {"training": {"rank": number}}
        checkpoint = publish(lake, name, "adapter_checkpoint", f"ckpt-{number}", parents, training=trained)
        evaluation = publish(lake, name, "evaluation_report", f"eval-{number}", [checkpoint], metrics=metrics())
        reports = [publish(lake, name, stage, f"{stage}-{number}".replace("_", "-"), [evaluation]) for stage in REPORTS]
        reports.append(publish(lake, name, "fairness_report", f"fair-{number}", [evaluation], fairness=GAPS))
        reports.append(publish(lake, name, "privacy_report", f"attack-{number}", [checkpoint], privacy=ATTACKS))
        for report in reports:
            lake.add_verdict(report, "holds", True, "s")
        said, about = {**decision(True), "checkpoint": checkpoint.id}, {"checkpoint": checkpoint.id}
        judged = publish(lake, name, "release_decision", f"decision-{number}", [checkpoint], about, decision=said)
        publish(lake, name, "sign_off", f"sign-off-{number}", [judged], sign_off={"decision": judged.id, "roles": []})
    told = {"number": 1, "checkpoint": {"id": checkpoint.id}, "decision": {"id": judged.id}}
    release = publish(lake, name, "release", "release-1", [judged, checkpoint], release=told)
    for number in range(days):
        day = DayReport(
            use_case=name,
            day=(date(2026, 11, 1) + timedelta(days=number)).isoformat(),
            releases=[release.id],
            reference=evaluation.id,
            requests=100,
            estimated_accuracy=Accuracy(value=0.8, low=0.7, high=0.9, answers=100),
        )
        files = {"monitoring": day.model_dump(mode="json")}
        publish(lake, name, "monitoring_report", f"day-{number}", [evaluation], {"day": day.day}, **files)
    run = {"run": name, "use_case": name, "program": "train", "started_at": "2026-11-01T00:00:00+00:00"}
    Ledger(lake).close({**run, "month": "2026-11", "state": "finished", "money": 1.0, "currency": "EUR"})


def publish(
    lake: Lake, name: str, stage: str, artifact_id: str, parents: list[Any], info: Any = None, **files: Any
) -> Any:
    page = "decision_brief.html" if stage == "release_decision" else "report.html"
    with lake.scratch(name, stage) as folder:
        folder.mkdir(parents=True)
        (folder / page).write_text(BODY)
        for file, content in files.items():
            (folder / f"{file}.json").write_text(json.dumps(content))
        if stage == "evaluation_report":
            pq.write_table(PREDICTIONS, folder / "predictions.parquet")
        return lake.publish(name, stage, artifact_id, folder, parents=parents, info=info, **HOW)


if __name__ == "__main__":
    main()
