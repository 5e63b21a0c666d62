"""What the lake of a real graph says, and what `ft retraining` says of it."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cli import main
from ft_platform.costs.ledger import SCHEMA, Ledger
from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.monitoring.day_reports import FILE, STAGE
from ft_platform.monitoring.retraining.deciding import LOOKS_BACK, decide_and_start, decision_at, history_of
from ft_platform.monitoring.retraining.entries import End
from ft_platform.monitoring.retraining.facts import facts_of, until
from ft_platform.monitoring.retraining.journal import alone, ask, entries, give_up, write
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.use_case.file import load_use_case
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv
from ft_platform_tests.graph_template import BACKEND, NAME, GraphTemplate
from ft_platform_tests.retraining.case import LOW, alarm, report

pytestmark = pytest.mark.integration

DATA = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    def run(graph: Graph) -> None:
        assert graph.run(*DATA, "base_evaluation", "adapter_checkpoint").success

    return GraphTemplate(tmp_path_factory.mktemp("trained"), run, retraining={"mode": "by_reasons"})


@pytest.fixture
def graph(template, monkeypatch, quick_stages):
    monkeypatch.setattr(BACKEND, StandInBackend().run)
    with template.copy() as made:
        monkeypatch.setenv("FT_HOME", str(made.environment.home))
        monkeypatch.setenv("FT_DEFS", str(made.environment.defs))
        yield made


def publish(lake: Lake, stage: str, artifact_id: str, file: str, content: Any, **info: Any) -> Any:
    with lake.scratch(NAME, stage) as folder:
        folder.mkdir(parents=True)
        (folder / file).write_text(json.dumps(content))
        hashes = {"settings_hash": "s", "input_hash": artifact_id}
        return lake.publish(NAME, stage, artifact_id, folder, parents=[], info=info, **hashes)


def parts(graph: Graph) -> tuple[Any, ...]:
    use_case = load_use_case(graph.environment.defs / NAME / "defs.yaml")
    return open_lake(graph.environment), graph.environment, use_case


def test_all_that_counts_is_read_from_the_lake(graph, template):
    lake, environment, use_case = parts(graph)
    checkpoint = lake.artifacts(NAME, "adapter_checkpoint")[0]
    publish(
        lake, "release_decision", "decision-1", "d.json", {}, decision="accepted", checkpoint=checkpoint.artifact_id
    )
    release = released(lake, checkpoint)
    now = datetime.now(UTC)
    for number in (3, 2, 1):
        made = report(now - timedelta(days=number), alarm(), release=release.artifact_id, estimated_accuracy=LOW)
        publish(lake, STAGE, f"monitoring-{number}", FILE, made.model_dump(), day=made.day)
    publish(lake, "learning_curve", "curve-1", "learning_curve.json", {"conclusion": ["It is flat.", "So.", "Noise."]})
    given = [{"request_id": one, "at": now, "day": now.date().isoformat()} for one in ("r1", "r1", "r2")]
    rows = pa.Table.from_pylist(
        [{**dict.fromkeys(SCHEMAS["feedback"].names), **one} for one in given], SCHEMAS["feedback"]
    )
    TrafficTables(lake, NAME).append("feedback", rows, "server", 1)
    row = dict.fromkeys(SCHEMA.names) | {"run": "1", "use_case": NAME, "program": "train", "state": "finished"}
    row |= {"started_at": now, "month": f"{now:%Y-%m}", "seconds": 60.0, "tokens": 5, "money": 2.5, "currency": "EUR"}
    Ledger(lake).close(row)
    write_csv(template.source, [*records(), *records(4, start=50)])
    assert graph.run(*DATA).success
    lake.add_verdict(checkpoint, NOT_TAINTED, False, "s", {"rows": 4, "reasons": {"expired": 4}})

    facts = facts_of(history_of(lake, environment, use_case, date(2026, 1, 1)), now + timedelta(minutes=1))
    assert facts.content and (facts.content.rows, facts.trained_rows, facts.new_records) == (102, 90, 12)
    assert facts.champion and facts.champion.id == release.artifact_id and facts.waiting == ""
    assert (facts.withdrawn_rows, facts.feedback, facts.curve) == (4, 2, "It is flat. So.")
    assert [day.estimated_accuracy.high for day in facts.days] == [0.74] * 3
    assert (facts.cost.money, facts.cost.seconds) == (2.5, 60.0)
    found = decision_at(lake, environment, use_case, datetime.now(UTC) + timedelta(days=8))
    assert {one.name for one in found.holding} == {"new_content", "estimated_decline", "drift", "withdrawn"}
    before = until(history_of(lake, environment, use_case, date(2026, 1, 1)), now - timedelta(days=1))
    assert facts_of(before, now - timedelta(days=1)).content is None, "nothing of it was there a day ago"


def test_an_altered_entry_stops_decisions(graph):
    lake, environment, use_case = parts(graph)
    ask(lake, environment, use_case, "New products since Monday", datetime.now(UTC))
    decision, start = decide_and_start(lake, environment, use_case, datetime.now(UTC), "instance", lambda: ("", ""))
    assert start and start.reasons.keys() == {"person"} and decision.would_start
    place = lake.path_of("shared", NAME, "retraining", start.id, "entry.json")
    content = lake.fs.cat_file(place)
    lake.fs.pipe_file(place, content.replace(b'"number": 1', b'"number": 7'))
    with pytest.raises(CorruptVersion):
        decision_at(lake, environment, use_case, datetime.now(UTC))


def test_entries_are_read_as_they_were_written(graph):
    lake, environment, use_case = parts(graph)
    now = datetime.now(UTC)
    asked = ask(lake, environment, use_case, "New products since Monday", now)
    _, start = decide_and_start(lake, environment, use_case, now, "instance", lambda: ("", ""))
    assert start
    with alone(environment, NAME):
        for state in ("succeeded", "failed"):
            write(lake, use_case, End(start.id.replace("start", "end"), start.id, now, state, "run"))
    found = entries(lake, NAME)
    assert [asdict(one) for one in found.requests] == [asdict(asked)] and list(found.starts) == [start]
    assert [one.state for one in found.ends] == ["succeeded"], "the first word stays"
    with pytest.raises(DataError, match="is not running"):
        give_up(lake, environment, use_case, start.id, now)


def test_a_request_needs_a_reason_and_a_mode_that_weighs_it(environment, lake, tmp_path):
    write_use_case(environment.defs, NAME, minimal_attributes(str(tmp_path / "x.csv")))
    use_case = load_use_case(environment.defs / NAME / "defs.yaml")
    with pytest.raises(ConfigError, match="nothing weighs reasons"):
        ask(lake, environment, use_case, "New products since Monday", datetime.now(UTC))
    write_use_case(environment.defs, NAME, minimal_attributes("x.csv") | {"retraining": {"mode": "by_reasons"}})
    use_case = load_use_case(environment.defs / NAME / "defs.yaml")
    with pytest.raises(ConfigError, match="10 characters"):
        ask(lake, environment, use_case, "because", datetime.now(UTC))
    assert decision_at(lake, environment, use_case, datetime.now(UTC)).holding == [], "an empty lake has no reason"


def test_explain_start_and_simulate_on_the_terminal(graph, capsys):
    assert main(["retraining", "explain", NAME, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"would_start", "reasons", "blocked_by", "estimated_cost"} <= set(found)
    assert found["would_start"] is False and len(found["reasons"]) == 9
    assert [one["rule"] for one in found["blocked_by"]] == ["waiting", "cool_down", "min_new_records"]
    assert main(["retraining", "start", NAME, "--reason", "New products since Monday"]) == 0
    shown = capsys.readouterr().out
    assert "is noted" in shown and "✓ person" in shown and "would start now" in shown
    lake, environment, use_case = parts(graph)
    _, start = decide_and_start(lake, environment, use_case, datetime.now(UTC), "gone", lambda: ("", ""))
    assert start
    words = ["--reason", "The machine burned down", "--instead", start.id]
    assert main(["retraining", "start", NAME, *words]) == 0 and "would start now" in capsys.readouterr().out
    today = datetime.now(UTC).date()
    span = ["--from", str(today - timedelta(days=2)), "--to", str(today)]
    assert main(["retraining", "simulate", NAME, *span, "--json", "--set", "retraining.when.cool_down_days=1"]) == 0
    days = json.loads(capsys.readouterr().out)["days"]
    assert [one["day"] for one in days] == [str(today - timedelta(days=n)) for n in (2, 1, 0)]
    assert main(["retraining", "simulate", NAME, *span]) == 0 and "in 3 day(s)" in capsys.readouterr().out
    assert main(["retraining", "simulate", NAME]) == 1 and "--from" in capsys.readouterr().err


def test_what_a_decision_looks_back_to_holds_all_days_that_count():
    assert timedelta(days=45) < LOOKS_BACK
