"""What the terminal shows: progress with time left, plain lines where there is no terminal, tables with every
number."""

import io

import pytest
from rich.console import Console

from ft_platform.commands import terminal
from ft_platform.commands.terminal import (
    SYSTEMS,
    ProgressView,
    StageLine,
    Terminal,
    print_checkpoint_trace,
    print_record_trace,
    print_summary,
)
from ft_platform.evaluation.systems import NOT_FINE_TUNED
from ft_platform.process.progress import Update, listening, report

CLASSIFICATION = {
    "use_case": "letters",
    "systems": {
        "majority": {
            m: {"value": 0.1, "low": 0.05, "high": 0.15}
            for m in ("accuracy", "macro_precision", "macro_recall", "macro_f1")
        },
        "fine_tuned": {
            "accuracy": {"value": 0.912, "low": 0.9, "high": 0.93},
            "macro_precision": {"value": 0.8123, "low": 0.79, "high": 0.83},
            "macro_recall": {"value": 0.7, "low": 0.6, "high": 0.8},
            "macro_f1": {"value": 0.755, "low": 0.71, "high": 0.79},
        },
    },
    "test_rows": 1234,
    "funnel": [
        {"stage": "raw_records", "rows_in": 2000, "kept": 2000, "removed": {}},
        {
            "stage": "cleaned_records",
            "rows_in": 2000,
            "kept": 1500,
            "removed": {"near_duplicate": 400, "too_short": 100},
        },
    ],
    "trained": True,
    "reused": [],
    "seconds": {"total": 185.2},
    "report": "/lake/shared/letters/evaluation_report/x/report.html",
}


def shown(found: dict, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_summary(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests move: `clock[0] = ...`."""
    now = [100.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    return now


def test_time_left_comes_from_the_speed_of_this_phase():
    line = StageLine(Update("adapter_checkpoint", 0, 100, "steps"), 0.0, 0.0, 0)
    line.take(Update("adapter_checkpoint", 25, 100, "steps", {"loss": 0.5}), 50.0)
    assert line.seconds_left(50.0) == 150.0
    line.take(Update("adapter_checkpoint", 1, 10, "validations"), 60.0)
    assert line.seconds_left(60.0) is None
    line.take(Update("adapter_checkpoint", 3, 10, "validations"), 64.0)
    assert line.seconds_left(64.0) == pytest.approx(14.0)


def test_time_left_is_not_guessed_without_a_total():
    line = StageLine(Update("raw_records", 10), 0.0, 0.0, 0)
    line.take(Update("raw_records", 500), 5.0)
    assert line.seconds_left(5.0) is None
    assert "500 rows" in line.text(5.0) and "left" not in line.text(5.0)


def test_the_estimate_of_the_stage_itself_comes_first():
    line = StageLine(Update("adapter_checkpoint", 1, 100, "steps"), 0.0, 0.0, 0)
    line.take(Update("adapter_checkpoint", 2, 100, "steps", {"seconds_left": 75, "memory_gib": 2.5}), 1.0)
    assert line.text(1.0) == "adapter_checkpoint    2 of 100 steps  2.5 GiB  1.0 s, about 1:15 min left"


def test_without_a_terminal_a_stage_prints_a_line_every_few_seconds_and_one_at_its_end(clock):
    out = io.StringIO()
    with ProgressView(out) as view, listening(view.update):
        for step in range(21):
            report(
                "adapter_checkpoint",
                step,
                20,
                "steps",
                loss=1.0 - step / 40,
                tokens_per_second=310.4,
                learning_rate=1e-4,
            )
            clock[0] += 1
        report("evaluation_report", 5, 10, "examples")
    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert lines[1] == "adapter_checkpoint    5 of 20 steps  loss 0.875  310 tokens/s  5.0 s, about 15 s left"
    assert lines[5] == "adapter_checkpoint    20 of 20 steps  loss 0.5  310 tokens/s  21 s, done"
    assert lines[7].startswith("evaluation_report     5 of 10 examples") and lines[7].endswith("done")


def interrupted(out: io.StringIO) -> None:
    with ProgressView(out) as view:
        view.update(Update("splits", 1, 2))
        raise KeyboardInterrupt


def test_a_stage_that_did_not_end_well_is_not_called_done(clock):
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        interrupted(out)
    assert out.getvalue().splitlines()[-1].endswith("stopped")
    with ProgressView(out) as view:
        view.update(Update("splits", 1, 2))
        view.failed_stage = "splits"
    assert out.getvalue().splitlines()[-1].endswith("failed")


def test_a_stage_that_failed_before_it_showed_anything_does_not_make_the_one_before_it_fail(clock):
    out = io.StringIO()
    with ProgressView(out) as view:
        view.update(Update("splits", 2, 2))
        view.failed_stage = "base_evaluation"
    assert out.getvalue().splitlines()[-1].endswith("done")


def test_on_a_terminal_every_stage_keeps_its_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with ProgressView(out) as view:
        view.update(Update("raw_records", 10, 10))
        view.update(Update("cleaned_records", 3, 10, "rows", {"check": "meets_expectations"}))
    last = out.getvalue().split("raw_records")[-1]
    assert "✓" in out.getvalue() and "cleaned_records" in last and "check meets_expectations" in last


def test_the_summary_shows_every_stage_with_its_reasons():
    text = shown(CLASSIFICATION)
    assert "cleaned_records" in text and "2,000" in text and "1,500" in text and "500" in text
    assert "near_duplicate 400" in text and "too_short 100" in text
    assert "3:05 min" in text and "report.html" in text and "make ui" in text


@pytest.mark.parametrize(("width", "accuracy"), [(80, False), (140, True)])
def test_precision_recall_and_f1_with_intervals_fit_into_80_columns(width, accuracy):
    text = shown(CLASSIFICATION, width)
    row = next(line for line in text.splitlines() if "trained model" in line)
    assert "0.812 (0.79-0.83)" in row and "0.700 (0.60-0.80)" in row and "0.755 (0.71-0.79)" in row
    assert ("0.912 (0.90-0.93)" in row) is accuracy
    assert "1,234 records" in text


@pytest.mark.parametrize("method", NOT_FINE_TUNED)
def test_a_model_that_was_not_fine_tuned_is_called_so_and_stands_beside_no_other_like_it(method: str) -> None:
    systems = {**CLASSIFICATION["systems"], method: CLASSIFICATION["systems"]["majority"]}
    others, text = (shown({**CLASSIFICATION, "systems": systems, "method": one}) for one in ("lora", method))
    assert SYSTEMS["fine_tuned"] in others and SYSTEMS[method] in others
    assert SYSTEMS["fine_tuned"] not in text and text.count(NOT_FINE_TUNED[method]) == 1 and "0.755 (" in text
    assert len(text.splitlines()) == len(others.splitlines()) - 1


def test_metrics_of_generation_have_their_own_columns_and_a_missing_one_is_a_dash():
    systems = {
        "base_zero_shot": {"rouge_l": {"value": 0.2, "low": 0.1, "high": 0.3}},
        "fine_tuned": {"answer_loss": {"value": 1.5, "low": 1.4, "high": 1.6}},
    }
    text = shown({**CLASSIFICATION, "systems": systems})
    assert "ROUGE-L" in text and "Answer loss" in text
    assert next(line for line in text.splitlines() if "zero-shot" in line).rstrip().endswith("-")


def test_the_diagnosis_is_shown_with_its_command_and_steers_no_terminal():
    found = {"text": "Labels of [bold]x[/] \x1b[2J are wrong.", "remedy": "Mend them.", "command": "ft errors letters"}
    console = Terminal(file=io.StringIO(), width=80)
    print_summary({**CLASSIFICATION, "diagnosis": {**found, "case": "wrong_labels", "further": []}}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "What would make it better\n  Labels of [bold]x[/] " in text and "\x1b" not in text
    assert "  Mend them. Type: ft errors letters\n" in text
    assert "What would make it better" not in shown({**CLASSIFICATION, "diagnosis": None})


def test_what_was_planted_is_shown_with_what_was_missed_by_entity():
    entities = {"IBAN": {"planted": 4, "caught": 4, "missed": 0}, "PERSON": {"planted": 9, "caught": 7, "missed": 2}}
    planted = {
        "near_duplicate": {"planted": 8, "caught": 8, "missed": 0},
        "pii": {"planted": 13, "caught": 11, "missed": 2, "entities": entities},
    }
    lines = [line.split() for line in shown({**CLASSIFICATION, "planted": planted}).splitlines()]
    assert ["near", "duplicate", "8", "8", "0"] in lines
    assert ["pii", "13", "11", "2"] in lines and ["PERSON", "9", "7", "2"] in lines


def test_what_was_reused_is_said_with_the_reason():
    text = shown({**CLASSIFICATION, "trained": False, "reused": ["raw_records", "adapter_checkpoint"]}, 200)
    assert "unchanged, reused: raw_records, adapter_checkpoint, because content and settings are the same" in text
    assert "Nothing was trained" in text


def test_a_run_that_did_not_evaluate_shows_its_rows_only():
    text = shown({**CLASSIFICATION, "systems": {}, "test_rows": None, "report": None, "trained": False})
    assert "cleaned_records" in text and "Test split" not in text and "make ui" not in text


def test_traces_are_readable(capsys):
    print_record_trace(
        {
            "record_id": "r1",
            "source": {"uri": "a.csv", "position": 3, "hash": "h", "ingested_at": "2026-01-02"},
            "stages": [
                {
                    "stage": "cleaned_records",
                    "version": "cleaned_records@2",
                    "outcome": "removed",
                    "reason": "too_short",
                    "changes": [],
                    "sha256_after": "a" * 64,
                    "in_versions": [],
                }
            ],
            "split": None,
            "checkpoints": [],
            "unfinished_trainings": [],
        }
    )
    text = capsys.readouterr().out
    assert (
        "a.csv, row 3" in text
        and "removed  reason too_short, sha256 after aaaaaaaaaaaa\n" in text
        and "no checkpoint was trained on it" in text
    )
    print_checkpoint_trace(
        {
            "checkpoint": "c1",
            "written_at": "2026-01-02",
            "content_hash": "h",
            "quarantined": None,
            "base_model": {"uri": "org/m"},
            "versions": [{"version": "splits@0", "rows": 10, "content_hash": "h", "written_at": "2026-01-02"}],
            "training_records": 7,
            "source_files": [{"uri": "a.csv", "hash": None, "records": 7}],
        }
    )
    text = capsys.readouterr().out
    assert "splits@0" in text and "trained on 7 records" in text and "a.csv  7 records" in text


def test_an_error_keeps_its_begin_and_its_end_in_five_lines():
    from ft_platform.commands import shortened

    assert shortened("short. Do this") == "short. Do this"
    told = shortened("check failed: " + "word " * 400 + "All of it: ft audit letters")
    assert len(told) <= 5 * 120 and told.startswith("check failed: word") and told.endswith("ft audit letters")


def test_a_failed_check_is_told_in_a_sentence_its_first_problems_or_plain_figures():
    from types import SimpleNamespace

    from ft_platform.orchestration.runs import said_by_check

    def said(**numbers):
        return said_by_check({name: SimpleNamespace(value=value) for name, value in numbers.items()})

    assert said(says="Too little is found.", rows=3) == "Too little is found."
    assert said(rows=3, problems=["one.", "two.", "three."], faults={"a": 1}) == "one. two. And 1 more."
    assert said(rows=3, percent=0.5, record_ids={"a": ["b"]}, checked_at="today") == "rows 3, percent 0.5"
