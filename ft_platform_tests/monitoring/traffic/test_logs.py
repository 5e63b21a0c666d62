"""traffic.logs and traffic.log_formats: requests that other servers answered become rows, each once."""

import argparse
import gzip
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.commands import traffic
from ft_platform.errors import DiskFull
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.days import summary
from ft_platform.monitoring.traffic.label_file import add_labels
from ft_platform.monitoring.traffic.log_formats import Damaged, requests_in
from ft_platform.monitoring.traffic.logs import in_words, read_logs
from ft_platform.monitoring.traffic.request_ids import hashed
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.serving.api.noting import drawn
from ft_platform.sources.source_file import SourceFile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.monitoring.traffic.log_lines import (
    TEXT,
    chat,
    noted,
    otlp,
    rights,
    span,
)
from ft_platform_tests.tables import use_case

NOW = datetime.now(UTC).replace(microsecond=0)
AT = NOW - timedelta(hours=1)
CAPTURE = {"share": 1.0, "purpose": "to improve routing"}
LABELS = ["Card", "Loan", "Student loan"]


def publish(lake: Lake, name: str, stage: str, file: str, record: dict[str, Any], info: dict[str, Any]) -> None:
    with lake.scratch("tests", stage) as folder:
        folder.mkdir(parents=True)
        (folder / file).write_text(json.dumps(record))
        lake.publish("tests", stage, name, folder, parents=[], settings_hash="s", input_hash=name, info=info)


class Place:
    """A use case with a log, and the releases that were deployed to its target."""

    def __init__(self, folder: Path, log_format: str = "otel", uri: str = "", **capture: Any) -> None:
        self.folder, self.environment, self.lake = folder, Environment(home=folder), Lake(str(folder / "lake"))
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        log = {"uri": uri or str(self.logs), "format": log_format, "target": "far"}
        self.case = use_case(
            serving={"targets": {"far": {"kind": "openai_endpoint", "url": "http://h", "model": "tests"}}},
            monitoring={"capture": capture, "logs": [log]},
        )
        self.tables = TrafficTables(self.lake, "tests")

    def deployed(self, release: str, at: datetime, labels: list[str]) -> None:
        publish(self.lake, f"checkpoint-{release}", "adapter_checkpoint", "training.json", {"labels": labels}, {})
        record = {
            "release": release,
            "checkpoint": {"id": f"checkpoint-{release}"},
            "model": "tests",
            "deployed_at": at.isoformat(),
        }
        publish(self.lake, f"deployment-{release}", "deployment", "deployment.json", record, {"target": "far"})

    def write(self, *lines: str, name: str = "a.jsonl", mode: str = "a") -> Path:
        with open(self.logs / name, mode) as file:
            file.write("".join(f"{line}\n" for line in lines))
        return self.logs / name

    def read(self) -> dict[str, Any]:
        (told,) = read_logs(self.lake, self.environment, self.case)
        return {name: value for name, value in told.items() if value and name != "uri"}

    def rows(self, kind: str = "requests") -> list[dict[str, Any]]:
        return sorted(self.tables.read(kind).to_pylist(), key=lambda one: (one["at"], one["request_id"]))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, **CAPTURE)
    made.deployed("r1", NOW - timedelta(days=9), LABELS)
    return made


def of_format(tmp_path: Path, log_format: str, **capture: Any) -> Place:
    made = Place(tmp_path, log_format, **capture)
    made.deployed("r1", NOW - timedelta(days=9), LABELS)
    return made


@pytest.mark.parametrize("as_json", [False, True])
def test_a_span_of_opentelemetry_becomes_a_row(place: Place, as_json: bool) -> None:
    given = {f"ft.{name}": value for name, value in rights().items()}
    place.write(otlp(chat(7, AT, "'card'.", as_json, **given)))
    assert place.read() == {"added": 1, "texts": 1}
    (row,) = place.rows()
    assert row == {
        "request_id": f"chatcmpl-{7:032x}",
        "day": AT.date().isoformat(),
        "at": AT,
        "release": "r1",
        "checkpoint": "checkpoint-r1",
        "model": "tests",
        "route": "log:otel",
        "status": 200,
        "code": "",
        "key": None,
        "seconds": 0.5,
        "first_seconds": 0.1,
        "prompt_tokens": 40,
        "cached_tokens": 8,
        "completion_tokens": 3,
        "characters": len(TEXT) + len("Route it."),
        "guardrails": [],
        "answers": [
            {
                "decision": "Card",
                "confidence": None,
                "entropy": None,
                "abstained": False,
                "reason": "stop",
                "characters": 7,
            }
        ],
        "captured": True,
        "share": 1.0,
        "trial": False,
    }
    (text,) = place.rows("texts")
    said = [{"role": "system", "content": "Route it."}, {"role": "user", "content": TEXT}]
    assert json.loads(text["conversations"]) == [said] and text["answers"] == ["'card'."]
    assert (text["subject"], text["consent"], text["purpose"]) == tuple(rights().values())


def test_headers_of_a_span_say_rights_and_trials(place: Place) -> None:
    headers = {f"http.request.header.x-ft-{name}": [value] for name, value in rights("customer-2").items()}
    trial = {**headers, "http.request.header.x-ft-trial": ["on"]}
    place.write(otlp(chat(1, AT, **headers), chat(2, AT, **trial)))
    assert place.read() == {"added": 2, "texts": 1}, "texts of trials are not kept"
    assert [one["trial"] for one in place.rows()] == [False, True]
    assert [one["subject"] for one in place.rows("texts")] == ["customer-2"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [("429", 429, "429"), ("timeout", 500, "timeout"), ("Alda said no", 500, "error"), (None, 500, "error")],
)
def test_a_failed_span_is_a_failed_request(place: Place, error: str | None, status: int, code: str) -> None:
    has = {"error.type": error} if error else {}
    place.write(otlp({**chat(1, AT, None, **has), "status": {"code": 2, "message": TEXT}}))
    assert place.read() == {"added": 1}
    (row,) = place.rows()
    assert (row["status"], row["code"], row["answers"]) == (status, code, [])


def test_spans_that_ask_no_model_or_another_one_are_no_rows(place: Place) -> None:
    tool = span("execute_tool search", AT, {"gen_ai.operation.name": "execute_tool"})
    other = chat(2, AT, **{"gen_ai.request.model": "gpt-5"})
    by_release = chat(3, AT, **{"gen_ai.request.model": "tests-r1"})
    place.write(otlp(tool, span("GET /", AT, {}), other, by_release), json.dumps({"resourceMetrics": []}))
    assert place.read() == {"added": 1, "other_models": 1}


def test_the_release_is_the_one_that_was_deployed_then(place: Place) -> None:
    place.deployed("r2", NOW - timedelta(days=2), ["Card", "Theft"])
    old = NOW - timedelta(days=20)
    place.write(*(otlp(chat(number, at, "Theft")) for number, at in enumerate([old, NOW - timedelta(days=5), AT])))
    assert place.read() == {"added": 3}
    rows = place.rows()
    assert [one["release"] for one in rows] == [None, "r1", "r2"]
    assert [[answer["decision"] for answer in one["answers"]] for one in rows] == [[], [None], ["Theft"]]


def test_a_line_of_our_own_form_becomes_a_row(tmp_path: Path) -> None:
    place = of_format(tmp_path, "jsonl", **CAPTURE)
    place.write(noted(1, AT, metadata=rights()), noted(2, AT, "no idea"))
    assert place.read() == {"added": 2, "texts": 1}
    first, second = place.rows()
    assert (first["prompt_tokens"], first["cached_tokens"], first["completion_tokens"]) == (40, 8, 3)
    assert (first["seconds"], first["request_id"], first["release"]) == (0.5, f"chatcmpl-{1:032x}", "r1")
    assert [one["answers"][0]["decision"] for one in (first, second)] == ["Card", None]
    assert json.loads(place.rows("texts")[0]["conversations"]) == [[{"role": "user", "content": TEXT}]]


def test_a_log_tells_sensitive_features_as_a_request_does(place: Place, tmp_path: Path) -> None:
    said = {**rights(), "region": "north", "ticket": "4711"}
    place.write(otlp(chat(7, AT, "'card'.", **{f"ft.{name}": value for name, value in said.items()})))
    (tmp_path / "other").mkdir()
    other = of_format(tmp_path / "other", "jsonl", **CAPTURE)
    other.write(noted(1, AT, metadata=said))
    for one in (place, other):
        assert one.read() == {"added": 1, "texts": 1}
        assert one.rows("texts")[0]["features"] == '{"region": "north"}'


def test_trials_and_failures_are_requests_without_texts(tmp_path: Path) -> None:
    place = of_format(tmp_path, "jsonl", **CAPTURE)
    about = {"metadata": rights()}
    failed = {**about, "error": TEXT, "status": 400, "answers": []}
    place.write(noted(1, AT, trial=True, **about), noted(2, AT, **failed), noted(3, AT, **about, answers=None))
    assert place.read() == {"added": 3}
    rows = place.rows()
    assert [one["trial"] for one in rows] == [True, False, False]
    assert [(one["status"], one["code"]) for one in rows] == [(200, ""), (400, "error"), (200, "")]


def test_a_file_that_grows_is_read_from_where_it_was_left(place: Place) -> None:
    path = place.write(otlp(chat(1, AT)), otlp(chat(2, AT)))
    assert place.read() == {"added": 2} and place.read() == {}
    whole = otlp(chat(3, AT))
    with open(path, "a") as file:
        file.write(whole[:50])
    assert place.read() == {}, "the line is being written"
    with open(path, "a") as file:
        file.write(whole[50:])
    assert place.read() == {"added": 1}, "a JSON object ends where it ends"
    place.write("", otlp(chat(4, AT)))
    assert place.read()["added"] == 1 and len(place.rows()) == 4
    place.write(otlp(chat(5, AT)))
    assert place.read() == {"added": 1}, "only what is new was read"


def test_a_call_that_may_take_no_longer_leaves_the_rest_to_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ft_platform.monitoring.traffic.logs.BATCH", 2)
    place.write(*(otlp(chat(number, AT)) for number in range(5)))
    clock = iter(range(99))
    with monkeypatch.context() as now:
        now.setattr("ft_platform.monitoring.traffic.logs.time.monotonic", lambda: next(clock))
        (told,) = read_logs(place.lake, place.environment, place.case, seconds=4)
    assert told["added"] == 3
    assert place.read() == {"added": 2}


@pytest.mark.parametrize("how", ["twice", "copied", "rotated", "packed", "place lost", "shorter", "another file"])
def test_each_request_counts_once(place: Place, how: str) -> None:
    given = {f"ft.{name}": value for name, value in rights().items()}
    lines = [otlp(chat(number, AT, **given)) for number in range(3)]
    path = place.write(*lines)
    assert place.read() == {"added": 3, "texts": 3}
    if how == "twice":
        place.write(*lines)
    if how == "copied":
        place.write(*lines, name="b.jsonl")
    if how == "rotated":
        path.rename(place.logs / "a-2026.jsonl")
        place.write(lines[2], name="a.jsonl")
    if how == "packed":
        (place.logs / "a.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    if how == "place lost":
        (place.folder / "serving" / "traffic" / "logs" / "tests.json").unlink()
    if how == "shorter":
        place.write(lines[0], mode="w")
    if how == "another file":  # of the same name, that is longer already
        place.write(otlp(chat(9, AT, "x" * 99)), *lines, *lines, mode="w")
    told = place.read()
    assert told["known"] >= 1 and told.get("added", 0) == (how == "another file")
    assert place.read() == {}
    assert len(place.rows()) == 3 + (how == "another file") and len(place.rows("texts")) == 3


def test_two_that_read_at_once_add_each_once(place: Place) -> None:
    place.write(*(otlp(chat(number, AT)) for number in range(300)))
    homes = [Environment(home=place.folder / name) for name in ("one", "two")]  # no lock in common but the table's
    reading = [threading.Thread(target=read_logs, args=(place.lake, home, place.case)) for home in homes]
    for one in reading:
        one.start()
    for one in reading:
        one.join()
    assert len(place.rows()) == 300


def test_what_the_lake_did_not_take_is_read_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(otlp(chat(1, AT)))

    def full(*_: Any) -> bool:
        raise DiskFull("no space left for traffic", "Free some space")

    with monkeypatch.context() as disk:
        disk.setattr(TrafficTables, "append", full)
        assert "no space left" in place.read()["problem"]
    assert place.read() == {"added": 1}


def test_a_killed_reading_leaves_no_text_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(otlp(chat(1, AT, **{f"ft.{name}": value for name, value in rights().items()})))
    append = TrafficTables.append

    def killed(self: TrafficTables, kind: str, *more: Any) -> bool:
        if kind == "requests":
            raise KeyboardInterrupt
        return append(self, kind, *more)

    with monkeypatch.context() as kill:
        kill.setattr(TrafficTables, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            place.read()
    assert len(place.rows("texts")) == 1 and not place.rows()
    assert place.read() == {"added": 1}
    assert len(place.rows("texts")) == 1 and place.rows()[0]["captured"]


def test_texts_are_kept_only_as_the_use_case_allows(tmp_path: Path) -> None:
    place = of_format(tmp_path, "otel", share=0.5, purpose="to improve routing")

    def line(number: int, **said: str) -> str:
        return otlp(chat(number, AT, **{f"ft.{name}": value for name, value in said.items()}))

    refused = [
        {},
        {"subject": "a"},
        {**rights(), "consent": "no"},
        rights(purpose="to sell it"),
        {**rights(), "subject": ""},
    ]
    place.write(*(line(number, **said) for number, said in enumerate(refused)))
    assert place.read() == {"added": len(refused)} and not place.rows("texts")
    place.write(*(line(100 + number, **rights()) for number in range(100)), name="b.jsonl")
    kept = {f"chatcmpl-{100 + number:032x}" for number in range(100)}
    kept = {one for one in kept if drawn(hashed(one)) < 0.5}
    assert place.read() == {"added": 100, "texts": len(kept)} and 30 < len(kept) < 70
    assert {one["request_id"] for one in place.rows("texts")} == kept
    assert {one["request_id"] for one in place.rows() if one["captured"]} == kept
    assert {one["share"] for one in place.rows()} == {0.5}


def test_by_default_no_text_is_kept(tmp_path: Path) -> None:
    place = of_format(tmp_path, "jsonl")
    place.write(noted(1, AT, metadata=rights()))
    assert place.read() == {"added": 1} and place.rows()[0]["share"] == 0.0 and not place.rows("texts")


def test_what_was_deleted_does_not_come_back(place: Place) -> None:
    given = {f"ft.{name}": value for name, value in rights().items()}
    place.write(otlp(chat(1, AT, **given)))
    place.read()
    place.tables.delete_requests(place.tables.subjects()["customer-1"])
    place.write(otlp(chat(1, AT, **given)), name="late.jsonl")
    assert place.read() == {"known": 1} and not place.rows("texts")
    ancient, old = NOW - timedelta(days=800), NOW - timedelta(days=31)
    place.write(otlp(chat(2, ancient, **given), chat(3, old, **given)))
    assert place.read() == {"too_old": 1, "added": 1}, "texts are kept for 30 days"


HOSTILE = {
    "no JSON": '{"resourceSpans": [' + TEXT,
    "no object": json.dumps([TEXT]),
    "another form": json.dumps({"resourceSpans": [TEXT]}),
    "no attributes": json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": TEXT}]}]}]}),
    "deep": '{"resourceSpans": ' + "[" * 100_000,
    "deep attributes": otlp(chat(90, AT, deep="here")).replace(
        '{"stringValue": "here"}', '{"arrayValue": {"values": [' * 900 + "]}}" * 900
    ),
    "deep text": otlp(chat(90, AT, **{"gen_ai.output.messages": "[" * 100_000})),
    "half a surrogate": otlp(chat(90, AT, **{"gen_ai.response.id": "\ud83d" + TEXT})),
    "many digits": otlp(chat(90, AT)).replace('"40"', "9" * 5000),
    "too many tokens": otlp(chat(90, AT, **{"gen_ai.usage.input_tokens": 10**18})),
    "fewer than no tokens": otlp(chat(90, AT, **{"gen_ai.usage.output_tokens": -1})),
    "no number": otlp(chat(90, AT, **{"gen_ai.usage.input_tokens": TEXT})),
    "no seconds": otlp(chat(90, AT)).replace("0.1", "NaN"),
    "another age": otlp({**chat(90, AT), "startTimeUnixNano": "9" * 30, "endTimeUnixNano": "9" * 30}),
    "the future": otlp(chat(90, NOW + timedelta(days=3))),
    "before it began": otlp(chat(90, AT) | {"endTimeUnixNano": "0"}),
    "no id": otlp(chat(90, AT, **{"gen_ai.response.id": "x" * 600})),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_line_is_counted_and_stops_no_other(
    place: Place, how: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write(otlp(chat(1, AT)), HOSTILE[how], otlp(chat(2, AT)))
    told = place.read()
    assert told == {"added": 2, "damaged": 1}
    assert "1 lines or spans are damaged in" in caplog.text
    assert "Alda" not in caplog.text + str(told) + "".join(capsys.readouterr())


def test_a_damaged_span_does_not_stop_those_beside_it(place: Place) -> None:
    place.write(otlp(chat(1, AT), None, {"name": 1, "attributes": 7}, chat(2, AT, **{"gen_ai.usage.input_tokens": -1})))
    assert place.read() == {"added": 1, "damaged": 3}


def test_half_a_surrogate_in_a_text_is_damaged(place: Place) -> None:
    given = {f"ft.{name}": value for name, value in rights().items()}
    place.write(otlp(chat(1, AT, "Card \ud83d", **given)), otlp(chat(2, AT, **given)))
    assert place.read() == {"added": 1, "texts": 1, "damaged": 1} and len(place.rows("texts")) == 1


@pytest.mark.parametrize("log_format", ["otel", "jsonl"])
def test_no_bytes_raise_anything_else(log_format: str) -> None:
    """Every line with each of its places overwritten."""
    lines = {"otel": otlp(chat(1, AT)), "jsonl": noted(1, AT)}
    whole = lines[log_format].encode()
    for place in range(len(whole)):
        for other in (b"[", b'"', b"\xff", b""):
            found = list(requests_in(log_format, whole[:place] + other + whole[place + 1 :]))
            assert len(found) <= 1
    assert isinstance(next(iter(requests_in(log_format, b"{"))), Damaged)


def test_a_line_without_end_is_not_held_in_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.monitoring.traffic.logs.MOST_LINE", 10_000)
    place.write(otlp(chat(1, AT)), "x" * 35_000, otlp(chat(2, AT)))
    assert place.read() == {"added": 2, "damaged": 1}


def test_one_file_that_cannot_be_read_does_not_stop_the_others(place: Place) -> None:
    (place.logs / "a.jsonl.gz").write_bytes(b"no gzip " + TEXT.encode())
    place.write(otlp(chat(1, AT)), name="b.jsonl")
    told = place.read()
    assert told["added"] == 1 and "a.jsonl.gz" in told["problem"] and "Alda" not in told["problem"]


def test_a_log_that_is_not_there_is_told(place: Place) -> None:
    assert "no file of format jsonl" in place.read()["problem"]
    (told,) = read_logs(place.lake, place.environment, place.case)
    assert in_words(told).startswith(f"{place.logs}: source.uri")


def test_the_command_reads_logs_first(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ft_platform.commands.opened", lambda name: (place.environment, place.case, place.lake))
    parser = argparse.ArgumentParser()
    traffic.add_arguments(parser)
    place.write(otlp(chat(1, AT)), "{" + TEXT)
    assert traffic.run(parser.parse_args(["tests"])) == 0
    said = capsys.readouterr()
    assert said.err == f"{place.logs}: 1 requests added, 1 damaged\n" and AT.date().isoformat() in said.out
    assert traffic.run(parser.parse_args(["tests", "--json"])) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["logs"][0]["added"] == 0 and not said.err


def test_a_log_that_is_not_allowed_is_not_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(otlp(chat(1, AT)))
    monkeypatch.setenv("FT_SOURCES_ALLOWED", "s3://other")
    assert "not on the list of allowed sources" in place.read()["problem"] and not place.rows()


def test_new_objects_of_a_bucket_are_read_and_others_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_bucket("captures", monkeypatch) as s3:
        place = Place(tmp_path, "jsonl", "s3://captures/endpoint")
        place.deployed("r1", NOW - timedelta(days=9), LABELS)

        def put(name: str, *lines: str) -> None:
            s3.put_object(Bucket="captures", Key=f"endpoint/AllTraffic/2026/11/29/{name}.jsonl", Body="\n".join(lines))

        fetched, local_path = list[str](), SourceFile.local_path

        def counted(self: SourceFile, *more: Any) -> Any:
            fetched.append(self.uri.rpartition("/")[2])
            return local_path(self, *more)

        monkeypatch.setattr(SourceFile, "local_path", counted)
        put("a", noted(1, AT), noted(2, AT))
        assert place.read() == {"added": 2} and place.read() == {}
        put("b", noted(3, AT, "Loan"))
        assert place.read() == {"added": 1} and fetched == ["a.jsonl", "b.jsonl"]
        put("a", noted(1, AT), noted(2, AT), noted(4, AT), '{"cut')
        assert place.read() == {"added": 1, "known": 2, "damaged": 1} and place.read() == {}
        assert len(place.rows()) == 4


def test_late_labels_find_requests_by_the_ids_of_other_servers(tmp_path: Path) -> None:
    place = of_format(tmp_path, "jsonl")
    ids = [f"chatcmpl-841906f8ea42688{number}" for number in range(2)]
    place.write(*(noted(0, AT, id=name, seconds=None) for name in ids))
    place.read()
    file = tmp_path / "tickets.csv"
    file.write_text("id,label\nchatcmpl-841906f8ea426880,Card\nchatcmpl-841906f8ea426881,Loan\nchatcmpl-unknown,Card\n")
    told = add_labels(open_lake(place.environment), place.environment, "tests", str(file), "id", "label")
    assert told == {"rows": 3, "unknown": 1, "other_labels": 1, "added": 3}
    (day,) = summary(place.lake, "tests", 7)
    assert (day["requests"], day["judged"], day["right"], day["p50"]) == (2, 2, 0.5, None)


@pytest.mark.parametrize("log_format", ["vllm", "hf_endpoint", "sagemaker"])
def test_a_form_that_is_gone_is_refused_with_what_to_write(log_format: str) -> None:
    with pytest.raises(ValueError, match=f"`{log_format}` is not read any more: write its requests as `jsonl`"):
        use_case(monitoring={"logs": [{"uri": "logs", "format": log_format, "target": "far"}]})


def test_a_log_of_a_target_that_is_not_there_is_refused() -> None:
    log = {"uri": "logs", "format": "otel", "target": "nowhere"}
    with pytest.raises(ValueError, match=r"`monitoring\.logs` names nowhere"):
        use_case(monitoring={"logs": [log]})


def test_another_name_of_the_model_is_a_setting(place: Place) -> None:
    log = {"uri": str(place.logs), "format": "otel", "target": "far", "model": "prod/complaints"}
    place.case = use_case(serving=place.case.settings.serving.model_dump(), monitoring={"logs": [log]})
    place.write(otlp(chat(1, AT), chat(2, AT, **{"gen_ai.request.model": "prod/complaints"})))
    assert place.read() == {"added": 1, "other_models": 1}
